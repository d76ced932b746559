package oracle

import (
	"math"
	"math/big"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// maxExactValues is up to how many values a quantile is exact.
const maxExactValues = 10_000

// quantile is linear between ranks, computed exactly and rounded once: rank
// (n - 1) x p, with p as written in decimal. Above the cap it is the sketch's
// estimate, as approx_quantile always is.
func quantile(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	p := big.NewRat(1, 2)
	if f.Call.Func != "median" {
		p.SetFrac64(f.Call.Share.Unscaled, int64(math.Pow10(int(f.Call.Share.Digits))))
	}
	rank := p.Mul(p, big.NewRat(int64(len(xs)-1), 1))
	low := int(new(big.Int).Quo(rank.Num(), rank.Denom()).Int64())
	switch {
	case f.Call.Func == "approx_quantile":
		return present(featurestore.DoubleValue(ddSketch(f, xs, low)))
	case len(xs) > maxExactValues:
		return approximate(present(featurestore.DoubleValue(ddSketch(f, xs, low))), true)
	}
	ascending := slices.Clone(xs)
	slices.SortFunc(ascending, featurestore.Value.Compare)
	lo, hi := exact(f, ascending[low]), exact(f, ascending[min(low+1, len(xs)-1)])
	between := rank.Sub(rank, big.NewRat(int64(low), 1))
	step := hi.Sub(hi, lo)
	return double(lo.Add(lo, step.Mul(step, between)))
}
