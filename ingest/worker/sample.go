package worker

import (
	"container/heap"
	"math"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/window"
)

// Bounds of a sample's memory.
const (
	sampleRows = 500_000 // of all entities
	entityRows = 20_000  // of one: a hotter one is left out, and counted
)

// sample takes some entities of a view, with all of their records, out of a
// stream of events in one pass. Those of the least ranks are taken: which they
// are does not depend on the order of the events, and an entity that was once
// passed over is never taken up again, so that what is held is complete. It
// evaluates the view's expressions by plain code of its own.
type sample struct {
	view  *definition.StreamView
	types []featurestore.Type
	lanes uint16
	sampling

	byKey    map[string]*sampled
	order    sampleOrder
	bound    uint64 // ranks from here on are passed over
	complete bool   // no further entity is taken, only records of those that are held
	rows     int

	key    []byte
	values []featurestore.Value
}

// sampling says which entities a sample takes: all whose rank is below whole, up
// to most of them, and where these are fewer, the next ones up to least.
type sampling struct {
	rank        func(hash uint64) uint64
	whole       uint64
	least, most int
	rowLimit    int // of all entities; 0 is sampleRows

	// before says that the states may be of before something at rest was lost, and that
	// was accepted: what may hold some of it cannot be compared.
	before bool
}

// sampled is an entity of a sample.
type sampled struct {
	key  string
	lane uint16
	rank uint64
	rows []sampledRow
	hot  bool // it has too many rows, and holds none

	refused []sampledRow // that history lacks: another definition of their source refused them
}

type sampledRow struct {
	window.Row
	late bool
}

func newSample(view *definition.StreamView, lanes uint16, s sampling) *sample {
	out := &sample{view: view, lanes: lanes, sampling: s, byKey: map[string]*sampled{}, bound: math.MaxUint64}
	for _, k := range view.Entity.Keys {
		out.types = append(out.types, k.Type)
	}
	if out.rowLimit == 0 {
		out.rowLimit = sampleRows
	}
	return out
}

// wants reports whether an event may be of the sample.
func (s *sample) wants(b *definition.Binding, ev *featurestore.Event) bool {
	if !s.keyOf(b, ev) {
		return false
	}
	if _, held := s.byKey[string(s.key)]; held {
		return true
	}
	return !s.complete && s.rank(xxh3.Hash(s.key)) < s.bound
}

// keyOf leaves an event's key in s.key; false where it has none.
func (s *sample) keyOf(b *definition.Binding, ev *featurestore.Event) bool {
	s.values = s.values[:0]
	for _, p := range b.Keys {
		v, _ := p.Eval(ev.Fields)
		s.values = append(s.values, v)
	}
	var err error
	s.key, err = codec.AppendKey(s.key[:0], s.types, s.values)
	return err == nil
}

// take takes what it wants of a chunk of one source.
func (s *sample) take(c *Chunk, binding int) {
	b := &s.view.Bindings[binding]
	if c.events() == 0 {
		return
	}
	for ev := range c.Events.All() {
		if fromFiles(b.Source, c.Partition.Generation, ev) || !s.wants(b, ev) || !holds(b.Source.Where, ev) || !holds(b.Where, ev) {
			continue
		}
		if c.Partition.Generation != offline.FilesGeneration && b.Source.FromFiles(ev.LogTime) {
			continue // before the cutover the files count, and the topic does not
		}
		s.add(s.rowOf(b, uint16(binding), ev))
	}
}

func holds(where *expr.Program, ev *featurestore.Event) bool {
	if where == nil {
		return true
	}
	v, _ := where.Eval(ev.Fields)
	return v.Bool()
}

// rowOf evaluates an event. The row shares no memory with it: a sample is thin,
// and must not hold on to everything that it was drawn from.
func (s *sample) rowOf(b *definition.Binding, source uint16, ev *featurestore.Event) sampledRow {
	row := sampledRow{late: ev.Late(b.Source.AllowedLateness)}
	row.Position = ev.Position
	row.Source = source
	row.Time, row.LogTime, row.ID = ev.Time, ev.LogTime, strings.Clone(ev.ID)
	row.Sequence, row.Change, row.Mutated = pack.CloneValue(ev.Sequence), ev.Change, ev.Mutated
	row.Inputs = make([]featurestore.Value, len(b.Inputs))
	for i, p := range b.Inputs {
		v, _ := p.Eval(ev.Fields)
		row.Inputs[i] = pack.CloneValue(v)
	}
	return row
}

// add adds a row of the entity whose key stands in s.key.
func (s *sample) add(row sampledRow) {
	e, held := s.byKey[string(s.key)]
	if !held {
		hash := xxh3.Hash(s.key)
		e = &sampled{key: string(s.key), lane: codec.Lane(s.key, s.lanes), rank: s.rank(hash)}
		s.byKey[e.key] = e
		heap.Push(&s.order, e)
	}
	if e.hot {
		return
	}
	e.rows = append(e.rows, row)
	s.rows++
	if len(e.rows) > entityRows {
		s.rows -= len(e.rows)
		e.rows, e.hot = nil, true
	}
	s.shrink()
}

// shrink passes over the entities of the greatest ranks until the rest is within
// the bounds.
func (s *sample) shrink() {
	for len(s.order) > 1 {
		top := s.order[0]
		over := len(s.order) > s.most || len(s.order) > s.least && top.rank >= s.whole || s.rows > s.rowLimit && !s.complete
		if !over {
			return
		}
		heap.Pop(&s.order)
		delete(s.byKey, top.key)
		s.rows -= len(top.rows)
		s.bound = top.rank
	}
}

// sampleOrder is a heap with the greatest rank on top.
type sampleOrder []*sampled

func (o sampleOrder) Len() int           { return len(o) }
func (o sampleOrder) Less(i, j int) bool { return o[i].rank > o[j].rank }
func (o sampleOrder) Swap(i, j int)      { o[i], o[j] = o[j], o[i] }
func (o *sampleOrder) Push(x any)        { *o = append(*o, x.(*sampled)) }
func (o *sampleOrder) Pop() any {
	old := *o
	x := old[len(old)-1]
	*o = old[:len(old)-1]
	return x
}
