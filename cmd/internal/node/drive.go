package node

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/replay"
)

// Materialize runs one batch view at a cutoff; cmd/freshet has it through DuckDB.
type Materialize func(ctx context.Context, v *definition.BatchView, cutoff featurestore.Instant) error

// Drive replays the history of a project's sources through a node's log: it owns
// the clock while it runs, and lets lookups in between its steps.
type Drive struct {
	Node        *Node
	Replay      *replay.Replay
	Materialize Materialize
	Speed       float64                // times the pace of the records; 0 is as fast as it goes
	Until       featurestore.Instant   // 0: to the end
	Stops       []featurestore.Instant // ascending: no step passes one
	OnStep      func(ctx context.Context, s Progress) error

	records int64
	views   []*definition.BatchView
}

// Progress is how far a replay is.
type Progress struct {
	Clock   featurestore.Instant
	Records int64 // sent since this process began
}

// Records is how many records were sent since this process began.
func (d *Drive) Records() int64 { return d.records }

// SetViews changes the batch views whose schedules are kept; it is called from
// OnStep, or when no replay runs.
func (d *Drive) SetViews(views []*definition.BatchView) { d.views = views }

// Replaying reports whether a replay runs.
func (g *Gate) Replaying() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.replay
}

// Sources are the sources of a project that have a history to replay. A replay
// makes a log of its own: it goes by the ranks of rows, whatever positions they
// had elsewhere.
func Sources(p *definition.Project) []*definition.StreamSource {
	var out []*definition.StreamSource
	for _, s := range p.StreamSources {
		if s.History == nil {
			continue
		}
		ranked, history := *s, *s.History
		history.Positions = nil
		ranked.History = &history
		out = append(out, &ranked)
	}
	return out
}

// Run replays until nothing is left, or until Until, where the clock then stands.
func (d *Drive) Run(ctx context.Context) error {
	n := d.Node
	d.views = n.Backend.Catalog().Project.BatchViews
	n.Backend.Gate.mu.Lock()
	n.Backend.Gate.replay = true
	err := d.begin(ctx)
	n.Backend.Gate.mu.Unlock()
	if err != nil {
		return err
	}
	pace := newPace(d.Speed, n.Parts.Clock.Now())
	for {
		if err := pace.wait(ctx, n.Parts.Clock.Now()); err != nil {
			return err
		}
		done, err := d.step(ctx, pace)
		if err != nil {
			return err
		}
		if d.OnStep != nil {
			if err := d.OnStep(ctx, Progress{Clock: n.Parts.Clock.Now(), Records: d.records}); err != nil {
				return err
			}
		}
		if done {
			break
		}
	}
	n.Backend.Gate.mu.Lock()
	n.Backend.Gate.replay = false
	n.Backend.Gate.mu.Unlock()
	return nil
}

// begin sets the clock before the first record and materializes what has no
// schedule, or whose schedule was due by then.
func (d *Drive) begin(ctx context.Context) error {
	first, any, err := d.Replay.First(ctx)
	if err != nil {
		return err
	}
	clock := d.Node.Parts.Clock
	if any {
		clock.Move(featurestore.Instant(first))
	}
	for _, v := range d.views {
		// What has a schedule begins with the tick that was due last, as if it had always run.
		cutoff := clock.Now()
		if tick, ok := v.Schedule.Latest(cutoff); ok && v.Schedule.Text != "" {
			cutoff = tick
		}
		if err := d.materialize(ctx, v, cutoff); err != nil {
			return err
		}
	}
	return d.settle(ctx, clock.Now())
}

