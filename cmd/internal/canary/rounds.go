package canary

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/service"
	"github.com/freshet/freshet/serving/watch"
)

// rounds writes and reads, for as long as one worker runs. It is one goroutine's.
type rounds struct {
	canary  *Canary
	worker  *worker.Worker
	watcher *watch.Watcher
	plan    *service.Compiled
	owned   map[int32]*owned
}

// owned is a partition that this process writes.
type owned struct {
	current *series // nil before its first round
	before  *series // the one before, also another process's; nil for none
	doubt   bool    // whether the last round was written is not known
	waiting *waiting
	delay   time.Duration // of the last round that was served
}

// waiting is a round that lookups do not see yet.
type waiting struct {
	seq   int64
	since time.Time
	told  bool
}

func newRounds(c *Canary, w *worker.Worker, r watch.Registry) *rounds {
	return &rounds{
		canary: c, worker: w, owned: map[int32]*owned{},
		watcher: watch.New(c.c.Project, r, c.store, slog.New(slog.DiscardHandler)), // its errors come back
	}
}

// round looks at what is stored, writes one record a probe and partition, and
// waits until lookups see them, or the next round is due.
func (r *rounds) round(ctx context.Context) error {
	deadline := time.Now().Add(r.canary.c.Every)
	if err := r.take(ctx); err != nil {
		return r.passing(err)
	}
	if err := r.inspect(ctx); err != nil {
		return r.passing(err)
	}
	for number, o := range r.owned {
		if o.waiting != nil {
			continue
		}
		if err := r.write(ctx, number, o); err != nil {
			return r.passing(err)
		}
	}
	return r.passing(r.wait(ctx, deadline))
}

// passing is nil for what may pass by itself; it is told.
func (r *rounds) passing(err error) error {
	if err == nil || errors.Is(err, featurestore.ErrUnavailable) {
		r.canary.stands(err)
		r.report()
		return nil
	}
	return err
}

// take takes the partitions that the worker reads, and gives back the others. What
// was written to a new one before is looked at first: it must have stayed right
// while ingesters came and went.
func (r *rounds) take(ctx context.Context) error {
	reads := map[int32]bool{}
	for _, id := range r.worker.Reading() {
		reads[id.Number] = true
		if o := r.owned[id.Number]; o != nil {
			if err := r.still(ctx, id.Number, o); err != nil {
				return err
			}
			continue
		}
		before, err := r.last(ctx, id.Number)
		if err != nil {
			return err
		}
		r.owned[id.Number] = &owned{before: before}
	}
	if len(reads) == 0 && r.canary.isGone(ctx) {
		return errAnew
	}
	for number := range r.owned {
		if !reads[number] {
			delete(r.owned, number)
		}
	}
	return nil
}

// still looks whether the topic still is the log that was written. Its worker
// notices too, unless another ingester, which noticed first, has made the lanes anew.
func (r *rounds) still(ctx context.Context, number int32, o *owned) error {
	if o.current == nil {
		return nil
	}
	bounds, err := r.canary.c.Log.Bounds(ctx, r.canary.c.Topic, number)
	if errors.Is(err, featurestore.ErrNotFound) {
		return errAnew
	}
	if err == nil && bounds.End < o.current.end() {
		r.replaced(number, o, bounds.End)
	}
	return err
}

// replaced forgets what was written to a log that is gone.
func (r *rounds) replaced(number int32, o *owned, end int64) {
	r.canary.lost(number, fmt.Sprintf("it ends at %d, but %d was acknowledged", end, o.current.end()-1))
	*o = owned{delay: o.delay}
}

