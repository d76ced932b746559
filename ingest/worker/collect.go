package worker

import (
	"slices"
	"unsafe"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/window"
)

// foldBuffers is the working memory of one Apply, kept between calls. Rows are
// first laid out by lane and only then grouped by entity, one lane after the
// other: what a lane's entities take fits the processor's caches, what all take
// does not.
type foldBuffers struct {
	parts []lanePart
	from  []int64 // per lane: the offset that it has applied
	keys  []featurestore.Value
	key   []byte
	byKey map[string]int32 // works of a lane's entities that are not cached
	chunk int64            // counts the chunks
	most  int              // rows that a lane may come to have, about
	width int              // inputs of a row
	full  bool             // rows have more
	size  int              // of all rows, in bytes
	row   window.Row       // that rowAt gives
	blobs []byte

	partition featurestore.PartitionID // of the chunk
}

// lanePart is what a chunk has for one lane: its rows, column by column.
type lanePart struct {
	offsets []int64
	times   []featurestore.EventTime
	logs    []featurestore.LogTime
	more    []moreOfRow
	inputs  []featurestore.Value // of a row behind those of the one before
	keys    []byte               // and so the entities' keys
	ends    []int                // each row's key ends there
	next    []int32              // the entity's next row, -1 at the end
	works   []work
	grouped bool // rows belong to works
}

// moreOfRow is what only rows of some sources have.
type moreOfRow struct {
	sequence featurestore.Value
	id       string
	change   featurestore.Change
	mutated  featurestore.EventTime
}

// The sizes of rows.
const (
	rowBytes   = 3*8 + 8 + 4 // offset, times, where its key ends, the next row
	valueBytes = int(unsafe.Sizeof(featurestore.Value{}))
	moreBytes  = int(unsafe.Sizeof(moreOfRow{}))
)

// work is one entity of a chunk: its rows, and the entity once it is loaded.
type work struct {
	key         string
	lane        uint16
	first, last int32
	entity      *entity
	blob        []byte
	closed      []byte               // the new closed part; nil where the stored one stays
	named       codec.Closed         // in the new blob
	renewed     featurestore.Instant // when the entity's time to live begins anew by it; 0 where it goes on
	done        bool                 // acknowledged, or without effect
}

// unfinished are the works that have still to be folded or acknowledged.
func (p *lanePart) unfinished() []*work {
	var left []*work
	for i := range p.works {
		if w := &p.works[i]; !w.done {
			left = append(left, w)
		}
	}
	return left
}

// begin empties the buffers for the rows of a partition, of which there come to be so
// many, at most about.
func (v *View) begin(p online.Partition, bindingIndex, most int) {
	f, b := &v.fold, &v.view.Bindings[bindingIndex]
	f.reset(len(v.lanes.marks), most)
	for lane := range f.from {
		f.from[lane] = v.lanes.at(uint16(lane), p).offset
	}
	f.partition = featurestore.PartitionID{Source: uint16(bindingIndex), Generation: p.Generation, Partition: p.Number}
	f.width = len(b.Inputs)
	f.full = hasMore(b.Source)
}

// collect evaluates the view's expressions over events and lays the rows that some
// lane still needs out by lane, behind those that are there.
func (v *View) collect(c *Chunk) {
	if c.events() == 0 {
		return
	}
	b := &v.view.Bindings[v.fold.partition.Source]
	for ev := range c.Events.All() {
		if v.wanted(b, ev) {
			v.lay(b, ev)
		}
	}
}

// wanted reports whether an event counts for anybody. It leaves its key in the buffers.
func (v *View) wanted(b *definition.Binding, ev *featurestore.Event) bool {
	switch {
	case fromFiles(b.Source, v.fold.partition.Generation, ev):
		v.counts.Before++
	case ev.Late(b.Source.AllowedLateness):
		v.counts.Late++
	case !v.passes(b.Source.Where, ev) || !v.passes(b.Where, ev):
		v.counts.Filtered++
	default:
		return v.entityKey(b, ev)
	}
	return false
}

// lay adds the row of an event, whose key stands in the buffers, where its lane
// still needs it.
func (v *View) lay(b *definition.Binding, ev *featurestore.Event) {
	f := &v.fold
	lane := codec.Lane(f.key, uint16(len(f.from)))
	if ev.Offset <= f.from[lane] {
		return
	}
	p := &f.parts[lane]
	if n := len(p.offsets); n == cap(p.offsets) {
		p.grow(f, n)
	}
	p.offsets, p.times, p.logs = append(p.offsets, ev.Offset), append(p.times, ev.Time), append(p.logs, ev.LogTime)
	p.inputs = v.evaluate(p.inputs, b.Inputs, ev.Fields)
	p.keys = append(p.keys, f.key...)
	p.ends = append(p.ends, len(p.keys))
	f.size += rowBytes + len(f.key) + f.width*valueBytes
	if f.full {
		p.more = append(p.more, moreOfRow{sequence: ev.Sequence, id: ev.ID, change: ev.Change, mutated: ev.Mutated})
		f.size += moreBytes
	}
}

