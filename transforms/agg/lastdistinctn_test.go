package agg_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// Lists that are long enough for an index are those that a naive reading gives,
// and their bytes do not show how they came about: added in any order, merged of
// tiles, or read from bytes.
func TestLongLastDistinct(t *testing.T) {
	draw := rand.New(rand.NewPCG(3, 3))
	for _, different := range []int{150, 400} { // fewer and more than n
		call := agg.Call{Func: "last_distinct_n", Input: featurestore.String, N: 200}
		var events []event
		for i := range 20_000 {
			e := event{inputs: []featurestore.Value{featurestore.StringValue(fmt.Sprint("value", draw.IntN(different))), null, null, null}}
			e.order.Time, e.order.Offset = featurestore.EventTime(draw.IntN(5_000))*1_000_000, int64(i)
			events = append(events, e)
		}
		sorted := slices.Clone(events)
		slices.SortFunc(sorted, func(x, y event) int { return x.order.Compare(&y.order) })
		want := naive(call, sorted)

		a := newAlgebra(t, call, -1)
		whole := a.of(events...)
		bytes := a.bytes(whole)
		if got := a.read(whole).Value; !got.Equal(want) {
			t.Fatalf("%d values: %d are kept, want %d", different, len(got.Elems()), len(want.Elems()))
		}
		parts := []agg.Slot{a.of(events[:9_000]...), a.of(events[9_000:9_100]...), a.of(events[9_100:]...)}
		slices.Reverse(parts)
		if got := a.bytes(a.merged(parts...)); !slices.Equal(got, bytes) {
			t.Errorf("%d values: merged of three tiles the bytes are others", different)
		}
		again, r := a.cells.Alloc(), pack.NewReader(a.bytes(a.of(events[:9_000]...)))
		a.cells.Decode(&r, again, 17)
		for i := 9_000; i < len(events); i++ {
			a.cells.Add(again, &events[i].order, events[i].inputs)
		}
		if got := a.bytes(again); r.Err() != nil || !slices.Equal(got, bytes) {
			t.Errorf("%d values: gone on with from bytes (%v) they are others", different, r.Err())
		}
	}
}
