package oracle

import (
	"math"
	"math/big"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// exact is a number as a rational.
func exact(f *window.Feature, x featurestore.Value) *big.Rat {
	return new(big.Rat).SetFrac(units(x), unit(f))
}

// units is a number in whole units: of a double, its multiple of the least
// positive one; of a decimal, its unscaled integer.
func units(x featurestore.Value) *big.Int {
	if x.Kind() != featurestore.KindDouble {
		return big.NewInt(x.Int64())
	}
	fraction, exponent := math.Frexp(x.Double())
	n := big.NewInt(int64(fraction * (1 << 53)))
	if shift := exponent - 53 + 1074; shift >= 0 {
		return n.Lsh(n, uint(shift))
	}
	return n.Quo(n, new(big.Int).Lsh(big.NewInt(1), uint(53-1074-exponent))) // subnormal: nothing is lost
}

// unit is how many units make 1.
func unit(f *window.Feature) *big.Int {
	switch f.Call.Input.Kind {
	case featurestore.KindDouble:
		return new(big.Int).Lsh(big.NewInt(1), 1074)
	case featurestore.KindDecimal:
		return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(f.Call.Input.Scale)), nil)
	default:
		return big.NewInt(1)
	}
}

// sum is in units.
func sum(xs []featurestore.Value) *big.Int {
	total := new(big.Int)
	for _, x := range xs {
		total.Add(total, units(x))
	}
	return total
}

// quotient is units / n as a number.
func quotient(f *window.Feature, units *big.Int, n int) *big.Rat {
	return new(big.Rat).SetFrac(units, new(big.Int).Mul(unit(f), big.NewInt(int64(n))))
}

// simple is the sum, mean, least or greatest of one or more inputs.
func simple(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	switch f.Call.Func {
	case "sum":
		return sumCell(f, xs)
	case "avg":
		return double(quotient(f, sum(xs), len(xs)))
	}
	best := xs[0]
	for _, x := range xs {
		if c := x.Compare(best); f.Call.Func == "min" && c < 0 || f.Call.Func == "max" && c > 0 {
			best = x
		}
	}
	return present(best)
}

// sumCell is the sum in its input's type. A decimal sum has the input's scale
// and as many digits as a decimal may have.
func sumCell(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	total := sum(xs)
	switch f.Call.Input.Kind {
	case featurestore.KindInt64:
		if !total.IsInt64() {
			return featurestore.Cell{Status: featurestore.Overflow}
		}
		return present(featurestore.Int64Value(total.Int64()))
	case featurestore.KindDecimal:
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(featurestore.MaxDecimalPrecision), nil)
		if total.CmpAbs(limit) >= 0 {
			return featurestore.Cell{Status: featurestore.Overflow}
		}
		return present(featurestore.DecimalValue(total.Int64()))
	}
	return double(quotient(f, total, 1))
}

// double rounds an exact value once; beyond the range it is OVERFLOW.
func double(x *big.Rat) featurestore.Cell {
	v, _ := x.Float64()
	if math.IsInf(v, 0) {
		return featurestore.Cell{Status: featurestore.Overflow}
	}
	return present(featurestore.DoubleValue(v))
}

// undefined is what inputs that are there do not have: null, not EMPTY.
func undefined() featurestore.Cell { return featurestore.Cell{Status: featurestore.Present} }

// vector computes each element of lists over the lists that have it, and is as
// long as the longest. An element that nothing contributed to is null; so is one
// beyond the range, and then the whole is OVERFLOW.
func vector(f *window.Feature, lists []featurestore.Value) featurestore.Cell {
	longest := 0
	for _, l := range lists {
		longest = max(longest, len(l.Elems()))
	}
	element := *f
	element.Call.Input = featurestore.Double
	status := featurestore.Present
	var out []featurestore.Value
	for i := range longest {
		var xs []featurestore.Value
		for _, l := range lists {
			if i < len(l.Elems()) && !l.Elems()[i].IsNull() {
				xs = append(xs, l.Elems()[i])
			}
		}
		cell := featurestore.Cell{}
		if len(xs) > 0 {
			cell = simple(&element, xs)
		}
		if cell.Status == featurestore.Overflow {
			status = featurestore.Overflow
		}
		out = append(out, cell.Value)
	}
	return featurestore.Cell{Value: featurestore.ListValue(out), Status: status}
}
