package agg_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// event is what a cell is fed with: inputs are x and a where.
type event struct {
	order  agg.Order
	inputs []featurestore.Value
}

func values(kind featurestore.Kind) *rapid.Generator[featurestore.Value] {
	ints := rapid.OneOf(rapid.Int64Range(-5, 5), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, 9007199254740993}))
	return rapid.Custom(func(t *rapid.T) featurestore.Value {
		if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
			return featurestore.Null
		}
		switch kind {
		case featurestore.KindBool:
			return featurestore.BoolValue(rapid.Bool().Draw(t, "b"))
		case featurestore.KindInt64:
			return featurestore.Int64Value(ints.Draw(t, "n"))
		case featurestore.KindTimestamp:
			return featurestore.TimestampValue(featurestore.Instant(ints.Draw(t, "ts")))
		case featurestore.KindDecimal:
			return featurestore.DecimalValue(rapid.Int64Range(-999, 999).Draw(t, "d"))
		case featurestore.KindDouble:
			return featurestore.DoubleValue(rapid.SampledFrom([]float64{0, 0.1, -0.1, 1e16, -1e16, 1, 1e200, -1e200, 3.25, math.MaxFloat64}).Draw(t, "f"))
		case featurestore.KindBytes:
			return featurestore.BytesValue(rapid.SampledFrom([]string{"", "\x00", "a", "ab"}).Draw(t, "y"))
		default:
			return featurestore.StringValue(rapid.SampledFrom([]string{"", "a", "b", "ab", "é"}).Draw(t, "s"))
		}
	})
}

func events(kind featurestore.Kind) *rapid.Generator[[]event] {
	return rapid.Custom(func(t *rapid.T) []event {
		n := rapid.IntRange(0, 14).Draw(t, "n")
		var out []event
		for i := range n {
			e := event{inputs: []featurestore.Value{values(kind).Draw(t, "x"), rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.BoolValue(false), featurestore.BoolValue(true), featurestore.BoolValue(true)}).Draw(t, "where")}}
			e.order.Time = featurestore.EventTime(rapid.Int64Range(-3, 3).Draw(t, "e"))
			e.order.Sequence = rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.StringValue("p"), featurestore.StringValue("q")}).Draw(t, "seq")
			e.order.Partition, e.order.Offset = int32(i%2), int64(i)
			out = append(out, e)
		}
		return out
	})
}

var types = []featurestore.Type{featurestore.Bool, featurestore.Int64, featurestore.Double, featurestore.String, featurestore.Bytes, featurestore.Timestamp, featurestore.Decimal(10, 2)}

// calls are all calls that mean something for a type.
func calls(t featurestore.Type) []agg.Call {
	all := []agg.Call{{Func: "count"}, {Func: "time_since_last"}}
	for _, name := range []string{"count", "sum", "avg", "min", "max", "first", "last", "var_samp", "var_pop", "stddev_samp", "stddev_pop", "count_distinct"} {
		all = append(all, agg.Call{Func: name, Input: t})
	}
	all = append(all, agg.Call{Func: "count_distinct", Input: t, Max: 3}, agg.Call{Func: "first", Input: t, RespectNulls: true}, agg.Call{Func: "last", Input: t, RespectNulls: true})
	return slices.DeleteFunc(all, func(c agg.Call) bool { _, err := agg.Check(c); return err != nil })
}

// algebra is one aggregate with storage.
type algebra struct {
	cells  *agg.Cells
	finish agg.Finisher
}

func newAlgebra(t testing.TB, c agg.Call, where int) algebra {
	u := agg.Use{Call: c, Input: 0, Where: where}
	if c.Input.Kind == featurestore.KindNull {
		u.Input = -1
	}
	layout, finishers, err := agg.Compile([]agg.Use{u})
	if err != nil {
		t.Fatal(err)
	}
	return algebra{cells: layout.NewCells(), finish: finishers[0]}
}

func (a algebra) of(events ...event) agg.Slot {
	s := a.cells.Alloc()
	for _, e := range events {
		a.cells.Add(s, &e.order, e.inputs)
	}
	return s
}

func (a algebra) merged(parts ...agg.Slot) agg.Slot {
	s := a.cells.Alloc()
	a.cells.Merge(s, parts)
	return s
}

func (a algebra) bytes(s agg.Slot) []byte { return a.cells.Append(nil, s, 17) }

func (a algebra) same(t *rapid.T, law string, got, want agg.Slot) {
	t.Helper()
	if g, w := a.bytes(got), a.bytes(want); !bytes.Equal(g, w) {
		t.Fatalf("%s: bytes %x, want %x", law, g, w)
	}
	g, w := a.finish.Read(a.cells, got, 10), a.finish.Read(a.cells, want, 10)
	if !g.Value.Equal(w.Value) || g.Status != w.Status {
		t.Fatalf("%s: reads %v, want %v", law, g, w)
	}
}

