package worker

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/window"
)

// foldBuffers is the working memory of one Apply, kept between calls.
type foldBuffers struct {
	rows   []window.Row
	next   []int32 // the entity's next row, -1 at the end
	inputs []featurestore.Value
	keys   []featurestore.Value
	key    []byte
	from   []int64          // per lane: the offset that it has applied
	byKey  map[string]int32 // works of entities that are not cached
	chunk  int64            // counts the chunks
	works  []work
	lanes  [][]int32 // per lane: its works
	blobs  []byte

	partition featurestore.PartitionID // of the chunk
}

// work is one entity of a chunk: its rows, and the entity once it is loaded.
type work struct {
	key         string
	lane        uint16
	first, last int32
	entity      *entity
	blob        []byte
	closed      []byte       // the new closed part; nil where the stored one stays
	named       codec.Closed // in the new blob
	done        bool         // acknowledged, or without effect
	stood       bool         // it was acknowledged before
	own         int64        // how far the chunk's partition was, plus one
}

// collect evaluates the view's expressions over a chunk and groups the rows that
// some lane still needs by entity.
func (v *View) collect(c *Chunk, bindingIndex int) {
	f, b := &v.fold, &v.view.Bindings[bindingIndex]
	f.reset(len(v.lanes.marks), len(c.Events)*len(b.Inputs))
	for lane := range f.from {
		f.from[lane] = v.lanes.at(uint16(lane), c.Partition).offset
	}
	id := featurestore.PartitionID{Source: uint16(bindingIndex), Generation: c.Partition.Generation, Partition: c.Partition.Number}
	f.partition = id
	for i := range c.Events {
		ev := &c.Events[i]
		if fromFiles(b.Source, c.Partition, ev) {
			v.counts.Before++
			continue
		}
		if ev.Late(b.Source.AllowedLateness) {
			v.counts.Late++
			continue
		}
		if !v.passes(b.Source.Where, ev) || !v.passes(b.Where, ev) {
			v.counts.Filtered++
			continue
		}
		if !v.entityKey(b, ev) {
			continue
		}
		i := v.workOf(ev.Offset)
		if i < 0 {
			continue
		}
		row := window.Row{
			Position: featurestore.Position{PartitionID: id, Offset: ev.Offset},
			Time:     ev.Time, LogTime: ev.LogTime, Sequence: ev.Sequence, ID: ev.ID,
			Change: ev.Change, Mutated: ev.Mutated,
		}
		row.Inputs = v.evaluate(b.Inputs, ev.Fields)
		f.add(row, i)
	}
}

// fromFiles reports whether a record of a log counts for nothing, because history
// files give it.
func fromFiles(s *definition.StreamSource, p online.Partition, ev *featurestore.Event) bool {
	return p.Generation != offline.FilesGeneration && s.FromFiles(ev.LogTime)
}

func (f *foldBuffers) reset(lanes, inputs int) {
	if f.byKey == nil {
		f.byKey = map[string]int32{}
		f.from = make([]int64, lanes)
		f.lanes = make([][]int32, lanes)
	}
	clear(f.byKey)
	clear(f.works)
	f.chunk++
	f.rows, f.next, f.works, f.blobs = f.rows[:0], f.next[:0], f.works[:0], f.blobs[:0]
	// The rows hold slices of inputs: it must not move while it is filled.
	f.inputs = slices.Grow(f.inputs[:0], inputs)
}

// workOf is the work of the entity whose key stands in the buffers; -1 where its
// lane has applied the offset.
func (v *View) workOf(offset int64) int32 {
	f := &v.fold
	e := v.cache.get(f.key)
	if e != nil {
		if offset <= f.from[e.lane] {
			return -1
		}
		if e.chunk != f.chunk {
			e.chunk, e.work = f.chunk, f.newWork(e.key, e.lane)
			f.works[e.work].entity = e
		}
		return e.work
	}
	if i, seen := f.byKey[string(f.key)]; seen {
		return i
	}
	lane := codec.Lane(f.key, uint16(len(f.from)))
	if offset <= f.from[lane] {
		return -1
	}
	key := string(f.key)
	i := f.newWork(key, lane)
	f.byKey[key] = i
	return i
}

