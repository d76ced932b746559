package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
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
}

// examined is the result of an examination.
type examined struct {
	Entities, Rows int
	Hot            int // entities that have too many records to be looked at
	Findings       []finding
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
	x := &examination{w: w, view: v, sample: newSample(v.view, v.laneCount(), by), through: map[online.Partition]int64{}}
	lanes, err := x.lanes(ctx)
	if err != nil {
		return nil, err
	}
	if err := x.draw(ctx, lanes); err != nil {
		return nil, err
	}
	out := &examined{}
	var keys []string
	for key, e := range x.sample.byKey {
		if e.hot {
			out.Hot++
			continue
		}
		out.Rows += len(e.rows)
		keys = append(keys, key)
	}
	slices.Sort(keys)
	out.Entities = len(keys)
	for step := range slices.Chunk(keys, examineStep) {
		found, err := x.compare(ctx, step)
		if err != nil {
			return nil, err
		}
		out.Findings = append(out.Findings, found...)
	}
	return out, nil
}

// lanes reads the watermarks of the generation.
func (x *examination) lanes(ctx context.Context) ([]online.Lane, error) {
	lanes, err := x.view.store.Lanes(ctx, x.view.id, x.view.laneCount())
	if err != nil {
		return nil, err
	}
	for i := range lanes {
		switch m := lanes[i].Meta; {
		case m.State == online.StateMissing:
			return nil, errLost
		case m.Definition != x.view.view.Hash:
			return nil, errStale
		}
	}
	return lanes, nil
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
	replay := x.w.replayOf(x.view)
	for i := range x.view.view.Bindings {
		b := &x.view.view.Bindings[i]
		through := map[online.Partition]int64{}
		for p, offset := range x.through {
			if p.Source == b.Source.Name {
				through[p] = offset
			}
		}
		keep := func(ev *featurestore.Event) bool { return x.sample.wants(b, ev) }
		if err := replay(ctx, i, through, keep, func(c *Chunk) { x.sample.take(c, i) }); err != nil {
			return fmt.Errorf("view %q: %w", x.view.Name(), err)
		}
	}
	x.sample.complete = true
	return nil
}

// follow adds to the sample what its entities have met since it was drawn.
func (x *examination) follow(ctx context.Context, need map[online.Partition]int64) error {
	for p, to := range need {
		from, met := x.through[p]
		if !met {
			from = -1
		}
		if from >= to {
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
		if err := x.w.replayLog(ctx, s, p, offline.Range{From: from + 1, To: to + 1}, func(c *Chunk) { x.sample.take(c, i) }); err != nil {
			return fmt.Errorf("view %q: %w: source %q partition %d: %w", x.view.Name(), errRebuild, s.Name, p.Number, err)
		}
		x.through[p] = to
	}
	return nil
}

// compare compares some entities, and those that differ again, until they agree
// or have differed often enough.
func (x *examination) compare(ctx context.Context, keys []string) ([]finding, error) {
	wait := backoff{}
	for attempt := 1; ; attempt++ {
		found, err := x.look(ctx, keys)
		if err != nil || len(found) == 0 || attempt == examineAttempts {
			return found, err
		}
		keys = keys[:0:0]
		for i := range found {
			keys = append(keys, found[i].key)
		}
		if err := wait.sleep(ctx); err != nil {
			return nil, err
		}
	}
}

// look reads entities between two looks at their lanes and says which differ.
// Where a lane went back in between, the store has lost something, and its
// entities say nothing now: they count as different until they are looked at
// again.
func (x *examination) look(ctx context.Context, keys []string) ([]finding, error) {
	before, err := x.lanes(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]online.EntityID, len(keys))
	for i, key := range keys {
		ids[i] = x.view.entityID(x.sample.byKey[key].lane, key)
	}
	parts, err := x.view.store.Get(ctx, ids)
	if err != nil {
		return nil, err
	}
	after, err := x.lanes(ctx)
	if err != nil {
		return nil, err
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
		return nil, err
	}
	var found []finding
	for i := range read {
		reason, byOracle, err := x.judge(&read[i])
		if err != nil {
			return nil, err
		}
		if reason != nil {
			e := read[i].sampled
			found = append(found, finding{damage: damage{key: e.key, lane: e.lane, reason: reason}, byOracle: byOracle})
		}
	}
	return found, nil
}

// storedEntity is an entity of the sample as it was read.
type storedEntity struct {
	*sampled
	parts  online.Parts
	state  window.State
	broken error // why it does not decode
	marks  map[online.Partition]online.Watermark
	back   bool
}

func (x *examination) decode(e *sampled, parts online.Parts) storedEntity {
	s := storedEntity{sampled: e, parts: parts}
	if parts.Open != nil || parts.Closed != nil {
		h := codec.Header{Definition: x.view.view.Hash, Key: []byte(e.key)}
		s.broken = codec.DecodeEntity(parts.Open, parts.Closed, h, x.view.view.Plan, &s.state)
	}
	return s
}

func wentBack(before, after online.Lane) bool {
	for p, w := range before.Watermarks {
		if now, there := after.Watermarks[p]; !there || now.Offset < w.Offset {
			return true
		}
	}
	return false
}