func TestLaws(t *testing.T) {
	for _, typ := range types {
		for _, call := range calls(typ) {
			t.Run(fmt.Sprintf("%s(%s)max%d,%v", call.Func, call.Input, call.Max, call.RespectNulls), func(t *testing.T) {
				rapid.Check(t, func(rt *rapid.T) { checkLaws(t, rt, typ, call) })
			})
		}
	}
}

func checkLaws(t *testing.T, rt *rapid.T, typ featurestore.Type, call agg.Call) {
	a := newAlgebra(t, call, rapid.IntRange(-1, 1).Filter(func(i int) bool { return i != 0 }).Draw(rt, "where"))
	list := events(typ.Kind).Draw(rt, "events")
	whole := a.of(list...)
	shuffled := rapid.Permutation(list).Draw(rt, "order")
	a.same(rt, "order independence", a.of(shuffled...), whole)
	i := rapid.IntRange(0, len(list)).Draw(rt, "i")
	j := rapid.IntRange(i, len(list)).Draw(rt, "j")
	x, y, z := a.of(shuffled[:i]...), a.of(shuffled[i:j]...), a.of(shuffled[j:]...)
	a.same(rt, "identity", a.merged(x, a.of()), x)
	a.same(rt, "commutativity", a.merged(x, y), a.merged(y, x))
	a.same(rt, "associativity", a.merged(a.merged(x, y), z), a.merged(x, a.merged(y, z)))
	a.same(rt, "split and merge", a.merged(z, x, y), whole)

	src := append(a.bytes(whole), 0xaa)
	back := a.cells.Alloc()
	r := pack.NewReader(src)
	a.cells.Decode(&r, back, 17)
	if r.Err() != nil || len(r.Rest()) != 1 {
		rt.Fatalf("decode %x: %v, rest %x", src, r.Err(), r.Rest())
	}
	a.same(rt, "encode and decode", back, whole)
	a.same(rt, "a decoded cell goes on", a.merged(back, whole), a.merged(whole, back))
	for n := range src[:len(src)-1] {
		r := pack.NewReader(src[:n])
		a.cells.Decode(&r, a.cells.Alloc(), 17)
		if r.Err() == nil && n > 0 {
			rt.Fatalf("%x decodes though it is cut", src[:n])
		}
	}
}

// TestSharing holds what makes many features cheap: one sum and one count for
// everything that needs them.
func TestSharing(t *testing.T) {
	var uses []agg.Use
	for _, f := range []string{"count", "sum", "avg", "var_pop", "stddev_samp"} {
		uses = append(uses, agg.Use{Call: agg.Call{Func: f, Input: featurestore.Double}, Input: 0, Where: -1})
	}
	layout, finishers, err := agg.Compile(uses)
	if err != nil {
		t.Fatal(err)
	}
	if layout.Groups() != 1 {
		t.Errorf("%d groups, want 1", layout.Groups())
	}
	if sum, spread := finishers[1].Partials(), finishers[3].Partials(); sum[0] != spread[0] || len(spread) != 2 {
		t.Errorf("sum needs %v, var_pop %v", sum, spread)
	}
}

func FuzzDecodeCells(f *testing.F) {
	var uses []agg.Use
	for i, typ := range types {
		for _, c := range calls(typ) {
			u := agg.Use{Call: c, Input: i, Where: -1}
			if c.Input.Kind == featurestore.KindNull {
				u.Input = -1
			}
			uses = append(uses, u)
		}
	}
	layout, finishers, err := agg.Compile(uses)
	if err != nil {
		f.Fatal(err)
	}
	inputs := []featurestore.Value{featurestore.BoolValue(true), featurestore.Int64Value(-7), featurestore.DoubleValue(0.1), featurestore.StringValue("ab"), featurestore.BytesValue("\x00"), featurestore.TimestampValue(5), featurestore.DecimalValue(12)}
	seed := layout.NewCells()
	s := seed.Alloc()
	for i := range 5 {
		o := agg.Order{Time: featurestore.EventTime(i), Sequence: featurestore.Int64Value(3)}
		seed.Add(s, &o, inputs)
	}
	f.Add(seed.Append(nil, s, 0))
	f.Fuzz(func(t *testing.T, src []byte) {
		c := layout.NewCells()
		slot, acc := c.Alloc(), c.Alloc()
		r := pack.NewReader(src)
		c.Decode(&r, slot, 0)
		if r.Err() != nil {
			return
		}
		c.Merge(acc, []agg.Slot{slot})
		for i := range finishers {
			finishers[i].Read(c, acc, 10)
		}
		again := c.Alloc()
		out := c.Append(nil, slot, 0)
		r = pack.NewReader(out)
		if c.Decode(&r, again, 0); r.Err() != nil || !bytes.Equal(c.Append(nil, again, 0), out) {
			t.Fatalf("%x does not read back: %v", out, r.Err())
		}
	})
}