func (f *foldBuffers) newWork(key string, lane uint16) int32 {
	f.works = append(f.works, work{key: key, lane: lane, first: -1, last: -1})
	return int32(len(f.works) - 1)
}

// add gives a row to a work.
func (f *foldBuffers) add(row window.Row, i int32) {
	at := int32(len(f.rows))
	f.rows = append(f.rows, row)
	f.next = append(f.next, -1)
	w := &f.works[i]
	if w.first < 0 {
		w.first = at
	} else {
		f.next[w.last] = at
	}
	w.last = at
}

func (v *View) passes(where *expr.Program, ev *featurestore.Event) bool {
	if where == nil {
		return true
	}
	keep, failed := where.Eval(ev.Fields)
	if failed {
		v.counts.FailedExpr++
	}
	return keep.Bool()
}

// entityKey leaves the event's key in the buffers; false drops the event.
func (v *View) entityKey(b *definition.Binding, ev *featurestore.Event) bool {
	f := &v.fold
	f.keys = f.keys[:0]
	for _, p := range b.Keys {
		value, failed := p.Eval(ev.Fields)
		if failed {
			v.counts.FailedExpr++
		}
		if value.IsNull() {
			v.counts.NullKey++
			return false
		}
		f.keys = append(f.keys, value)
	}
	var err error
	if f.key, err = codec.AppendKey(f.key[:0], v.types, f.keys); err != nil {
		v.counts.LongKey++
		return false
	}
	return true
}

func (v *View) evaluate(programs []*expr.Program, fields []featurestore.Value) []featurestore.Value {
	f := &v.fold
	start := len(f.inputs)
	for _, p := range programs {
		value, failed := p.Eval(fields)
		if failed {
			v.counts.FailedExpr++
		}
		f.inputs = append(f.inputs, value)
	}
	return f.inputs[start:len(f.inputs):len(f.inputs)]
}

// writesOfCall is how many writes go to the store in one call, about. While it
// works on them, the next are folded.
const writesOfCall = 4000

// foldAll applies the rows of every unfinished work and builds a batch for each
// lane that has one; works[i] are the works of batches[i]. It calls send for a few
// lanes at a time, all but the last of them. Lanes with an entity that is found
// damaged are left out.
func (v *View) foldAll(c *Chunk, send func([]online.Batch)) (batches []online.Batch, works [][]int32, last []online.Batch, damaged *damagedError) {
	f := &v.fold
	for lane := range f.lanes {
		f.lanes[lane] = f.lanes[lane][:0]
	}
	for i := range f.works {
		if w := &f.works[i]; !w.done {
			f.lanes[w.lane] = append(f.lanes[w.lane], int32(i))
		}
	}
	sent, writes := 0, 0
	for lane := range f.lanes {
		list, found := v.foldLane(f.lanes[lane])
		f.lanes[lane] = list
		if found != nil {
			damaged = damaged.with(v, found.work, found.err)
			v.forget(list)
			continue
		}
		if len(list) == 0 {
			continue
		}
		if writes += len(list); writes-len(list) >= writesOfCall {
			send(batches[sent:len(batches):len(batches)])
			sent, writes = len(batches), len(list)
		}
		batches, works = append(batches, v.batch(c, uint16(lane), list)), append(works, list)
	}
	return batches, works, batches[sent:], damaged
}

// unreadable is a work of which the cached parts do not decode.
type unreadable struct {
	work *work
	err  error
}

