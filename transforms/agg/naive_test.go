package agg_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// naive computes an aggregate of order over events in the total order, the way
// its definition reads.
func naive(c agg.Call, sorted []event) featurestore.Value {
	var xs []featurestore.Value
	best := -1
	for i, e := range sorted {
		x, y := e.inputs[inputX], e.inputs[inputY]
		if x.IsNull() {
			continue
		}
		xs = append(xs, x)
		if y.IsNull() {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		cmp := y.Compare(sorted[best].inputs[inputY])
		if c.Func == "min_by" && cmp <= 0 || c.Func == "max_by" && cmp >= 0 {
			best = i
		}
	}
	reversed := slices.Clone(xs)
	slices.Reverse(reversed)
	n := int(c.N)
	switch c.Func {
	case "first_n":
		return list(xs[:min(n, len(xs))]...)
	case "last_n":
		return list(reversed[:min(n, len(xs))]...)
	case "lag":
		if n >= len(xs) {
			return null
		}
		return reversed[n]
	case "last_distinct_n":
		var out []featurestore.Value
		for _, x := range reversed {
			if !slices.ContainsFunc(out, x.Equal) && len(out) < n {
				out = append(out, x)
			}
		}
		return list(out...)
	case "top_n", "bottom_n":
		slices.SortFunc(xs, featurestore.Value.Compare)
		if c.Func == "top_n" {
			slices.Reverse(xs)
		}
		return list(xs[:min(n, len(xs))]...)
	}
	if best < 0 {
		return null
	}
	return sorted[best].inputs[inputX]
}

func TestOrderAgainstItsDefinition(t *testing.T) {
	for _, function := range []string{"first_n", "last_n", "lag", "last_distinct_n", "top_n", "bottom_n", "min_by", "max_by"} {
		for _, call := range calls(function) {
			if call.By.Kind != featurestore.KindNull {
				continue
			}
			t.Run(name(call), func(t *testing.T) {
				rapid.Check(t, func(rt *rapid.T) {
					if call.N > 0 {
						call.N = rapid.Int64Range(1, 5).Draw(rt, "n")
					}
					a := newAlgebra(t, call, -1)
					events := events(call, 14).Draw(rt, "events")
					cut := rapid.IntRange(0, len(events)).Draw(rt, "cut")
					got := a.read(a.merged(a.of(events[cut:]...), a.of(events[:cut]...))).Value
					slices.SortFunc(events, func(x, y event) int { return x.order.Compare(&y.order) })
					if want := naive(call, events); !got.Equal(want) {
						rt.Fatalf("%s: %v, want %v", name(call), got, want)
					}
				})
			})
		}
	}
}