// partition is the name of a partition that an applied list names.
func (x *examination) partition(id featurestore.PartitionID) (p online.Partition, ok bool) {
	bindings := x.view.view.Bindings
	if int(id.Source) >= len(bindings) {
		return p, false
	}
	return online.Partition{Source: bindings[id.Source].Source.Name, Generation: id.Generation, Number: id.Partition}, true
}

// needs adds how far the records of an entity must be known.
func (x *examination) needs(s *storedEntity, need map[online.Partition]int64) {
	for p, w := range s.marks {
		if _, reads := x.view.binding[p.Source]; reads && w.LogTime != noLogTime {
			need[p] = max(need[p], w.Offset)
		}
	}
	if s.broken != nil {
		return
	}
	for _, a := range s.state.Applied {
		// What lies beyond the lane was applied since; or it is made up, and the log
		// does not have it.
		if p, ok := x.partition(a.PartitionID); ok {
			need[p] = max(need[p], a.Offset)
		}
	}
}

// judge says what is wrong with an entity, nil for nothing.
func (x *examination) judge(s *storedEntity) (reason error, byOracle bool, err error) {
	switch {
	case s.back:
		return errors.New("its lane went back while it was read"), false, nil
	case s.broken != nil:
		return s.broken, false, nil
	case s.hot:
		return nil, false, nil
	}
	to := x.reach(s)
	want := x.fold(s.sampled, to)
	if reason := x.differs(s, want); reason != nil {
		return reason, false, nil
	}
	reason, err = x.differsByOracle(s, to)
	return reason, true, err
}

// reach is how far an entity must have applied each partition: as far as its lane
// had when it was read, and where its own list goes further, as far as that.
func (x *examination) reach(s *storedEntity) map[featurestore.PartitionID]int64 {
	to := map[featurestore.PartitionID]int64{}
	for p, w := range s.marks {
		if i, reads := x.view.binding[p.Source]; reads {
			to[featurestore.PartitionID{Source: uint16(i), Generation: p.Generation, Partition: p.Number}] = w.Offset
		}
	}
	for _, a := range s.state.Applied {
		if have, met := to[a.PartitionID]; !met || a.Offset > have {
			to[a.PartitionID] = a.Offset
		}
	}
	return to
}

// fold is the state that an entity's records give; it has an empty list where
// none of them counts.
func (x *examination) fold(e *sampled, to map[featurestore.PartitionID]int64) *window.State {
	state := new(window.State)
	plan := x.view.view.Plan
	for i := range e.rows {
		row := &e.rows[i]
		if last, met := to[row.PartitionID]; met && row.Offset <= last && !row.late {
			plan.Apply(state, &row.Row)
		}
	}
	plan.Settle(state)
	return state
}

// differs compares the stored bytes with those of a state.
func (x *examination) differs(s *storedEntity, want *window.State) error {
	if s.parts.Open == nil {
		if len(want.Applied) == 0 || x.expired(want) {
			return nil
		}
		return fmt.Errorf("it is not stored, and %d of its records were applied", len(s.rows))
	}
	h := codec.Header{Definition: x.view.view.Hash, Key: []byte(s.key)}
	open, closed := codec.AppendEntity(nil, nil, h, x.view.view.Plan, want)
	prefix, err := codec.AppliedPrefix(open)
	switch {
	case err != nil:
		return err
	case bytes.Equal(open, s.parts.Open) && bytes.Equal(closed, s.parts.Closed):
		return nil
	case !bytes.HasPrefix(s.parts.Open, prefix):
		return fmt.Errorf("its applied list is %v, its records give %v", s.state.Applied, want.Applied)
	}
	return errors.New("its bytes are not those that its records give")
}

// expired reports whether an entity may be gone by its time to live: whatever is
// asked of it now, its records lie before.
func (x *examination) expired(want *window.State) bool {
	retention, bounded := x.view.view.Plan.Retention()
	last, met := want.Applied.MaxLogTime()
	return x.view.ttl > 0 && bounded && met && int64(x.w.c.Now())-int64(last) > int64(retention)
}

// differsByOracle compares every value, at the first instant at which the state
// may be read, with the oracle's.
func (x *examination) differsByOracle(s *storedEntity, to map[featurestore.PartitionID]int64) (reason, err error) {
	if len(s.state.Applied) == 0 {
		return nil, nil
	}
	view := x.view.view
	var rows []window.Row
	for i := range s.rows {
		if row := &s.rows[i]; row.Offset <= known(to, row.PartitionID) {
			rows = append(rows, row.Row)
		}
	}
	at := view.Plan.ReadTime(&s.state)
	want, err := oracle.Read(view.Config(), rows, oracle.Reading{At: at, Mode: oracle.Exact, Applied: s.state.Applied})
	if err != nil {
		return nil, err
	}
	got := make([]featurestore.Cell, len(view.Features))
	view.Plan.Read(&s.state, at, got)
	for i, f := range view.Features {
		if got[i].Status != want[i].Status || !got[i].Value.Equal(want[i].Value) {
			return fmt.Errorf("its %q at %s is %s, by the oracle it is another value, %s", f.Name, at, got[i].Status, want[i].Status), nil
		}
	}
	return nil, nil
}

func known(to map[featurestore.PartitionID]int64, id featurestore.PartitionID) int64 {
	if last, met := to[id]; met {
		return last
	}
	return math.MinInt64
}
