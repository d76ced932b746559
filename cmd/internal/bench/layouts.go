//go:build unix

package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/logrecord"
)

const (
	layoutCommand  = "layout"
	layoutProgress = "progress" // the hash in which an opponent says how far it is
	layoutBatch    = 128 << 10  // events of one batch, about
	archivingName  = "archiving"
)

// opponent is what a layout does with the events of a batch: it fills a pipeline.
type opponent interface {
	write(ctx context.Context, to redis.Pipeliner, events []featurestore.Event)
}

// opponents are the layouts that ours is compared with.
func opponents(blob int) map[string]opponent {
	return map[string]opponent{
		"ceiling":     &ceiling{blob: make([]byte, blob), touched: map[string]struct{}{}},
		archivingName: &ceiling{blob: make([]byte, blob), touched: map[string]struct{}{}},
		"hincrby":     &hincrby{},
		"slides":      &manySlides{},
	}
}

// runLayout is the process of an opponent: the same client, fetch and decoding as
// ours. One batch is written while the next is decoded. It ends on SIGTERM.
func runLayout(ctx context.Context, args []string) (err error) {
	if len(args) != 7 {
		return fmt.Errorf("an opponent takes name, broker, redis, topic, partitions, events of each and bytes")
	}
	partitions, err1 := strconv.Atoi(args[4])
	share, err2 := strconv.ParseInt(args[5], 10, 64)
	blob, err3 := strconv.Atoi(args[6])
	if err := first(err1, err2, err3); err != nil {
		return err
	}
	cli.TuneGC()
	log, source, err := openTopic(ctx, args[1], args[3])
	if err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: args[2], ReadTimeout: time.Minute, WriteTimeout: time.Minute, ReadBufferSize: 128 << 10, WriteBufferSize: 128 << 10})
	var archive *archiver
	if args[0] == archivingName {
		if archive, err = newArchiver(source, partitions); err != nil {
			return err
		}
		defer func() { err = first(err, archive.close()) }()
	}
	var group errgroup.Group
	for number := range partitions {
		r := &layoutReader{log: log, redis: client, source: source, archive: archive, number: int32(number), end: share, batch: int(min(layoutBatch, max(1000, share/16))), opponent: opponents(blob)[args[0]]}
		group.Go(func() error { return r.run(ctx) })
	}
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return first(client.Close(), log.Close())
}

// openTopic opens a log as ours does, and gives the source that is read from a topic.
func openTopic(ctx context.Context, broker, topic string) (*kafka.Client, *definition.StreamSource, error) {
	project, problems := definition.Load([]definition.File{{Path: "spending.yaml", Data: []byte(definitionsOf(topic))}})
	if project == nil {
		return nil, nil, problems
	}
	log, err := kafka.Open(ctx, kafka.Config{Brokers: []string{broker}, Clock: func() featurestore.Instant { return featurestore.InstantOf(time.Now()) }})
	return log, project.StreamSource("payments"), err
}

// layoutReader is one partition of an opponent.
type layoutReader struct {
	log      *kafka.Client
	redis    *redis.Client
	source   *definition.StreamSource
	number   int32
	end      int64 // it stops about there
	batch    int   // events, about
	archive  *archiver
	opponent opponent
}

func (r *layoutReader) run(ctx context.Context) (err error) {
	decoder, err := decode.New(r.source, decode.Options{})
	if err != nil {
		return err
	}
	reader, err := r.log.Open(ctx, r.source.Topic, r.number, 0)
	if err != nil {
		return err
	}
	defer func() { err = first(err, reader.Close()) }()
	full, spare := make(chan *decode.Batch), make(chan *decode.Batch, 2)
	spare <- new(decode.Batch)
	spare <- new(decode.Batch)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(full)
		return r.decode(ctx, reader, decoder, full, spare)
	})
	group.Go(func() error { return r.write(ctx, full, spare) })
	return group.Wait()
}

func (r *layoutReader) decode(ctx context.Context, reader logrecord.Reader, decoder *decode.Decoder, full chan<- *decode.Batch, spare <-chan *decode.Batch) error {
	for done := false; !done; {
		b := <-spare
		b.Reset()
		for !done && len(b.Events) < r.batch {
			batch, err := reader.Next(ctx)
			if err != nil {
				return err
			}
			for i := range batch.Records {
				if err := decoder.Append(b, &batch.Records[i], featurestore.PartitionID{Partition: r.number}); err != nil {
					return err
				}
			}
			done = batch.AtEnd() || batch.Next >= r.end
			batch.Release()
		}
		select {
		case full <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *layoutReader) write(ctx context.Context, full <-chan *decode.Batch, spare chan<- *decode.Batch) error {
	columns := columnar.New(r.source)
	for b := range full {
		if len(b.Events) > 0 {
			if r.archive != nil {
				if err := r.archive.take(columns, b.Events); err != nil {
					return err
				}
			}
			pipe := r.redis.Pipeline()
			r.opponent.write(ctx, pipe, b.Events)
			pipe.HSet(ctx, layoutProgress, strconv.Itoa(int(r.number)), b.Events[len(b.Events)-1].Offset+1)
			if _, err := pipe.Exec(ctx); err != nil {
				return err
			}
		}
		spare <- b
	}
	return nil
}

// ceiling is throwaway: it folds nothing, and sets a blob of our size for each key
// that a batch touches. No ingester that keeps a blob a key can be faster.
type ceiling struct {
	blob    []byte
	touched map[string]struct{}
}

func (c *ceiling) write(ctx context.Context, to redis.Pipeliner, events []featurestore.Event) {
	clear(c.touched)
	for i := range events {
		user := events[i].Fields[0].Str()
		if _, seen := c.touched[user]; !seen {
			c.touched[user] = struct{}{}
			to.Set(ctx, user, c.blob, 0)
		}
	}
}

// hincrby keeps the counts and sums of tiles in a hash a user, and adds each event
// in Redis. It has no min, no max, and nothing that makes it right after a crash.
type hincrby struct{}

func (hincrby) write(ctx context.Context, to redis.Pipeliner, events []featurestore.Event) {
	for i := range events {
		ev := &events[i]
		user, amount := ev.Fields[0].Str(), ev.Fields[1].Int64()
		for _, tile := range [...]int64{60, 3600} {
			field := strconv.FormatInt(int64(ev.Time)/1_000_000/tile, 10)
			to.HIncrBy(ctx, user, "n"+field, 1)
			to.HIncrBy(ctx, user, "s"+field, amount)
		}
	}
}

// manySlides is a bucket for each slide of each window, in memory: its writes are
// given to it. It folds all users into a hundred: with a state for each of them it
// would not fit into memory.
type manySlides struct{ users [100]*slides }

func (m *manySlides) write(_ context.Context, _ redis.Pipeliner, events []featurestore.Event) {
	for i := range events {
		ev := &events[i]
		user := ev.Fields[0].Str()
		at := int(user[len(user)-1]-'0') + 10*int(user[len(user)-2]-'0')
		if m.users[at] == nil {
			m.users[at] = newSlides(basicView(featurestore.Int64, threeWindows()...))
		}
		m.users[at].add(int64(ev.Time), float64(ev.Fields[1].Int64()))
	}
}
