package worker

import (
	"context"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/window"
)

// load makes the entity of every unfinished work of some lanes present, reading
// what is not cached in one round trip. Of lanes that are being filled, and began
// empty, nothing is there to be read: a write of what is absent is compared, too.
func (v *View) load(ctx context.Context, lanes []uint16) error {
	var ids []online.EntityID
	var missing []*work
	var damaged *damagedError
	for _, lane := range lanes {
		empty := !v.filled && v.cache.isWhole(lane)
		for _, w := range v.fold.parts[lane].unfinished() {
			switch {
			case w.entity != nil:
			case empty:
				if err := v.adopt(w, online.Parts{}); err != nil {
					damaged = damaged.with(v, w, err)
				}
			default:
				missing = append(missing, w)
				ids = append(ids, v.entityID(lane, w.key))
			}
		}
	}
	var parts []online.Parts
	if len(ids) > 0 {
		var err error
		if parts, err = v.store.Get(ctx, ids); err != nil {
			return err
		}
		if err := v.absent(ctx, parts); err != nil {
			return err
		}
	}
	for n, w := range missing {
		if err := v.adopt(w, parts[n]); err != nil {
			damaged = damaged.with(v, w, err)
		}
	}
	if damaged != nil {
		return v.found(damaged)
	}
	return nil
}

// absent looks whether what a read did not find was evicted: then nobody may begin it
// anew. Whoever watches the store makes the view LOST (watchStore). Lanes that are
// being filled begin with nothing, and nobody watches the store while it fails.
func (v *View) absent(ctx context.Context, parts []online.Parts) error {
	if !v.filled || !slices.ContainsFunc(parts, func(p online.Parts) bool { return p.Open == nil }) {
		return nil
	}
	evicted, err := v.store.Evicted(ctx)
	if err != nil {
		return err
	}
	if evicted {
		return featurestore.Unavailablef("%w: what is absent is not begun anew", online.ErrEvicted)
	}
	return nil
}

// found counts damage.
func (v *View) found(damaged *damagedError) error {
	v.counts.Damaged += int64(len(damaged.found))
	return damaged
}

// entityID names an entity; where the view splits its states, both parts of it.
func (v *View) entityID(lane uint16, key string) online.EntityID {
	return online.EntityID{LaneID: online.LaneID{Generation: v.id, Lane: lane}, Key: []byte(key), Split: v.view.Plan.Splits()}
}

// adopt makes what was read the work's entity. The error says why the blobs do
// not decode, or that they are not what was acknowledged.
func (v *View) adopt(w *work, parts online.Parts) error {
	e := &entity{key: w.key, lane: w.lane, open: slices.Clone(parts.Open), closed: slices.Clone(parts.Closed)}
	if parts.Open != nil || parts.Closed != nil {
		e.state = v.cache.states.spare()
		if err := v.decode(&v.hands[0], e, e.state); err != nil {
			return err
		}
	}
	if v.isGone(w, parts.Open) {
		return errGone
	}
	v.cache.put(e)
	w.entity = e
	return nil
}

// decode reads an entity's parts into a state.
func (v *View) decode(by *hand, e *entity, s *window.State) error {
	header := codec.Header{Definition: v.view.Hash, Key: by.bytesOf(e.key)}
	return codec.DecodeEntity(e.open, e.closed, header, v.view.Plan, s)
}

// use makes a work's entity the one most recently used, and its state present where
// that is to be kept.
func (v *View) use(e *entity) {
	if !v.cache.use(e) || e.state != nil {
		return
	}
	s := v.cache.states.spare()
	if v.read(&v.hands[0], e, s) == nil { // who folds it finds the same error
		v.cache.states.keep(e, s)
	}
}

// read makes what is stored of an entity a state. The error says why its parts do not
// decode, though they did.
func (v *View) read(by *hand, e *entity, s *window.State) error {
	if e.open == nil {
		s.Reset()
		return nil
	}
	return v.decode(by, e, s)
}