// foldLane folds the works of a lane and gives those that have an effect. Where one
// cannot be folded, it ends there and gives all that it was given.
func (v *View) foldLane(list []int32) ([]int32, *unreadable) {
	kept := 0
	for _, i := range list {
		w := &v.fold.works[i]
		entered, err := v.foldEntity(w)
		if err != nil {
			return list, &unreadable{w, err}
		}
		if w.done = !entered; entered {
			list[kept] = i
			kept++
		}
	}
	return list[:kept], nil
}

// batch is what a chunk writes to a lane.
func (v *View) batch(c *Chunk, lane uint16, list []int32) online.Batch {
	before := v.lanes.at(lane, c.Partition)
	batch := online.Batch{
		Lane: online.LaneID{Generation: v.id, Lane: lane}, Definition: v.view.Hash,
		Partition: c.Partition, From: before.offset, To: c.target(before), TTL: v.ttl,
		Writes: make([]online.Write, len(list)),
	}
	for n, i := range list {
		w := &v.fold.works[i]
		batch.Writes[n] = online.Write{
			Key: []byte(w.key), Expect: w.entity.expect(), Blob: w.blob,
			Closed: w.closed, Renew: w.closed == nil && w.named.Size > 0,
		}
	}
	return batch
}

// foldEntity applies an entity's rows and encodes it; false where none of them
// entered its applied list.
func (v *View) foldEntity(w *work) (entered bool, err error) {
	f := &v.fold
	if err := v.use(w.entity); err != nil {
		return false, err
	}
	for at := w.first; at >= 0; at = f.next[at] {
		switch v.view.Plan.Apply(w.entity.state, &f.rows[at]) {
		case window.Folded:
			v.counts.Folded++
			entered = true
		case window.Pending:
			v.counts.Pending++
			entered = true
		case window.Duplicate:
			v.counts.Duplicate++
			entered = true
		}
	}
	if !entered {
		return false, nil
	}
	v.view.Plan.Settle(w.entity.state)
	v.encode(w)
	return true, nil
}

// encode writes an entity's open part, and its closed one where that is another
// than the store holds.
func (v *View) encode(w *work) {
	f, e := &v.fold, w.entity
	header := codec.Header{Definition: v.view.Hash, Key: f.keyOf(w)}
	stored := codec.ClosedOf(e.closed)
	w.closed, w.named = nil, stored
	if e.state.ClosedChanged() {
		start := len(f.blobs)
		f.blobs = codec.AppendClosed(f.blobs, header, v.view.Plan, e.state)
		blob := f.blobs[start:len(f.blobs):len(f.blobs)]
		if w.named = codec.ClosedOf(blob); w.named != stored {
			w.closed = orEmpty(blob)
		}
	}
	start := len(f.blobs)
	f.blobs = codec.AppendOpen(f.blobs, header, w.named, v.view.Plan, e.state)
	w.blob = f.blobs[start:len(f.blobs):len(f.blobs)]
}

// keyOf is a work's key in the buffers.
func (f *foldBuffers) keyOf(w *work) []byte {
	f.key = append(f.key[:0], w.key...)
	return f.key
}

// orEmpty is b, and not nil: nothing, said to a store, is a closed part that is removed.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// acknowledge takes over what the store has accepted: the call that compared the
// bytes of before has been answered.
func (v *View) acknowledge(works []int32) {
	for _, i := range works {
		w := &v.fold.works[i]
		v.cache.stored(w.entity, w.blob, w.closed)
		w.done = true
	}
}

// forget drops entities whose cached state is ahead of what the store holds.
func (v *View) forget(works []int32) {
	for _, i := range works {
		w := &v.fold.works[i]
		if w.entity != nil && v.cache.byKey[w.key] == w.entity {
			v.cache.drop(w.entity)
		}
		w.entity = nil
	}
}

// dropWork forgets every entity of the chunk that was not acknowledged.
func (v *View) dropWork() {
	for i := range v.fold.works {
		if !v.fold.works[i].done {
			v.forget([]int32{int32(i)})
		}
	}
}
