package worker

import (
	"bytes"
	"context"
	"fmt"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/window"
)

// mend makes entities anew that are stored otherwise than their records say,
// whether they decode or not, and says how many it wrote. The bytes are read
// first and the watermarks then; where at the end the same bytes still stand,
// nobody has applied a record of the entity meanwhile, so that the state is that
// of the watermarks. It runs beside the stream: what the stream changes is looked
// at again.
func (v *View) mend(ctx context.Context, found []damage, replay replayer) (mended int, err error) {
	v.rebuilding.Lock()
	defer v.rebuilding.Unlock()
	for range rebuildAttempts {
		targets, err := v.asStored(ctx, found)
		if err != nil || len(targets) == 0 {
			return mended, err
		}
		if err := v.refold(ctx, targets, replay); err != nil {
			return mended, err
		}
		written, left, err := v.mendAll(ctx, targets)
		mended += written
		if err != nil || len(left) == 0 {
			return mended, err
		}
		found = left
	}
	return mended, fmt.Errorf("%w: view %q: others change its lane all the time", errRebuild, v.Name())
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
	lanes, err := v.store.Lanes(ctx, v.id, v.laneCount())
	if err != nil {
		return nil, err
	}
	targets := map[string]*target{}
	for i, d := range found {
		switch l := lanes[d.lane]; {
		case l.Meta.State == online.StateMissing:
			return nil, errLost
		case l.Meta.Definition != v.view.Hash:
			return nil, errStale
		default:
			targets[d.key] = &target{damage: d, parts: parts[i], through: l.Watermarks, state: new(window.State)}
		}
	}
	return targets, nil
}

// mendAll writes what differs from the fold. Those that were changed meanwhile
// are left.
func (v *View) mendAll(ctx context.Context, targets map[string]*target) (written int, left []damage, err error) {
	for _, t := range targets {
		w, err := v.replacement(t)
		if err != nil {
			return written, nil, err
		}
		if t.absent() || bytes.Equal(w.Blob, t.parts.Open) && bytes.Equal(w.Closed, t.parts.Closed) {
			continue // it is right by now
		}
		switch r := v.mendOne(ctx, t, w); r.Outcome {
		case online.OutcomeOK:
			written++
		case online.OutcomeVersion, online.OutcomeWatermark:
			left = append(left, t.damage)
		case online.OutcomeDefinition:
			return written, nil, errLost
		case online.OutcomeUnknown, online.OutcomeRefused:
			return written, nil, r.Err
		}
	}
	return written, left, nil
}

// mendOne writes an entity under its lane's watermark, which nothing of this
// process moves meanwhile.
func (v *View) mendOne(ctx context.Context, t *target, w online.Write) online.Result {
	v.mu.Lock()
	defer v.mu.Unlock()
	p, mark := v.ownMark(t)
	r := v.store.Apply(ctx, []online.Batch{{
		Lane: online.LaneID{Generation: v.id, Lane: t.lane}, Definition: v.view.Hash,
		Partition: p, From: mark.Offset, To: mark, Writes: []online.Write{w}, TTL: v.ttl,
	}})[0]
	if r.Outcome == online.OutcomeOK {
		v.counts.Rebuilt++
		v.cache.forget(t.lane, w.Key)
	}
	return r
}

// absent reports whether none of an entity's records counts, and none is stored.
func (t *target) absent() bool { return len(t.state.Applied) == 0 && t.parts.Open == nil }

// ownMark is the watermark of a partition that this process feeds, as the store
// last said: it stands still while v.mu is held. Where it feeds none, any may
// move, and the write is tried again.
func (v *View) ownMark(t *target) (online.Partition, online.Watermark) {
	for p := range v.mine {
		if m, known := v.lanes.marks[t.lane][p]; known {
			return p, online.Watermark{Offset: m.offset, LogTime: m.logTime, FetchTime: m.fetchTime, Prints: m.prints}
		}
	}
	return v.anyMark(t)
}
