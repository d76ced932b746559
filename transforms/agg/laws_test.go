package agg_test

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// algebra is one aggregate with storage.
type algebra struct {
	layout *agg.Layout
	cells  *agg.Cells
	finish agg.Finisher
}

func newAlgebra(t testing.TB, c agg.Call, where int) algebra {
	t.Helper()
	layout, finishers, err := agg.Compile([]agg.Use{use(c, where)})
	if err != nil {
		t.Fatal(err)
	}
	return algebra{layout: layout, cells: layout.NewCells(), finish: finishers[0]}
}

func (a algebra) of(events ...event) agg.Slot {
	s := a.cells.Alloc()
	for i := range events {
		a.cells.Add(s, &events[i].order, events[i].inputs)
	}
	return s
}

func (a algebra) merged(parts ...agg.Slot) agg.Slot {
	s := a.cells.Alloc()
	a.cells.Merge(s, parts)
	return s
}

func (a algebra) bytes(s agg.Slot) []byte { return a.cells.Append(nil, s, 17) }

// read gives a value, and panics where the two ways to read it differ.
func (a algebra) read(s agg.Slot) featurestore.Cell {
	cell, direct := a.finish.Read(a.cells, s, 5e9), featurestore.Cell{}
	if a.finish.ReadTo(&direct, a.cells, s, 5e9); direct.Status != cell.Status || !direct.Value.Equal(cell.Value) {
		panic(fmt.Sprintf("%v, read directly %v", cell, direct))
	}
	return cell
}

func (a algebra) same(t *rapid.T, law string, got, want agg.Slot) {
	t.Helper()
	if g, w := a.bytes(got), a.bytes(want); !bytes.Equal(g, w) {
		t.Fatalf("%s: bytes %x, want %x", law, g, w)
	}
	g, w := a.read(got), a.read(want)
	if !g.Value.Equal(w.Value) || g.Status != w.Status {
		t.Fatalf("%s: reads %v, want %v", law, g, w)
	}
}

// TestLaws holds the laws for every aggregate of the table, on every type of
// input that it takes.
func TestLaws(t *testing.T) {
	for _, function := range agg.Functions() {
		list := calls(function)
		if len(list) == 0 {
			t.Errorf("no call of %s is tried: generate one in calls", function)
		}
		for _, call := range list {
			t.Run(name(call), func(t *testing.T) {
				rapid.Check(t, func(rt *rapid.T) { checkLaws(t, rt, call) })
			})
		}
	}
}

func name(c agg.Call) string {
	s := fmt.Sprintf("%s(%s)", c.Func, c.Input)
	if c.Second.Kind != featurestore.KindNull {
		s = fmt.Sprintf("%s(%s,%s)", c.Func, c.Input, c.Second)
	}
	if c.Share != (agg.Share{}) {
		s += fmt.Sprintf("%de-%d", c.Share.Unscaled, c.Share.Digits)
	}
	if c.By.Kind != featurestore.KindNull {
		s += "by" + c.By.String()
	}
	if c.RespectNulls {
		s += "nulls"
	}
	return s
}

func checkLaws(t *testing.T, rt *rapid.T, call agg.Call) {
	a := newAlgebra(t, call, rapid.SampledFrom([]int{-1, inputWhere}).Draw(rt, "where"))
	list := events(call, 14).Draw(rt, "events")
	whole := a.of(list...)
	shuffled := rapid.Permutation(list).Draw(rt, "order")
	a.same(rt, "order independence", a.of(shuffled...), whole)
	i := rapid.IntRange(0, len(list)).Draw(rt, "i")
	j := rapid.IntRange(i, len(list)).Draw(rt, "j")
	x, y, z := a.of(shuffled[:i]...), a.of(shuffled[i:j]...), a.of(shuffled[j:]...)
	a.same(rt, "identity on the right", a.merged(x, a.of()), x)
	a.same(rt, "identity on the left", a.merged(a.of(), x), x)
	a.same(rt, "commutativity", a.merged(x, y), a.merged(y, x))
	a.same(rt, "associativity", a.merged(a.merged(x, y), z), a.merged(x, a.merged(y, z)))
	a.same(rt, "split and merge", a.merged(z, x, y), whole)
	for k := range shuffled[j:] {
		a.cells.Add(y, &shuffled[j+k].order, shuffled[j+k].inputs)
	}
	a.same(rt, "merge, then add", a.merged(y, x), whole)
	checkBytes(rt, a, whole)
	checkRemoval(rt, a, shuffled, j)
	checkValue(rt, a, call, whole)
}

func checkBytes(rt *rapid.T, a algebra, whole agg.Slot) {
	src := append(a.bytes(whole), 0xaa)
	back := a.cells.Alloc()
	r := pack.NewReader(src)
	a.cells.Decode(&r, back, 17)
	if r.Err() != nil || len(r.Rest()) != 1 {
		rt.Fatalf("decode %x: %v, rest %x", src, r.Err(), r.Rest())
	}
	a.same(rt, "encode and decode", back, whole)
	a.same(rt, "a decoded cell goes on", a.merged(back, a.of()), whole)
	for n := range src[:len(src)-1] {
		r, s := pack.NewReader(src[:n]), a.cells.Alloc()
		a.cells.Decode(&r, s, 17)
		if r.Err() == nil && n > 0 {
			rt.Fatalf("%x decodes though it is cut", src[:n])
		}
		a.cells.Clear(s)
		a.cells.Free(s)
	}
	a.same(rt, "failed decodes leave the rest alone", back, whole)
}

