package worker

import (
	"context"
	"math/rand/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/window"
)

// How many writes go to the store in one call, about: half of what there is, within
// bounds. While it works on them, the next are folded; a call costs both as much as some
// writes.
const (
	leastOfCall = 64
	mostOfCall  = 4000
)

// foldAll folds what the lanes have left and sends it, a few lanes at a time, so
// that what is read of the store, folded and sent stays near. It ends where
// entities are found damaged: lanes that have some are not sent.
func (v *View) foldAll(ctx context.Context, c *Chunk, calls *storeCalls) error {
	rows := 0
	for lane := range v.fold.parts {
		rows += len(v.fold.parts[lane].rows)
	}
	enough := min(max(leastOfCall, rows/2), mostOfCall)
	if v.stepwise {
		enough = 1
	}
	var lanes []uint16
	works := 0
	for lane := range v.fold.parts {
		v.group(uint16(lane))
		if n := len(v.fold.parts[lane].unfinished()); n > 0 {
			works += n
			lanes = append(lanes, uint16(lane))
		}
		last := lane == len(v.fold.parts)-1
		if len(lanes) == 0 || works < enough && !last {
			continue
		}
		send := calls.start
		if last || v.stepwise {
			send = calls.call
		}
		if err := v.foldLanes(ctx, c, lanes, send); err != nil {
			return err
		}
		lanes, works = lanes[:0], 0
	}
	return nil
}

// foldLanes loads, folds and sends some lanes.
func (v *View) foldLanes(ctx context.Context, c *Chunk, lanes []uint16, send func(context.Context, *storeCall)) error {
	if err := v.load(ctx, lanes); err != nil {
		return err
	}
	all := v.fold.all[:0]
	for _, lane := range lanes {
		all = append(all, v.fold.parts[lane].unfinished()...)
	}
	v.fold.all = all
	damaged := v.foldWorks(all)
	before := len(v.written.batches)
	for _, lane := range lanes {
		works := v.fold.parts[lane].unfinished()
		switch {
		case damaged.in(lane):
			v.forget(works)
		case len(works) > 0 && v.held.on:
			v.hold(lane, works)
		case len(works) > 0:
			v.written.add(v.batch(c, lane, works), works)
		}
	}
	if v.held.on {
		v.emptyHands() // what they encoded is held elsewhere
	}
	if len(v.written.batches) > before {
		send(ctx, v.written.since(before))
	}
	if damaged != nil {
		return v.found(damaged)
	}
	return nil
}

// batch is what a chunk writes to a lane.
func (v *View) batch(c *Chunk, lane uint16, list []*work) online.Batch {
	before := v.lanes.at(lane, c.Partition)
	batch := online.Batch{
		Lane: online.LaneID{Generation: v.id, Lane: lane}, Definition: v.view.Hash,
		Partition: c.Partition, From: before.offset, To: c.target(before, v.written.printRoom()), TTL: v.ttl,
		Writes: v.written.room(len(list)), ID: rand.Uint64() | 1, After: v.followed[lane].last,
	}
	now := v.now()
	for n, w := range list {
		expect := w.entity.expect()
		keep := w.entity.held == nil && w.entity.isFresh(now) && len(expect) > 0 && (w.closed == nil || codec.ClosedOf(w.entity.closed).Size > 0)
		if w.renewed = now; keep {
			w.renewed = 0
		}
		batch.Writes[n] = online.Write{
			Key: v.written.key(w.key), Expect: expect, Blob: w.blob,
			Closed: w.closed, Renew: !keep && w.closed == nil && w.named.Size > 0, Keep: keep, Known: v.isKnown(w.entity),
		}
	}
	return batch
}

// renewEvery is how long an entity's time to live goes on before a write begins it
// anew: to do that with each write costs a store another look-up of each of its keys.
const renewEvery = 12 * featurestore.Hour

// isFresh reports whether the entity's time to live began anew not long ago. A clock
// that was put back is not trusted.
func (e *entity) isFresh(now featurestore.Instant) bool {
	age := int64(now) - int64(e.renewed)
	return e.renewed > 0 && age >= 0 && age < int64(renewEvery)
}

// foldEntity applies an entity's rows to its state and encodes it; false where none
// of them entered its applied list.
func (v *View) foldEntity(by *hand, w *work, state *window.State) (entered bool) {
	p := &v.fold.parts[w.lane]
	by.touch(p, w)
	for at := w.first; at >= 0; at = p.next[at] {
		switch v.view.Plan.Apply(state, by.rowAt(&v.fold, p, at)) {
		case window.Folded:
			by.counts.Folded++
			entered = true
		case window.Pending:
			by.counts.Pending++
			entered = true
		case window.Duplicate:
			by.counts.Duplicate++
			entered = true
		}
	}
	if !entered {
		return v.asHeld(w)
	}
	v.view.Plan.Settle(state)
	v.encode(by, w, state)
	return true
}

// encode writes an entity's open part, and its closed one where that is another
// than the store holds.
func (v *View) encode(by *hand, w *work, state *window.State) {
	header := codec.Header{Definition: v.view.Hash, Key: by.bytesOf(w.key)}
	stored := codec.ClosedOf(w.entity.closed)
	w.closed, w.named = nil, stored
	if state.ClosedChanged() {
		start := len(by.blobs)
		by.blobs = codec.AppendClosed(by.blobs, header, v.view.Plan, state)
		blob := by.blobs[start:len(by.blobs):len(by.blobs)]
		if w.named = codec.ClosedOf(blob); w.named != stored {
			w.closed = orEmpty(blob)
		}
	}
	if held := w.entity.held; w.closed == nil && held != nil && held.closed && !v.held.on {
		w.closed = orEmpty(w.entity.closed)
	}
	start := len(by.blobs)
	by.blobs = codec.AppendOpen(by.blobs, header, w.named, v.view.Plan, state)
	w.blob = by.blobs[start:len(by.blobs):len(by.blobs)]
}

// orEmpty is b, and not nil: nothing, said to a store, is a closed part that is removed.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// followed is what this view knows of the batches of a lane: its own last one, and
// how often another's was found to have come between.
type followed struct {
	last  uint64
	turns uint32
}

// isKnown reports whether the store was seen to hold what is cached of an entity, and
// nobody else's batch was found in its lane since. What was only read does not count:
// a failover may take that back, and leave our own last batch.
func (v *View) isKnown(e *entity) bool {
	return e.turn == v.followed[e.lane].turns+1
}

// acknowledge takes over what the store has accepted: the call that compared the
// bytes of before has been answered.
func (v *View) acknowledge(batch *online.Batch, works []*work, r online.Result) {
	if len(works) == 0 {
		return // a watermark alone is no batch of the lane's
	}
	f := &v.followed[batch.Lane.Lane]
	f.last = batch.ID
	if !r.Followed {
		f.turns++
	}
	for _, w := range works {
		w.entity.turn = f.turns + 1
		v.cache.stored(w.entity, w.blob, w.closed)
		if w.renewed != 0 {
			w.entity.renewed = w.renewed
		}
		w.done = true
	}
	v.wrote(batch.Lane.Lane)
}

// forget drops entities whose cached state is ahead of what the store holds.
func (v *View) forget(works []*work) {
	for _, w := range works {
		if w.entity != nil && v.cache.get(w.lane, w.key) == w.entity {
			v.cache.drop(w.entity)
		}
		w.entity = nil
	}
}