// step applies one step while lookups wait. done says that the replay is over.
func (d *Drive) step(ctx context.Context, pace *pace) (done bool, err error) {
	n, clock := d.Node, d.Node.Parts.Clock
	n.Backend.Gate.mu.Lock()
	defer n.Backend.Gate.mu.Unlock()
	now := clock.Now()
	limit := min(d.limit(now), pace.limit(now))
	s, err := d.Replay.Next(ctx, limit)
	if err != nil {
		return false, err
	}
	var group errgroup.Group
	group.Go(func() error { return d.Replay.Prepare(ctx) })
	group.Go(func() error { return d.applied(ctx, s) })
	if err := group.Wait(); err != nil {
		return false, err
	}
	d.records += int64(s.Records)
	to := s.To
	if s.Done && d.Until == 0 {
		to = now // nothing is left; the last step has moved the clock past the last record
	}
	clock.Move(to)
	for _, v := range d.views {
		if tick, ok := v.Schedule.Latest(clock.Now()); ok && v.Schedule.Text != "" && tick > now {
			if err := d.materialize(ctx, v, tick); err != nil {
				return false, err
			}
		}
	}
	done = s.Done && d.Until == 0 || d.Until != 0 && clock.Now() >= d.Until
	return done, d.settle(ctx, clock.Now())
}

// applied waits until every view has applied what a step has sent.
func (d *Drive) applied(ctx context.Context, s replay.Step) error {
	for source, end := range s.Ends {
		if !d.read(source) {
			continue // no view waits for it
		}
		part := online.Partition{Source: source, Generation: offline.FilesGeneration, Number: offline.FilesPartition}
		if err := d.Node.Worker.Progress().Wait(ctx, part, end); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
	}
	return nil
}

// read reports whether a stream view reads a source.
func (d *Drive) read(source string) bool {
	for _, v := range d.Node.Backend.Catalog().Project.StreamViews {
		for i := range v.Bindings {
			if v.Bindings[i].Source.Name == source {
				return true
			}
		}
	}
	return false
}

// limit is the next instant at which something other than a record is due.
func (d *Drive) limit(now featurestore.Instant) featurestore.Instant {
	limit := featurestore.Instant(math.MaxInt64)
	if d.Until != 0 {
		limit = d.Until
	}
	for len(d.Stops) > 0 && d.Stops[0] <= now {
		d.Stops = d.Stops[1:]
	}
	if len(d.Stops) > 0 {
		limit = min(limit, d.Stops[0])
	}
	for _, v := range d.views {
		if v.Schedule.Text == "" {
			continue
		}
		if next, ok := v.Schedule.Next(now); ok {
			limit = min(limit, next)
		}
	}
	return limit
}

func (d *Drive) materialize(ctx context.Context, v *definition.BatchView, cutoff featurestore.Instant) error {
	if d.Materialize == nil {
		return nil
	}
	return d.Materialize(ctx, v, cutoff)
}

// settle makes what was applied visible: lanes at the end of the step, the
// server's picture of them, and the clock in the store.
func (d *Drive) settle(ctx context.Context, now featurestore.Instant) error {
	n := d.Node
	if err := n.Worker.Advance(ctx, now); err != nil {
		return err
	}
	if err := n.Backend.Watcher.Refresh(ctx); err != nil {
		return err
	}
	return n.Parts.KeepClock(ctx)
}

// pace holds a replay to a multiple of the records' own speed.
type pace struct {
	speed float64
	start time.Time
	from  featurestore.Instant
}

// paceStep is how often a paced replay moves.
const paceStep = 100 * time.Millisecond

func newPace(speed float64, from featurestore.Instant) *pace {
	return &pace{speed: speed, start: time.Now(), from: from}
}

// limit is how far the clock may be by now.
func (p *pace) limit(featurestore.Instant) featurestore.Instant {
	if p.speed == 0 {
		return math.MaxInt64
	}
	return p.from + featurestore.Instant(float64(time.Since(p.start).Microseconds())*p.speed)
}

// wait lets a paced replay rest between steps.
func (p *pace) wait(ctx context.Context, now featurestore.Instant) error {
	if p.speed == 0 || p.limit(now) > now+featurestore.Instant(float64(paceStep.Microseconds())*p.speed) {
		return ctx.Err()
	}
	timer := time.NewTimer(paceStep)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