// last is the series of the newest record of a partition; nil for none.
func (r *rounds) last(ctx context.Context, number int32) (*series, error) {
	log, topic := r.canary.c.Log, r.canary.c.Topic
	bounds, err := log.Bounds(ctx, topic, number)
	if err != nil || bounds.End <= bounds.Start {
		return nil, err
	}
	batch, err := log.Peek(ctx, topic, number, bounds.End-1)
	if err != nil {
		return nil, err
	}
	defer batch.Release()
	if len(batch.Records) == 0 {
		return nil, nil
	}
	return resumed(number, &batch.Records[0])
}

// write writes the next round of a partition.
func (r *rounds) write(ctx context.Context, number int32, o *owned) error {
	now := r.canary.c.Now()
	if o.current == nil || o.doubt || o.current.age(now) >= seriesFor || now < featurestore.Instant(o.current.id) {
		next, err := newSeries(number, int64(now))
		if err != nil {
			return err
		}
		if o.current != nil && len(o.current.rounds) > 0 {
			o.before = o.current
		}
		o.current, o.doubt = next, false
	}
	at := max(now, o.current.last)
	since := time.Now()
	seq := o.current.seq() + 1
	base, err := r.canary.c.Log.Produce(ctx, r.canary.c.Topic, number, o.current.records(seq, at))
	switch {
	case err == nil:
	case errors.Is(err, featurestore.ErrNotFound):
		return errAnew
	case errors.Is(err, featurestore.ErrInvalid):
		return r.canary.refused("the canary's topic cannot be written", err)
	default:
		o.doubt = true // it may have been written: nobody counts on it, a new series begins
		return err
	}
	if base < o.current.end() {
		r.replaced(number, o, base)
		return nil
	}
	o.current.wrote(round{seq, base}, at)
	o.waiting = &waiting{seq: seq, since: since}
	r.canary.change(func(s *Status) { s.Written += probes })
	return nil
}

// wait looks until every round is served.
func (r *rounds) wait(ctx context.Context, deadline time.Time) error {
	begun := time.Now()
	refreshed := begun
	for {
		open := 0
		for number, o := range r.owned {
			if o.waiting == nil {
				continue
			}
			if err := r.served(ctx, number, o); err != nil {
				return err
			}
			if o.waiting != nil {
				open++
			}
		}
		if open == 0 {
			return nil
		}
		pause := min(max(time.Since(begun)/8, 2*time.Millisecond), 250*time.Millisecond)
		if time.Now().Add(pause).After(deadline) {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if time.Since(refreshed) > 500*time.Millisecond {
			refreshed = time.Now()
			if err := r.watcher.Refresh(ctx); err != nil {
				return err
			}
		}
	}
}

// served looks whether the round of a partition is served.
func (r *rounds) served(ctx context.Context, number int32, o *owned) error {
	l, err := r.read(ctx, o.current)
	if err != nil {
		return err
	}
	took := time.Since(o.waiting.since)
	if l.served(o.waiting.seq) {
		if o.waiting.told {
			r.canary.c.Logger.Info("the canary's records are served again", "partition", number, "number", o.waiting.seq, "after", took.String())
		}
		o.waiting, o.delay = nil, took
		r.canary.served(took)
		return nil
	}
	if took > slowAfter && !o.waiting.told {
		o.waiting.told = true
		why := "lookups do not see them"
		if status, hidden := l.unanswered(); hidden {
			why = "lookups answer " + status.String()
		}
		r.canary.c.Logger.Warn("the canary's records are not served: "+why, "partition", number, "series", o.current.id, "number", o.waiting.seq,
			"offset", o.current.rounds[len(o.current.rounds)-1].base, "since", took.String())
	}
	return nil
}

// inspect compares what is stored of every series that is looked at. A finding is
// one that two looks agree on: in between a store may have failed over, which the
// lanes show.
func (r *rounds) inspect(ctx context.Context) error {
	findings, err := r.judge(ctx)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		timer := time.NewTimer(confirmAfter)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		again, err := r.judge(ctx)
		if err != nil {
			return err
		}
		names := map[string]bool{}
		for i := range findings {
			names[findings[i].name()] = true
		}
		findings = findings[:0]
		for i := range again {
			if names[again[i].name()] {
				findings = append(findings, again[i])
			}
		}
	}
	r.canary.found(findings)
	r.goOn(findings)
	return nil
}

