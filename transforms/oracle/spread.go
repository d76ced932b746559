package oracle

import (
	"math"
	"math/big"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// deviations is the exact sum of (x - mean)^power over the divisor. With n x's
// of the sum S it is that of (n x - S)^power, over n^power.
func deviations(f *window.Feature, xs []featurestore.Value, power, divisor int) *big.Rat {
	n, s := big.NewInt(int64(len(xs))), sum(xs)
	total := new(big.Int)
	for _, x := range xs {
		d := units(x)
		d.Mul(d, n).Sub(d, s)
		total.Add(total, d.Exp(d, big.NewInt(int64(power)), nil))
	}
	over := n.Mul(n, unit(f))
	over.Exp(over, big.NewInt(int64(power)), nil)
	return new(big.Rat).SetFrac(total, over.Mul(over, big.NewInt(int64(divisor))))
}

// spread is the variance, rounded once, or the square root of that rounded
// variance. A sample of one value has none: null, though an input contributed.
func spread(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	divisor := len(xs)
	if f.Call.Func == "var_samp" || f.Call.Func == "stddev_samp" {
		divisor--
	}
	if divisor == 0 {
		return undefined()
	}
	cell := double(deviations(f, xs, 2, divisor))
	if cell.Status == featurestore.Present && (f.Call.Func == "stddev_pop" || f.Call.Func == "stddev_samp") {
		cell.Value = featurestore.DoubleValue(math.Sqrt(cell.Value.Double()))
	}
	return cell
}

// shape is skew or kurtosis, from central moments that are each rounded once:
// m3 / (m2 x sqrt(m2)), m4 / (m2 x m2) - 3. Where m2 is 0 it is null; where
// something on the way leaves the range of doubles, above or below, it is
// OVERFLOW.
func shape(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	power := map[string]int{"skew": 3, "kurtosis": 4}[f.Call.Func]
	second := double(deviations(f, xs, 2, len(xs)))
	if second.Status == featurestore.Present && second.Value.Double() == 0 {
		return undefined()
	}
	higher := double(deviations(f, xs, power, len(xs)))
	if second.Status == featurestore.Overflow || higher.Status == featurestore.Overflow {
		return featurestore.Cell{Status: featurestore.Overflow}
	}
	m2, m := second.Value.Double(), higher.Value.Double()
	divisor := float64(m2 * m2)
	if power == 3 {
		divisor = float64(m2 * math.Sqrt(m2))
	}
	ratio := float64(m / divisor)
	if divisor == 0 || math.IsInf(divisor, 0) || math.IsInf(ratio, 0) {
		return featurestore.Cell{Status: featurestore.Overflow}
	}
	if power == 4 {
		ratio -= 3
	}
	return present(featurestore.DoubleValue(ratio))
}
