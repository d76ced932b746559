package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
)

// examination compares stored entities of one generation with what history and
// log say: each is folded anew, whose bytes must be equal, and its values are
// computed by the oracle, which shares no fold with the engine. The stream goes
// on meanwhile: what is compared is the state that was read, by its applied list.
type examination struct {
	w       *Worker
	view    *View
	sample  *sample
	through map[online.Partition]int64 // the last offset of which the sample has everything

	// lost are the partitions of logs that are gone, or that lack what compaction has
	// removed, of which lanes have applied more than is at rest: the last offset that is.
	lost     map[online.Partition]int64
	unrested map[online.Partition]bool // of these, those of the second kind

	dropped map[online.Partition]offline.Dropped // by retention, from history
	gone    map[online.Partition]restNote        // what the view has applied, or may have, and is nowhere

	otherwise []Otherwise
	letters   map[string]int // by source, dead letters of other definitions that the view's own reads
	counted   int            // entities that are right only with these
}

// examined is the result of an examination.
type examined struct {
	Entities, Rows int
	Skipped        int // entities that cannot be compared: they have too many records, or some that are nowhere any more or that retention has dropped
	Findings       []finding

	// Otherwise is why history may not be what the generation has counted; Letters are, by
	// source, the dead letters that its definition reads, and Counted the entities that are
	// right only with these.
	Otherwise []Otherwise
	Letters   map[string]int
	Counted   int
}

// finding is an entity that the store holds otherwise than its records say.
type finding struct {
	damage
	byOracle bool // only its values differ: a fold anew does not mend it
}

// examineAttempts bounds how often an entity is looked at before it counts as a
// finding: a store that has just lost something is mended by the stream.
const examineAttempts = 4

// examineStep is how many entities are read at once.
const examineStep = 100

// examine draws a sample and compares it.
func (w *Worker) examine(ctx context.Context, v *View, by sampling) (*examined, error) {
	x := &examination{w: w, view: v, sample: newSample(v.view, v.laneCount(), by), through: map[online.Partition]int64{}, lost: map[online.Partition]int64{}, unrested: map[online.Partition]bool{}, dropped: map[online.Partition]offline.Dropped{}, gone: map[online.Partition]restNote{}, letters: map[string]int{}}
	for i := range v.view.Bindings {
		gone, err := w.nowhere(ctx, v.view.Bindings[i].Source, v, by.before)
		if err != nil {
			return nil, err
		}
		maps.Copy(x.gone, gone)
	}
	var err error
	if x.otherwise, err = w.otherwise(ctx, v); err != nil {
		return nil, err
	}
	lanes, err := x.lanes(ctx)
	if err != nil {
		return nil, err
	}
	if err := x.drawWhole(ctx, lanes); err != nil {
		return nil, err
	}
	out := &examined{Otherwise: x.otherwise, Letters: x.letters}
	var keys []string
	for key, e := range x.sample.byKey {
		if e.hot {
			out.Skipped++
			continue
		}
		out.Rows += len(e.rows)
		keys = append(keys, key)
	}
	slices.Sort(keys)
	out.Entities = len(keys)
	for step := range slices.Chunk(keys, examineStep) {
		found, skipped, err := x.compare(ctx, step)
		if err != nil {
			return nil, err
		}
		out.Findings = append(out.Findings, found...)
		out.Entities -= skipped
		out.Skipped += skipped
	}
	out.Counted = x.counted
	return out, nil
}

// lanes reads the watermarks of the generation.
func (x *examination) lanes(ctx context.Context) ([]online.Lane, error) {
	lanes, err := storedLanes(ctx, x.view.store, x.view.id, x.view.laneCount())
	if err != nil {
		return nil, err
	}
	for i := range lanes {
		switch m := lanes[i].Meta; {
		case m.State == online.StateMissing || m.State == online.StateLost:
			return nil, errLost
		case m.Definition != x.view.view.Hash:
			return nil, errStale
		}
	}
	return lanes, nil
}

