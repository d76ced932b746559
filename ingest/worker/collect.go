package worker

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/expr"
)

// foldBuffers is the working memory of one Apply, kept between calls. Rows are
// first laid out by lane and only then grouped by entity, one lane after the
// other: what a lane's entities take fits the processor's caches, what all take
// does not.
type foldBuffers struct {
	parts []lanePart
	all   []*work // of the lanes that are being folded
	from  []int64 // per lane: the offset that it has applied
	keys  []featurestore.Value
	key   []byte
	byKey map[string]int32 // works of a lane's entities that are not cached
	chunk int64            // counts the chunks
	most  int              // rows that a lane may come to have, about
	bits  []bool           // of each input of a row: whether it is a scalar
	wide  int              // those that are none
	full  bool             // rows have more
	own   bool             // rows have texts of their own: they outlive the events
	texts texts            // of these
	size  int              // of all rows, in bytes

	partition featurestore.PartitionID // of the chunk
	binding   *definition.Binding      // likewise
	types     []featurestore.Type      // of keys
	counts    Counts                   // of its events, until the view takes them
}

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

// unfinished are the works that have still to be folded or acknowledged. They are valid
// until one of them is done.
func (p *lanePart) unfinished() []*work {
	p.left = p.left[:0]
	for i := range p.works {
		if w := &p.works[i]; !w.done {
			p.left = append(p.left, w)
		}
	}
	return p.left
}

// begin empties the buffers for the rows of a partition, of which there come to be so
// many, at most about.
func (v *View) begin(p online.Partition, bindingIndex, most int) {
	f := &v.fold
	f.begin(v, p, bindingIndex, len(v.lanes.marks), most)
	for lane := range f.from {
		f.from[lane] = v.lanes.at(uint16(lane), p).offset
	}
	v.beginHands()
}

// begin is View.begin, but for what lanes have applied: it reads nothing of the view
// that changes.
func (f *foldBuffers) begin(v *View, p online.Partition, bindingIndex, lanes, most int) {
	b := &v.view.Bindings[bindingIndex]
	f.reset(lanes, most)
	f.partition = featurestore.PartitionID{Source: uint16(bindingIndex), Generation: p.Generation, Partition: p.Number}
	f.bits, f.wide = f.bits[:0], 0
	for _, p := range b.Inputs {
		scalar := isScalar(p)
		if f.bits = append(f.bits, scalar); !scalar {
			f.wide++
		}
	}
	f.binding, f.types, f.full = b, v.types, hasMore(b.Source)
}

// collect evaluates the view's expressions over events and lays the rows that some
// lane still needs out by lane, behind those that are there.
func (v *View) collect(c *Chunk) {
	v.fold.collect(c)
	v.counts.take(&v.fold.counts)
}

// collect is View.collect, but for the counts of the view.
func (f *foldBuffers) collect(c *Chunk) {
	if c.events() == 0 {
		return
	}
	for ev := range c.Events.All() {
		if f.wanted(ev) {
			f.lay(ev)
		}
	}
}

// wanted reports whether an event counts for anybody. It leaves its key in the buffers.
func (f *foldBuffers) wanted(ev *featurestore.Event) bool {
	b := f.binding
	switch {
	case fromFiles(b.Source, f.partition.Generation, ev):
		f.counts.Before++
	case ev.Late(b.Source.AllowedLateness):
		f.counts.Late++
	case !f.passes(b.Source.Where, ev) || !f.passes(b.Where, ev):
		f.counts.Filtered++
	default:
		return f.entityKey(b, ev)
	}
	return false
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
	f.size, f.own = 0, false
	for i := range f.parts {
		p := &f.parts[i]
		clear(p.works)
		*p = lanePart{rows: p.rows[:0], data: p.data[:0], values: p.values[:0], more: p.more[:0], next: p.next[:0], works: p.works[:0], left: p.left[:0]}
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
	for i := range p.rows {
		p.next = append(p.next, -1)
		if p.rows[i].offset <= f.from[lane] {
			continue // applied since it was laid out
		}
		w := &p.works[v.workOf(lane, f.keyAt(p, i))]
		if w.first < 0 {
			w.first = int32(i)
		} else {
			p.next[w.last] = int32(i)
		}
		w.last = int32(i)
	}
	v.joinHeld(lane)
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

func (f *foldBuffers) passes(where *expr.Program, ev *featurestore.Event) bool {
	if where == nil {
		return true
	}
	keep, failed := where.Eval(ev.Fields)
	if failed {
		f.counts.FailedExpr++
	}
	return keep.Bool()
}

// entityKey leaves the event's key in the buffers; false drops the event.
func (v *View) entityKey(b *definition.Binding, ev *featurestore.Event) bool {
	v.fold.types = v.types
	defer v.counts.take(&v.fold.counts)
	return v.fold.entityKey(b, ev)
}

func (f *foldBuffers) entityKey(b *definition.Binding, ev *featurestore.Event) bool {
	f.keys = f.keys[:0]
	for _, p := range b.Keys {
		value, failed := p.Eval(ev.Fields)
		if failed {
			f.counts.FailedExpr++
		}
		if value.IsNull() {
			f.counts.NullKey++
			return false
		}
		f.keys = append(f.keys, value)
	}
	var err error
	if f.key, err = codec.AppendKey(f.key[:0], f.types, f.keys); err != nil {
		f.counts.LongKey++
		return false
	}
	return true
}

// take adds what was counted of events elsewhere, where it then is 0.
func (c *Counts) take(o *Counts) {
	c.Before, c.Late, c.Filtered = c.Before+o.Before, c.Late+o.Late, c.Filtered+o.Filtered
	c.NullKey, c.LongKey, c.FailedExpr = c.NullKey+o.NullKey, c.LongKey+o.LongKey, c.FailedExpr+o.FailedExpr
	*o = Counts{}
}
