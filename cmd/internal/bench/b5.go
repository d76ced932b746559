//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	redisstore "github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Events of the slow opponents: enough for a rate.
const (
	hincrbyEvents = 300_000
	slidesEvents  = 30_000
)

// b5 is the stream: Kafka in, Redis out, the broker on the same cores.
func b5(ctx context.Context, o *options) (rows []row, err error) {
	s, err := startServices(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, s.stop()) }()
	store, err := redisstore.Open(redisstore.Config{Addrs: []string{s.server.Addr()}})
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, store.Close()) }()
	b := &streamBench{o: o, s: s, store: store, keys: userKeys()}
	for _, c := range []struct {
		name string
		zipf bool
	}{{"uniform", false}, {"zipf", true}} {
		more, err := b.keysCase(ctx, c.name, c.zipf)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", c.name, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// streamBench is what the cases of the stream share.
type streamBench struct {
	o     *options
	s     *services
	store *redisstore.Store
	keys  [][]byte
}

// keysCase runs all of B5 over one distribution of keys.
func (b *streamBench) keysCase(ctx context.Context, name string, zipf bool) ([]row, error) {
	events := newStream(b.o.events, zipf, time.Now().Add(-8*24*time.Hour))
	if err := b.produce(ctx, name, events); err != nil {
		return nil, err
	}
	us := &ours{services: b.s, program: b.o.freshetd, topic: name, partitions: b.o.partitions, last: lastOffsetsOf(events, b.keys, b.o.partitions), store: b.store}
	check := &checker{store: b.store, id: generationOf(1), keys: b.keys}
	// The first lap warms everything up, is checked, and says how large our blobs are.
	warm, err := b.s.profiled(ctx, b.o, name, us)
	if err != nil {
		return nil, err
	}
	check.view = us.project.view()
	if err := check.check(ctx, events); err != nil {
		return nil, err
	}
	if b.o.verbose {
		fmt.Fprintln(os.Stderr, b.s.commandTimes(ctx))
	}
	blob := int(check.bytes / int64(check.entities))
	b.say(name, "ours, to warm up", warm)
	fmt.Fprintf(os.Stderr, "%s: all values of %d entities are the oracle's; %d bytes an entity\n", name, check.entities, blob)
	if b.o.pairs == 0 {
		return nil, nil
	}
	opponent := func(kind string, events int) *layout {
		return &layout{services: b.s, name: kind, topic: name, partitions: b.o.partitions, events: int64(events), whole: events == b.o.events, blob: blob}
	}
	r, err := b.s.race(ctx, b.o.pairs, us, opponent("ceiling", b.o.events), func(who string, l *lap) { b.say(name, who, l) })
	if err != nil {
		return nil, err
	}
	rows := r.rows(name, "ceiling: one SET a touched key", 0.75)
	rows = append(rows, memoryRow(name, r.ours), limitedRate(name+", events/s on this machine", medianOf(r.ours, (*lap).rate), 1e6))
	archiving, err := b.archiving(ctx, name, opponent(archivingName, b.o.events), r)
	if err != nil {
		return rows, err
	}
	rows = append(rows, archiving...)
	if zipf {
		return rows, nil
	}
	more, err := b.others(ctx, name, opponent, r)
	if err != nil || b.o.sustained == 0 {
		return append(rows, more...), err
	}
	rows = append(rows, more...)
	more, err = b.sustain(ctx, b.o.share*medianOf(r.ours, (*lap).rate))
	return append(rows, more...), err
}

// archiving runs the ceiling with the archive, and says how near ours comes to it, and
// how near it comes to the ceiling: nothing that keeps its events can be nearer.
func (b *streamBench) archiving(ctx context.Context, name string, o *layout, r *race) (rows []row, err error) {
	l, err := b.s.lap(ctx, o)
	if err != nil {
		return nil, err
	}
	b.say(name, "the ceiling with the archive", l)
	near, bound := &race{}, &race{theirs: r.theirs}
	for i := range r.ours {
		near.ours, near.theirs, bound.ours = append(near.ours, r.ours[i]), append(near.theirs, l), append(bound.ours, l)
	}
	rows = near.rows(name, "ceiling, which archives too", 0)
	for _, more := range bound.rows(name, "ceiling: one SET a touched key", 0) {
		more.Case = "the ceiling which archives too: " + more.Case
		rows = append(rows, more)
	}
	return rows, nil
}

// others compares with the layouts that are too slow for a whole lap.
func (b *streamBench) others(ctx context.Context, name string, opponent func(string, int) *layout, r *race) (rows []row, err error) {
	for _, x := range []struct {
		kind   string
		events int
		target float64
	}{{"slides", slidesEvents, 50}, {"hincrby", hincrbyEvents, 1}} {
		l, err := b.s.lap(ctx, opponent(x.kind, x.events))
		if err != nil {
			return nil, err
		}
		b.say(name, x.kind, l)
		one := &race{ours: r.ours}
		for range r.ours {
			one.theirs = append(one.theirs, l)
		}
		rows = append(rows, one.rows(name, map[string]string{"slides": "one bucket a slide, in memory", "hincrby": "HINCRBY an event"}[x.kind], x.target)...)
	}
	return rows, nil
}

func (b *streamBench) say(keys, who string, l *lap) {
	fmt.Fprintf(os.Stderr, "%s, %s: %s\n", keys, who, l)
}

// produce fills a topic with the events, each user's in one partition.
func (b *streamBench) produce(ctx context.Context, topic string, events *stream) error {
	if err := b.s.topic(ctx, topic, b.o.partitions); err != nil {
		return err
	}
	var group errgroup.Group
	for number := range b.o.partitions {
		group.Go(func() error {
			var records []logrecord.Record
			var text []byte
			flush := func() error {
				_, err := b.s.log.Produce(ctx, topic, int32(number), records)
				records, text = records[:0], make([]byte, 0, 5000*eventBytes)
				return err
			}
			text = make([]byte, 0, 5000*eventBytes)
			for i, user := range events.users {
				if partitionOf(user, b.o.partitions) != number {
					continue
				}
				at := len(text)
				r := events.record(i, text)
				text = r.Value
				r.Value = r.Value[at:]
				records = append(records, r)
				if len(records) == 5000 {
					if err := flush(); err != nil {
						return err
					}
				}
			}
			if len(records) > 0 {
				return flush()
			}
			return nil
		})
	}
	return group.Wait()
}

// memoryRow is the largest memory of the ingester.
func memoryRow(name string, laps []*lap) row {
	worst := 0.0
	for _, l := range laps {
		worst = max(worst, float64(l.rssMax)/(1<<20))
	}
	return limited(name+", memory of the ingester", "MiB", worst, worst, 1024)
}

// growth is by which part the memory at the end is above that at half the events.
func (l *lap) growth() float64 {
	var half, end int64
	for _, m := range l.memory {
		if m.events <= l.events/2 {
			half = max(half, m.rss)
		}
		end = max(end, m.rss)
	}
	if half == 0 {
		return 0
	}
	return float64(end)/float64(half) - 1
}

// limitedRate is a row of a rate that shall reach a figure.
func limitedRate(name string, rate, aim float64) row {
	return row{Case: name, Opponent: "limit", Ours: rate, Theirs: aim, Unit: "1/s", Ratio: rate / aim, WorstPair: rate / aim, Target: 1, Met: rate >= aim}
}