// drawWhole takes the sample, of partitions that lack what compaction has removed and that is
// not at rest yet as far as they are.
func (x *examination) drawWhole(ctx context.Context, lanes []online.Lane) error {
	for {
		err := x.draw(ctx, lanes)
		var unrested *unrestedError
		if !errors.As(err, &unrested) || x.unrested[unrested.partition] {
			return err
		}
		x.unrested[unrested.partition] = true
		x.sample = newSample(x.view.view, x.view.laneCount(), x.sample.sampling)
	}
}

// draw takes the sample, with all of its records up to where the lanes stand.
func (x *examination) draw(ctx context.Context, lanes []online.Lane) error {
	for i := range lanes {
		for p, w := range lanes[i].Watermarks {
			if _, reads := x.view.binding[p.Source]; reads && w.Offset >= 0 && w.LogTime != noLogTime {
				x.through[p] = max(x.through[p], w.Offset)
			}
		}
	}
	if err := x.w.Flush(); err != nil {
		return err
	}
	for i := range x.view.view.Bindings { // somebody may have put records to rest by an older definition since it was filled
		if err := x.w.reread(ctx, x.view, i); err != nil {
			return fmt.Errorf("view %q: %w", x.view.Name(), err)
		}
	}
	replay := x.w.replayOf(x.view)
	for i := range x.view.view.Bindings {
		b := &x.view.view.Bindings[i]
		through := map[online.Partition]int64{}
		for p, offset := range x.through {
			if p.Source == b.Source.Name {
				through[p] = offset
			}
		}
		if err := x.leaveLost(ctx, b.Source, through); err != nil {
			return err
		}
		dropped, err := x.w.c.History.Dropped(ctx, b.Source)
		if err != nil {
			return err
		}
		for p, d := range dropped {
			x.dropped[online.Partition{Source: b.Source.Name, Generation: p.Generation, Number: p.Partition}] = d
		}
		keep := func(ev *featurestore.Event) bool { return x.sample.wants(b, ev) }
		if err := replay(ctx, i, through, keep, func(c *Chunk) { x.sample.take(c, i) }); err != nil {
			return fmt.Errorf("view %q: %w", x.view.Name(), err)
		}
	}
	x.sample.complete = true
	for _, o := range x.otherwise {
		if err := x.takeRefused(ctx, x.view.binding[o.Source]); err != nil {
			return fmt.Errorf("view %q: %w", x.view.Name(), err)
		}
	}
	return nil
}

// leaveLost ends the partitions of logs that are gone, or lack something, where what is at
// rest ends.
func (x *examination) leaveLost(ctx context.Context, s *definition.StreamSource, through map[online.Partition]int64) error {
	reached, err := x.w.atRest(ctx, s, through)
	if err != nil {
		return err
	}
	for p, to := range through {
		if reached[p] < to && (x.w.gone(p) || x.unrested[p]) {
			x.lost[p], through[p] = reached[p], reached[p]
		}
	}
	return nil
}

// holdsLost reports whether an entity holds records that are nowhere any more:
// then nothing can say what it should be.
func (x *examination) holdsLost(s *storedEntity) bool {
	return slices.ContainsFunc(s.state.Applied, func(a featurestore.AppliedEntry) bool {
		p, _ := x.partition(a.PartitionID)
		last, lost := x.lost[p]
		return lost && a.Offset > last
	})
}

// holdsDropped reports whether an entity may hold what history no longer has: no
// window reads it now, but its bytes are not those of what is left.
func (x *examination) holdsDropped(s *storedEntity) bool {
	retention, bounded := x.view.view.Plan.Retention()
	last, _ := s.state.Applied.MaxLogTime()
	since := featurestore.EventTime(last) - featurestore.EventTime(retention+featurestore.Day)
	return slices.ContainsFunc(s.state.Applied, func(a featurestore.AppliedEntry) bool {
		p, _ := x.partition(a.PartitionID)
		if k, lost := x.gone[p]; lost && a.Offset >= k.ranges()[0].From && (!bounded || since <= featurestore.EventTime(k.At)) {
			return true // whatever was lost is older
		}
		d, some := x.dropped[p]
		return some && (bounded && since <= d.Newest || slices.ContainsFunc(d.Ranges, func(r offline.Range) bool { return r.Contains(a.Offset) }))
	})
}

