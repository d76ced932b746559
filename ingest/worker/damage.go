package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/transforms/window"
)

// damage is an entity whose stored blobs do not decode: a bit has flipped, a
// part is missing, or bytes of another entity stand there. Or they are gone, or
// older than what was acknowledged.
type damage struct {
	key    string
	lane   uint16
	reason error

	partition featurestore.PartitionID
	stood     bool  // it must be there
	own       int64 // how far the partition must be in it, plus one
}

// damagedError stops a chunk until the entities that it needs are rebuilt:
// nothing of it may be folded into them before, nor passed over.
type damagedError struct {
	view  *View
	found []damage
}

func (e *damagedError) Error() string {
	return fmt.Sprintf("view %q: %d stored entities are damaged, one in lane %d: %v", e.view.Name(), len(e.found), e.found[0].lane, e.found[0].reason)
}

// with adds a finding to an error that may be nil.
func (e *damagedError) with(v *View, w *work, reason error) *damagedError {
	if e == nil {
		e = &damagedError{view: v}
	}
	if d, noted := v.gone[w.key]; noted {
		e.found = append(e.found, d)
		return e
	}
	e.found = append(e.found, damage{key: w.key, lane: w.lane, reason: reason, partition: v.fold.partition, stood: w.stood, own: w.own})
	return e
}

// rebuildAttempts bounds how often a rebuild begins again because others write.
const rebuildAttempts = 5

// errRebuild says why an entity cannot be rebuilt; its partition halts, so that
// its records are neither lost nor folded into something wrong.
var errRebuild = errors.New("a damaged entity cannot be rebuilt")

// replayer gives every event of a source of the view again, partition by
// partition in ascending offset, up to and with the given offsets. It fails
// where one may be missing.
type replayer func(ctx context.Context, binding int, through map[online.Partition]int64, keep func(*featurestore.Event) bool, each func(*Chunk)) error

// target is a damaged entity while it is rebuilt.
type target struct {
	damage
	parts   online.Parts // as they stand
	through map[online.Partition]online.Watermark
	state   *window.State
}

// rebuild makes damaged entities anew: a state is a function of the records that
// its lane has applied, and these are at rest or in the log. The damaged bytes
// are read first and the watermarks then; where at the end the same bytes still
// stand, nobody has applied a record of the entity meanwhile (it would have met
// the same damage), so that the state is that of the watermarks.
func (v *View) rebuild(ctx context.Context, found []damage, replay replayer) error {
	v.rebuilding.Lock()
	defer v.rebuilding.Unlock()
	for range rebuildAttempts {
		targets, err := v.damaged(ctx, found)
		if err == nil && len(targets) == 0 {
			v.back(found)
		}
		if err != nil || len(targets) == 0 {
			return err
		}
		if err := v.refold(ctx, targets, replay); err != nil {
			return err
		}
		again, err := v.replace(ctx, targets)
		if err == nil && !again {
			v.back(found)
		}
		if err != nil || !again {
			return err
		}
	}
	return fmt.Errorf("%w: view %q: others change its lane all the time", errRebuild, v.Name())
}

// damaged reads entities again and gives those that still do not decode, or are
// still not what was acknowledged.
func (v *View) damaged(ctx context.Context, found []damage) (map[string]*target, error) {
	ids := make([]online.EntityID, len(found))
	for i, d := range found {
		ids[i] = v.entityID(d.lane, d.key)
	}
	parts, err := v.store.Get(ctx, ids)
	if err != nil {
		return nil, err
	}
	targets := map[string]*target{}
	for i, d := range found {
		s, h := new(window.State), codec.Header{Definition: v.view.Hash, Key: []byte(d.key)}
		absent := parts[i].Open == nil && parts[i].Closed == nil
		if gone(parts[i].Open, d.partition, d.stood, d.own) || !absent && codec.DecodeEntity(parts[i].Open, parts[i].Closed, h, v.view.Plan, s) != nil {
			targets[d.key] = &target{damage: d, parts: parts[i], state: new(window.State)}
		}
	}
	if len(targets) == 0 {
		return nil, nil
	}
	stored, err := v.store.Lanes(ctx, v.id, v.laneCount())
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		switch l := stored[t.lane]; {
		case l.Meta.State == online.StateMissing:
			return nil, errLost
		case l.Meta.Definition != v.view.Hash:
			return nil, errStale
		default:
			t.through = l.Watermarks
		}
	}
	return targets, nil
}