// checkRemoval takes away all events from the kth on, in another order.
func checkRemoval(rt *rapid.T, a algebra, list []event, k int) {
	if !a.layout.Subtractable() {
		return
	}
	s := a.of(list...)
	for _, i := range rapid.Permutation(indexes(len(list)-k)).Draw(rt, "removals") {
		a.cells.Remove(s, &list[k+i].order, list[k+i].inputs)
	}
	a.same(rt, "remove what was added", s, a.of(list[:k]...))
	for i := range list[:k] {
		a.cells.Remove(s, &list[i].order, list[i].inputs)
	}
	a.same(rt, "remove everything", s, a.of())
	if !a.cells.Blank(s) {
		rt.Fatal("a slot without events is not blank")
	}
	if a.layout.Owes() {
		checkOwed(rt, a, list, k)
	}
	for i := range list { // what was never added
		a.cells.Add(s, &list[i].order, list[i].inputs)
		other := &list[len(list)-1-i]
		a.cells.Remove(s, &other.order, other.inputs)
	}
	r := pack.NewReader(a.bytes(s))
	if a.cells.Decode(&r, a.cells.Alloc(), 17); r.Err() != nil {
		rt.Fatalf("%x does not decode: %v", a.bytes(s), r.Err())
	}
}

// checkOwed takes away events from the kth on before they are added.
func checkOwed(rt *rapid.T, a algebra, list []event, k int) {
	s := a.of()
	for i := range list[k:] {
		a.cells.Remove(s, &list[k+i].order, list[k+i].inputs)
	}
	r, owes := pack.NewReader(a.bytes(s)), a.cells.Alloc()
	if a.cells.Decode(&r, owes, 17); r.Err() != nil {
		rt.Fatalf("%x does not decode: %v", a.bytes(s), r.Err())
	}
	a.same(rt, "encode and decode what is owed", owes, s)
	a.same(rt, "merge with what is owed", a.merged(owes, a.of(list...)), a.of(list[:k]...))
	for i := range list {
		a.cells.Add(s, &list[i].order, list[i].inputs)
	}
	a.same(rt, "remove, then add", s, a.of(list[:k]...))
	if k == 0 && !a.cells.Blank(s) {
		rt.Fatal("a slot that owes nothing more is not blank")
	}
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// checkValue holds that a value is of the type that was promised, under a status
// that a finisher may give.
func checkValue(rt *rapid.T, a algebra, call agg.Call, s agg.Slot) {
	typ, err := agg.Check(call)
	if err != nil || !typ.Equal(a.finish.Type()) {
		rt.Fatalf("%s is %s, its finisher says %s: %v", name(call), typ, a.finish.Type(), err)
	}
	cell := a.read(s)
	if !ofType(cell.Value, typ) {
		rt.Fatalf("%s reads %v, which is no %s", name(call), cell.Value, typ)
	}
	empty := a.finish.Empty(featurestore.Empty)
	switch cell.Status {
	case featurestore.Empty:
		if !cell.Value.Equal(empty.Value) {
			rt.Fatalf("%s is EMPTY and %v, want %v", name(call), cell.Value, empty.Value)
		}
	case featurestore.Overflow, featurestore.Approximate, featurestore.Present:
	default:
		rt.Fatalf("%s reads the status %v", name(call), cell.Status)
	}
	if a.cells.Blank(s) && cell.Status != featurestore.Empty {
		rt.Fatalf("%s of nothing is %v", name(call), cell.Status)
	}
}

func ofType(v featurestore.Value, t featurestore.Type) bool {
	for _, e := range v.Elems() {
		if t.Elem == nil || !ofType(e, *t.Elem) {
			return false
		}
	}
	return v.IsNull() || v.Kind() == t.Kind
}

// TestRetraction holds that every aggregate says how it takes back an event, and
// that it says the truth.
func TestRetraction(t *testing.T) {
	for _, function := range agg.Functions() {
		for _, call := range calls(function) {
			want := "rebuilt"
			if newAlgebra(t, call, -1).layout.Subtractable() {
				want = "subtracted"
			}
			if got := agg.Retraction(call); got != want {
				t.Errorf("%s is %q, its layout %q", name(call), got, want)
			}
		}
	}
	if got := agg.Retraction(agg.Call{Func: "sum"}); got != "" {
		t.Errorf("a call that means nothing is %q", got)
	}
}

// TestSharing holds what makes many features cheap: one sum and one count for
// everything that needs them, and one set of keys.
func TestSharing(t *testing.T) {
	var uses []agg.Use
	for _, f := range []string{"count", "sum", "avg", "var_pop", "stddev_samp"} {
		uses = append(uses, agg.Use{Call: agg.Call{Func: f, Input: featurestore.Double}, Input: 0, Where: -1})
	}
	for _, f := range []string{"sum", "avg", "max"} {
		uses = append(uses, agg.Use{Call: agg.Call{Func: f, Input: featurestore.Double, By: featurestore.String}, Input: 0, By: 1, Where: -1})
	}
	layout, finishers, err := agg.Compile(uses)
	if err != nil {
		t.Fatal(err)
	}
	if layout.Groups() != 2 {
		t.Errorf("%d groups, want 2", layout.Groups())
	}
	if sum, spread := finishers[1].Partials(), finishers[3].Partials(); sum[0] != spread[0] || len(spread) != 2 {
		t.Errorf("sum needs %v, var_pop %v", sum, spread)
	}
	if a, b := finishers[5].Partials(), finishers[7].Partials(); len(a) != 1 || a[0] != b[0] {
		t.Errorf("sum by needs %v, max by %v", a, b)
	}
}
