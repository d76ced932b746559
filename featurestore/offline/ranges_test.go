package offline

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Union and Without agree with sets of offsets.
func TestRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const most = 12
	random := func() (ranges []Range, has [most]bool) {
		for range r.IntN(4) {
			x := Range{From: r.Int64N(most), To: r.Int64N(most)}
			ranges = append(ranges, x)
			for i := x.From; i < x.To; i++ {
				has[i] = true
			}
		}
		return ranges, has
	}
	listed := func(has [most]bool) (out []Range) {
		for i := range int64(most) {
			switch {
			case !has[i]:
			case i > 0 && has[i-1]:
				out[len(out)-1].To++
			default:
				out = append(out, Range{From: i, To: i + 1})
			}
		}
		return out
	}
	for range 5000 {
		a, inA := random()
		b, inB := random()
		before := slices.Clone(a)
		var either, only [most]bool
		for i := range most {
			either[i], only[i] = inA[i] || inB[i], inA[i] && !inB[i]
		}
		if got, want := Union(slices.Concat(a, b)...), listed(either); !slices.Equal(got, want) {
			t.Fatalf("%v and %v are %v, want %v", a, b, got, want)
		}
		if got, want := Without(a, b...), listed(only); !slices.Equal(got, want) {
			t.Fatalf("%v without %v is %v, want %v", a, b, got, want)
		}
		if !slices.Equal(a, before) {
			t.Fatal("the argument was changed")
		}
	}
}
