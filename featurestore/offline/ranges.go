package offline

import (
	"cmp"
	"slices"
)

// Union is what lies in any of these ranges, ascending and apart.
func Union(ranges ...Range) []Range {
	all := slices.DeleteFunc(slices.Clone(ranges), Range.Empty)
	slices.SortFunc(all, func(a, b Range) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	var out []Range
	for _, r := range all {
		if n := len(out); n > 0 && r.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Without is what of ranges lies in none of others, ascending and apart.
func Without(ranges []Range, others ...Range) []Range {
	var out []Range
	for _, r := range Union(ranges...) {
		for _, o := range Union(others...) {
			if o.To <= r.From || r.To <= o.From {
				continue
			}
			out = append(out, Range{From: r.From, To: o.From})
			r.From = o.To
		}
		out = append(out, r)
	}
	return slices.DeleteFunc(out, Range.Empty)
}
