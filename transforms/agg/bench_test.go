package agg_test

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// basic is what most features ask for.
func basic(t testing.TB, in featurestore.Type) (*agg.Layout, []agg.Finisher) {
	uses := []agg.Use{{Call: agg.Call{Func: "count"}, Input: -1, Where: -1}}
	for _, f := range []string{"sum", "avg", "min", "max"} {
		uses = append(uses, agg.Use{Call: agg.Call{Func: f, Input: in}, Input: 0, Where: -1})
	}
	layout, finishers, err := agg.Compile(uses)
	if err != nil {
		t.Fatal(err)
	}
	return layout, finishers
}

// BenchmarkAdd adds one event to count, sum, avg, min and max.
func BenchmarkAdd(b *testing.B) {
	layout, _ := basic(b, featurestore.Double)
	c := layout.NewCells()
	s := c.Alloc()
	var o agg.Order
	inputs := []featurestore.Value{featurestore.Null}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		inputs[0] = featurestore.DoubleValue(float64(i%1000) / 100)
		c.Add(s, &o, inputs)
	}
}

// BenchmarkMerge merges 100 tiles of count, sum, avg, min and max.
func BenchmarkMerge(b *testing.B) {
	layout, _ := basic(b, featurestore.Double)
	c := layout.NewCells()
	acc := c.Alloc()
	var tiles []agg.Slot
	var o agg.Order
	for i := range 100 {
		s := c.Alloc()
		c.Add(s, &o, []featurestore.Value{featurestore.DoubleValue(float64(i) / 7)})
		tiles = append(tiles, s)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Clear(acc)
		c.Merge(acc, tiles)
	}
}

// numeric are the calls on int64, on double and on no input: those that add an
// event without an allocation, once the memory is there.
func numeric() []agg.Call {
	var out []agg.Call
	for _, function := range agg.Functions() {
		for _, call := range calls(function) {
			if k := call.Input.Kind; k == featurestore.KindNull || k == featurestore.KindDouble || k == featurestore.KindInt64 {
				out = append(out, call)
			}
		}
	}
	return out
}

// BenchmarkAddEach adds one event to one aggregate.
func BenchmarkAddEach(b *testing.B) {
	for _, call := range numeric() {
		b.Run(name(call), func(b *testing.B) {
			a := newAlgebra(b, call, -1)
			s := a.cells.Alloc()
			events := fixedEvents(call)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e := &events[i%len(events)]
				e.order.Offset++
				a.cells.Add(s, &e.order, e.inputs)
			}
		})
	}
}

func TestAddEachDoesNotAllocate(t *testing.T) {
	for _, call := range numeric() {
		a := newAlgebra(t, call, -1)
		s := a.cells.Alloc()
		events, i := fixedEvents(call), 0
		add := func() {
			e := &events[i%len(events)]
			e.order.Offset++
			i++
			a.cells.Add(s, &e.order, e.inputs)
		}
		for range 100 {
			add()
		}
		if n := testing.AllocsPerRun(200, add); n != 0 {
			t.Errorf("%s: %v allocations an event, want 0", name(call), n)
		}
	}
}