// grow makes room for more than the n rows that are there: once they are a few, for
// as many as may come to be, instead of moving them again and again.
func (p *lanePart) grow(f *foldBuffers, n int) {
	more := max(n, 16)
	if n >= f.most/8 && n < f.most {
		more = f.most - n
	}
	p.offsets, p.times, p.logs = slices.Grow(p.offsets, more), slices.Grow(p.times, more), slices.Grow(p.logs, more)
	p.inputs, p.ends, p.next = slices.Grow(p.inputs, more*f.width), slices.Grow(p.ends, more), slices.Grow(p.next, n+more)
	if n > 0 { // as long as those that are there, and a little more
		p.keys = slices.Grow(p.keys, (len(p.keys)/n+1)*more)
	}
	if f.full {
		p.more = slices.Grow(p.more, more)
	}
}

// rowAt is a row of a lane, valid until the next call.
func (f *foldBuffers) rowAt(p *lanePart, at int32) *window.Row {
	r := &f.row
	r.PartitionID, r.Offset, r.Time, r.LogTime = f.partition, p.offsets[at], p.times[at], p.logs[at]
	first := int(at) * f.width
	r.Inputs = p.inputs[first : first+f.width : first+f.width]
	if f.full {
		more := &p.more[at]
		r.Sequence, r.ID, r.Change, r.Mutated = more.sequence, more.id, more.change, more.mutated
	}
	return r
}

// fromFiles reports whether a record of a log counts for nothing, because history
// files give it.
func fromFiles(s *definition.StreamSource, generation uint32, ev *featurestore.Event) bool {
	return generation != offline.FilesGeneration && s.FromFiles(ev.LogTime)
}

func (f *foldBuffers) reset(lanes, most int) {
	if f.byKey == nil {
		f.byKey = map[string]int32{}
		f.from = make([]int64, lanes)
		f.parts = make([]lanePart, lanes)
	}
	f.most = (most + most/8) / lanes // some get more than others
	f.chunk++
	f.size, f.row, f.blobs = 0, window.Row{}, f.blobs[:0]
	for i := range f.parts {
		p := &f.parts[i]
		clear(p.works)
		*p = lanePart{
			offsets: p.offsets[:0], times: p.times[:0], logs: p.logs[:0], more: p.more[:0],
			inputs: p.inputs[:0], keys: p.keys[:0], ends: p.ends[:0], next: p.next[:0], works: p.works[:0],
		}
	}
}

// group gives the rows of a lane to its entities, once a chunk.
func (v *View) group(lane uint16) {
	f := &v.fold
	p := &f.parts[lane]
	if p.grouped {
		return
	}
	p.grouped = true
	clear(f.byKey)
	begin := 0
	for i := range p.offsets {
		p.next = append(p.next, -1)
		w := &p.works[v.workOf(lane, p.keys[begin:p.ends[i]])]
		begin = p.ends[i]
		if w.first < 0 {
			w.first = int32(i)
		} else {
			p.next[w.last] = int32(i)
		}
		w.last = int32(i)
	}
}

// workOf is the work of an entity in its lane.
func (v *View) workOf(lane uint16, key []byte) int32 {
	f := &v.fold
	p := &f.parts[lane]
	if e := v.cache.get(lane, string(key)); e != nil {
		if e.chunk != f.chunk {
			e.chunk, e.work = f.chunk, p.newWork(e.key, lane)
			p.works[e.work].entity = e
		}
		return e.work
	}
	if i, seen := f.byKey[string(key)]; seen {
		return i
	}
	i := p.newWork(string(key), lane)
	f.byKey[p.works[i].key] = i
	return i
}

func (p *lanePart) newWork(key string, lane uint16) int32 {
	p.works = append(p.works, work{key: key, lane: lane, first: -1, last: -1})
	return int32(len(p.works) - 1)
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

// evaluate appends the inputs of a row.
func (v *View) evaluate(dst []featurestore.Value, programs []*expr.Program, fields []featurestore.Value) []featurestore.Value {
	for _, p := range programs {
		value, failed := p.Eval(fields)
		if failed {
			v.counts.FailedExpr++
		}
		dst = append(dst, value)
	}
	return dst
}