// refold folds every record of the targets up to the watermarks of their lanes.
func (v *View) refold(ctx context.Context, targets map[string]*target, replay replayer) error {
	// A View of the same meaning, with nothing stored: it decides which events
	// count, and for whom.
	shadow := &View{view: v.view, types: v.types, cache: newCache(0)}
	shadow.lanes.marks = make([]map[online.Partition]mark, v.laneCount())
	for i := range v.view.Bindings {
		b := &v.view.Bindings[i]
		through := map[online.Partition]int64{}
		for _, t := range targets {
			for p, w := range t.through {
				// A mark without a log time only says where a log begins: nothing of it is applied.
				if p.Source == b.Source.Name && w.Offset >= 0 && w.LogTime != noLogTime {
					through[p] = max(through[p], w.Offset)
				}
			}
		}
		keep := func(ev *featurestore.Event) bool {
			if !shadow.entityKey(b, ev) {
				return false
			}
			_, wanted := targets[string(shadow.fold.key)]
			return wanted
		}
		err := replay(ctx, i, through, keep, func(c *Chunk) { shadow.refoldChunk(c, i, targets) })
		if err != nil {
			return fmt.Errorf("view %q: %w", v.Name(), err)
		}
	}
	return nil
}

func (v *View) refoldChunk(c *Chunk, binding int, targets map[string]*target) {
	v.begin(c.Partition, binding)
	v.collect(c.Events)
	for lane := range v.fold.parts {
		v.group(uint16(lane))
		p := &v.fold.parts[lane]
		for _, w := range p.works {
			if t, wanted := targets[w.key]; wanted {
				v.refoldWork(p, &w, t, c.Partition)
			}
		}
	}
}

// refoldWork folds the rows of an entity that its lane has applied.
func (v *View) refoldWork(p *lanePart, w *work, t *target, from online.Partition) {
	mark, applied := t.through[from]
	for at := w.first; applied && at >= 0; at = p.next[at] {
		if p.offsets[at] <= mark.Offset {
			v.view.Plan.Apply(t.state, v.fold.rowAt(p, at))
		}
	}
	v.view.Plan.Settle(t.state)
}

// replace puts the rebuilt entities where the damaged ones stand, each under its
// lane's watermark; again says that some of them, or their lanes, have changed.
func (v *View) replace(ctx context.Context, targets map[string]*target) (again bool, err error) {
	var batches []online.Batch
	for _, t := range targets {
		if len(t.state.Applied) == 0 && t.parts.Open == nil && t.parts.Closed == nil {
			continue // nothing of it is applied any more, and nothing stands
		}
		w, err := v.replacement(t)
		if err != nil {
			return false, err
		}
		p, mark := v.anyMark(t)
		batches = append(batches, online.Batch{
			Lane: online.LaneID{Generation: v.id, Lane: t.lane}, Definition: v.view.Hash,
			Partition: p, From: mark.Offset, To: mark, Writes: []online.Write{w}, TTL: v.ttl,
		})
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, r := range v.send(ctx, batches) {
		switch r.Outcome {
		case online.OutcomeOK:
			v.counts.Rebuilt++
			v.cache.forget(batches[i].Lane.Lane, batches[i].Writes[0].Key)
		case online.OutcomeVersion, online.OutcomeWatermark:
			again = true
		case online.OutcomeDefinition:
			return false, errLost
		case online.OutcomeUnknown, online.OutcomeRefused:
			return false, r.Err
		}
	}
	return again, nil
}

// replacement is the write that replaces a damaged entity. It is read back
// before: what does not decode is never stored.
func (v *View) replacement(t *target) (online.Write, error) {
	key := []byte(t.key)
	h := codec.Header{Definition: v.view.Hash, Key: key}
	open, closed := codec.AppendEntity(nil, nil, h, v.view.Plan, t.state)
	if err := codec.DecodeEntity(open, closed, h, v.view.Plan, new(window.State)); err != nil {
		return online.Write{}, fmt.Errorf("%w: view %q: its rebuilt state does not decode either: %w", errRebuild, v.Name(), err)
	}
	return online.Write{Key: key, Expect: t.parts.Open, Blob: open, Closed: orEmpty(closed)}, nil
}

// anyMark is a watermark of the entity's lane, which the write leaves as it is.
func (v *View) anyMark(t *target) (online.Partition, online.Watermark) {
	for p, w := range t.through {
		return p, w
	}
	// A lane that has applied nothing holds no entity: the rebuilt one is empty.
	p := online.Partition{Source: v.view.Bindings[0].Source.Name, Generation: registry.FirstLog}
	return p, online.Watermark{Offset: -1, LogTime: noLogTime}
}
