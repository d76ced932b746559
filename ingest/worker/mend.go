package worker

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/transforms/window"
)

// rebuildAttempts bounds how often a rebuild begins again because others write.
const rebuildAttempts = 5

// rebuild makes damaged entities anew: a state is a function of the records that
// its lane has applied, and these are at rest or in the log.
func (v *View) rebuild(ctx context.Context, found []damage, replay replayer) error {
	if _, err := v.remake(ctx, found, v.damaged, replay); err != nil {
		return err
	}
	v.back(found)
	return nil
}

// mend makes entities anew that are stored otherwise than their records say,
// whether they decode or not, and says how many it wrote. It runs beside the
// stream: what the stream changes is looked at again.
func (v *View) mend(ctx context.Context, found []damage, replay replayer) (mended int, err error) {
	return v.remake(ctx, found, v.asStored, replay)
}

// remake folds entities anew and says how many it wrote. Their bytes are read first
// and the watermarks then; where at the end the same bytes still stand, nobody has
// applied a record of the entity meanwhile, so that the state is that of the
// watermarks. What others have changed meanwhile is looked at again, and nothing
// else: each that is written is done.
//
// Where others keep changing it, that passes: it is an ErrUnavailable, and whoever
// needs the entities comes again.
func (v *View) remake(ctx context.Context, found []damage, read func(context.Context, []damage) (map[string]*target, error), replay replayer) (written int, err error) {
	v.rebuilding.Lock()
	defer v.rebuilding.Unlock()
	for range rebuildAttempts {
		targets, err := read(ctx, found)
		if err != nil || len(targets) == 0 {
			return written, err
		}
		if err := v.refold(ctx, targets, replay); err != nil {
			return written, err
		}
		n, left, err := v.replace(ctx, targets)
		written += n
		if err != nil || len(left) == 0 {
			return written, err
		}
		found = left
	}
	return written, featurestore.Unavailablef("view %q: %d entities are not rebuilt yet: others change them all the time", v.Name(), len(found))
}

// asStored reads entities, and then the watermarks of their lanes.
func (v *View) asStored(ctx context.Context, found []damage) (map[string]*target, error) {
	ids := make([]online.EntityID, len(found))
	for i, d := range found {
		ids[i] = v.entityID(d.lane, d.key)
	}
	parts, err := v.store.Get(ctx, ids)
	if err != nil {
		return nil, err
	}
	lanes, err := storedLanes(ctx, v.store, v.id, v.laneCount())
	if err != nil {
		return nil, err
	}
	targets := map[string]*target{}
	for i, d := range found {
		switch l := lanes[d.lane]; {
		case l.Meta.State == online.StateMissing || l.Meta.State == online.StateLost:
			return nil, errLost
		case l.Meta.Definition != v.view.Hash:
			return nil, errStale
		default:
			targets[d.key] = &target{damage: d, parts: parts[i], through: l.Watermarks, state: new(window.State)}
		}
	}
	return targets, nil
}

// damaged gives those entities that still do not decode, or are still not what was
// acknowledged.
func (v *View) damaged(ctx context.Context, found []damage) (map[string]*target, error) {
	targets, err := v.asStored(ctx, found)
	for key, t := range targets {
		h := codec.Header{Definition: v.view.Hash, Key: []byte(key)}
		absent := t.parts.Open == nil && t.parts.Closed == nil
		broken := !absent && codec.DecodeEntity(t.parts.Open, t.parts.Closed, h, v.view.Plan, new(window.State)) != nil
		if !broken && !t.gone(t.parts.Open, t.reached(v.partitionOf(t.partition))) {
			delete(targets, key)
		}
	}
	return targets, err
}

// reached is how far a target's lane has applied a partition, -1 for not at all.
func (t *target) reached(p online.Partition) int64 {
	if w, met := t.through[p]; met {
		return w.Offset
	}
	return -1
}

// replace puts the rebuilt entities where the stored ones are otherwise, each under
// its lane's watermark; left are those that have changed, or whose lanes have.
func (v *View) replace(ctx context.Context, targets map[string]*target) (written int, left []damage, err error) {
	var writes []replacing
	for _, t := range targets {
		w, err := v.replacement(t)
		if err != nil {
			return 0, nil, err
		}
		if t.absent() || bytes.Equal(w.Blob, t.parts.Open) && bytes.Equal(w.Closed, t.parts.Closed) {
			continue // it is right by now
		}
		writes = append(writes, replacing{t, w})
	}
	if len(writes) == 0 {
		return 0, nil, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	// As the lanes stand now: nothing moves those of this process's partitions meanwhile.
	stored, err := storedLanes(ctx, v.store, v.id, uint16(len(v.lanes.marks)))
	if err != nil {
		return 0, nil, err
	}
	batches := make([]online.Batch, len(writes))
	for i, r := range writes {
		p, mark := v.stillMark(stored[r.lane].Watermarks)
		batches[i] = online.Batch{
			Lane: online.LaneID{Generation: v.id, Lane: r.lane}, Definition: v.view.Hash,
			Partition: p, From: mark.Offset, To: mark, Writes: []online.Write{r.write}, TTL: v.ttl, Whole: true,
		}
	}
	for i, r := range v.send(ctx, batches) {
		switch r.Outcome {
		case online.OutcomeOK:
			written++
			v.counts.Rebuilt++
			v.cache.forget(writes[i].lane, writes[i].write.Key)
		case online.OutcomeVersion, online.OutcomeWatermark:
			left = append(left, writes[i].damage)
		case online.OutcomeDefinition:
			err = cmp.Or(err, errLost)
		case online.OutcomeUnknown, online.OutcomeRefused:
			err = cmp.Or(err, r.Err)
		}
	}
	return written, left, err
}

// replacing is a target and what is to stand in its place.
type replacing struct {
	*target
	write online.Write
}

// absent reports whether none of an entity's records counts, and none is stored.
func (t *target) absent() bool {
	return len(t.state.Applied) == 0 && t.parts.Open == nil && t.parts.Closed == nil
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

// stillMark is a watermark that a write leaves as it is: of a partition that this
// process feeds, which stands still while v.mu is held. Where it feeds none, any
// may move, and the write is tried again.
func (v *View) stillMark(stored map[online.Partition]online.Watermark) (p online.Partition, w online.Watermark) {
	// A lane that has applied nothing holds no entity: the rebuilt one is empty.
	p = online.Partition{Source: v.view.Bindings[0].Source.Name, Generation: registry.FirstLog}
	w = online.Watermark{Offset: -1, LogTime: noLogTime}
	for q, mark := range stored {
		if p, w = q, mark; v.mine[q] {
			break
		}
	}
	return p, w
}