// follow adds to the sample what its entities have met since it was drawn.
func (x *examination) follow(ctx context.Context, need map[online.Partition]int64) error {
	for p, to := range need {
		from, met := x.through[p]
		if !met {
			from = -1
		}
		if _, lost := x.lost[p]; lost || from >= to {
			continue
		}
		i := x.view.binding[p.Source]
		s := x.view.view.Bindings[i].Source
		bounds, err := x.w.c.Log.Bounds(ctx, s.Topic, p.Number)
		if err != nil {
			return err
		}
		if to = min(to, bounds.End-1); from >= to {
			continue
		}
		more := offline.Range{From: from + 1, To: to + 1}
		err = x.w.replayable(ctx, x.view, p, more)
		if err == nil {
			err = x.w.replayLog(ctx, s, p, more, func(c *Chunk) { x.sample.take(c, i) })
		}
		if errors.As(err, new(*unrestedError)) {
			x.lost[p] = from // no entity that has more is compared
			continue
		}
		if err != nil {
			return fmt.Errorf("view %q: %w: source %q partition %d: %w", x.view.Name(), errRebuild, s.Name, p.Number, err)
		}
		x.through[p] = to
	}
	return nil
}

// compare compares some entities, and those that differ again, until they agree
// or have differed often enough.
func (x *examination) compare(ctx context.Context, keys []string) (found []finding, skipped int, err error) {
	wait := backoff{}
	for attempt := 1; ; attempt++ {
		found, passed, err := x.look(ctx, keys)
		skipped += passed
		if err != nil || len(found) == 0 || attempt == examineAttempts {
			return found, skipped, err
		}
		keys = keys[:0:0]
		for i := range found {
			keys = append(keys, found[i].key)
		}
		if err := wait.sleep(ctx); err != nil {
			return nil, skipped, err
		}
	}
}

// look reads entities between two looks at their lanes and says which differ.
// Where a lane went back in between, the store has lost something, and its
// entities say nothing now: they count as different until they are looked at
// again.
func (x *examination) look(ctx context.Context, keys []string) (found []finding, skipped int, err error) {
	before, err := x.lanes(ctx)
	if err != nil {
		return nil, 0, err
	}
	ids := make([]online.EntityID, len(keys))
	for i, key := range keys {
		ids[i] = x.view.entityID(x.sample.byKey[key].lane, key)
	}
	parts, err := x.view.store.Get(ctx, ids)
	if err != nil {
		return nil, 0, err
	}
	after, err := x.lanes(ctx)
	if err != nil {
		return nil, 0, err
	}
	read := make([]storedEntity, len(keys))
	need := map[online.Partition]int64{}
	for i, key := range keys {
		e := x.sample.byKey[key]
		read[i] = x.decode(e, parts[i])
		read[i].marks, read[i].back = before[e.lane].Watermarks, wentBack(before[e.lane], after[e.lane])
		x.needs(&read[i], need)
	}
	if err := x.follow(ctx, need); err != nil {
		return nil, 0, err
	}
	for i := range read {
		if x.holdsLost(&read[i]) || x.holdsDropped(&read[i]) {
			skipped++
			continue
		}
		reason, byOracle, err := x.judgeWhole(&read[i])
		if err != nil {
			return nil, 0, err
		}
		if reason != nil {
			e := read[i].sampled
			found = append(found, finding{damage: damage{key: e.key, lane: e.lane, reason: reason}, byOracle: byOracle})
		}
	}
	return found, skipped, nil
}
