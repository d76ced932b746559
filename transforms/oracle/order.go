package oracle

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// ordered is about the place of inputs in the total order, or in the order of
// their values.
func ordered(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	newest := slices.Clone(xs)
	slices.Reverse(newest)
	switch f.Call.Func {
	case "first":
		return present(xs[0])
	case "last":
		return present(newest[0])
	case "lag":
		if f.Call.N >= int64(len(newest)) {
			return featurestore.Cell{Status: featurestore.Empty}
		}
		return present(newest[f.Call.N])
	case "first_n":
		return listOf(f, xs)
	case "last_n":
		return listOf(f, newest)
	case "last_distinct_n":
		return listOf(f, different(newest))
	}
	ascending := slices.Clone(xs)
	slices.SortFunc(ascending, featurestore.Value.Compare)
	if f.Call.Func == "top_n" {
		slices.Reverse(ascending)
	}
	return listOf(f, ascending)
}

// listOf is a list of the first n.
func listOf(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	return present(featurestore.ListValue(xs[:min(len(xs), int(f.Call.N))]))
}

// different keeps the first of equal values, which are no lists or maps.
func different(xs []featurestore.Value) []featurestore.Value {
	seen := map[featurestore.ScalarKey]bool{}
	var out []featurestore.Value
	for _, x := range xs {
		if !seen[x.ScalarKey()] {
			out = append(out, x)
		}
		seen[x.ScalarKey()] = true
	}
	return out
}

// extremeBy is the x of the event with the least or greatest y; of equal ones
// the last in the total order counts.
func extremeBy(f *window.Feature, rows []*event) featurestore.Value {
	best := rows[0]
	for _, x := range rows {
		c := x.Inputs[f.Second].Compare(best.Inputs[f.Second])
		if c == 0 || f.Call.Func == "min_by" && c < 0 || f.Call.Func == "max_by" && c > 0 {
			best = x
		}
	}
	return best.Inputs[f.Input]
}