// goOn writes on where a key of the round that is waited for is lost: lookups may
// never see that round, and it is the next record that makes the key anew.
func (r *rounds) goOn(findings []Finding) {
	for i := range findings {
		f := &findings[i]
		if o := r.owned[f.Partition]; f.Kind == Loss && o != nil && o.current != nil && o.current.id == f.Series {
			o.waiting = nil
		}
	}
}

// judge looks once at every series.
func (r *rounds) judge(ctx context.Context) ([]Finding, error) {
	if err := r.watcher.Refresh(ctx); err != nil {
		return nil, err
	}
	// The lanes come first: what they have passed is in the values that follow.
	lanes, err := r.canary.store.Lanes(ctx, r.canary.generation, probes)
	if err != nil {
		return nil, err
	}
	now := r.canary.c.Now()
	var out []Finding
	for _, o := range r.owned {
		for _, s := range []*series{o.before, o.current} {
			if s == nil || len(s.rounds) == 0 || s.age(now) > watchedFor {
				continue
			}
			l, err := r.read(ctx, s)
			if err != nil {
				return nil, err
			}
			l.lanes = lanes
			out = append(out, l.judge()...)
		}
	}
	return out, nil
}

// read looks a series up, as anybody's request would be.
func (r *rounds) read(ctx context.Context, s *series) (*look, error) {
	catalog := r.watcher.Catalog()
	if catalog == nil {
		if err := r.watcher.Refresh(ctx); err != nil {
			return nil, err
		}
		catalog = r.watcher.Catalog()
	}
	if r.plan == nil {
		var err error
		if r.plan, err = catalog.Features(features); err != nil {
			return nil, err
		}
	}
	// What was written last must be before the read time, also where the clock has
	// gone back.
	at := max(r.canary.c.Now(), s.last+featurestore.Instant(featurestore.Millisecond))
	req := &service.Request{Rows: probes, Entities: make([][]featurestore.Value, len(keyTypes)), AsOf: &at}
	for _, probe := range s.probes {
		for i, v := range s.key(probe) {
			req.Entities[i] = append(req.Entities[i], v)
		}
	}
	answer, err := catalog.Lookup(ctx, r.canary.store, r.plan, req, at)
	if err != nil {
		return nil, err
	}
	l := &look{series: s}
	for column := range cells {
		for lane := range l.rows {
			l.rows[lane][column] = answer.Columns[column].Cells[lane]
		}
	}
	return l, nil
}

// report tells the status how far each partition is.
func (r *rounds) report() {
	list := make([]PartitionStatus, 0, len(r.owned))
	watched := map[int64]bool{}
	for number, o := range r.owned {
		p := PartitionStatus{Partition: number, Delay: o.delay.Seconds()}
		if o.before != nil {
			watched[o.before.id] = true
		}
		if s := o.current; s != nil {
			watched[s.id] = true
			p.Series, p.Number = featurestore.Instant(s.id).String(), s.seq()
			if n := len(s.rounds); n > 0 {
				p.Offset = s.rounds[n-1].base + probes - 1
			}
		}
		if o.waiting != nil {
			p.Waiting = time.Since(o.waiting.since).Seconds()
		}
		list = append(list, p)
	}
	r.canary.report(list, watched, r.late())
}

// late is why the worker does not get on; "" where it knows nothing.
func (r *rounds) late() string {
	for _, s := range r.worker.Progress().Statuses() {
		if s.Trouble != "" && r.owned[s.Partition.Number] != nil {
			return s.Trouble
		}
	}
	if how := r.worker.Conditions()[r.canary.generation]; how.Reason != "" {
		return how.State + ": " + how.Reason
	}
	return ""
}
