package oracle

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// ErrUnsupported is the error for an aggregate that the oracle does not know.
var ErrUnsupported = errors.New("the oracle does not know this aggregate")

// aggregate computes a feature over the rows of its window, which are in the
// total order.
func aggregate(f *window.Feature, rows []window.Row, t featurestore.Instant) (featurestore.Cell, error) {
	var xs []featurestore.Value // of the rows that take part, without nulls
	for _, r := range rows {
		if f.Input >= 0 && !r.Inputs[f.Input].IsNull() {
			xs = append(xs, r.Inputs[f.Input])
		}
	}
	if f.Call.RespectNulls && (f.Call.Func == "first" || f.Call.Func == "last") {
		xs = xs[:0]
		for _, r := range rows {
			xs = append(xs, r.Inputs[f.Input])
		}
	}
	n := len(xs)
	if f.Input < 0 { // count(), time_since_last()
		n = len(rows)
	}
	if n == 0 {
		return emptyCell(f, featurestore.Empty)
	}
	switch f.Call.Func {
	case "count":
		return present(featurestore.Int64Value(int64(n))), nil
	case "sum":
		return sumCell(f, xs), nil
	case "avg":
		return double(quotient(sum(f, xs), n)), nil
	case "min", "max":
		return present(extreme(f.Call.Func, xs)), nil
	case "first":
		return present(xs[0]), nil
	case "last":
		return present(xs[n-1]), nil
	case "var_pop", "var_samp", "stddev_pop", "stddev_samp":
		return spread(f, xs), nil
	case "count_distinct":
		return countDistinct(f, xs), nil
	case "time_since_last":
		since := int64(t) - int64(rows[n-1].Time)
		return double(big.NewRat(since, 1_000_000)), nil
	}
	return featurestore.Cell{}, fmt.Errorf("%w: %q", ErrUnsupported, f.Call.Func)
}

// empty is the value of a feature to which nothing contributed: counts and sums
// are 0, all else is null. SQL's rule (empty: null) makes sums null and leaves
// counts 0.
func empty(f *window.Feature) (featurestore.Value, error) {
	if f.Kind == window.Latest {
		return featurestore.Null, nil
	}
	switch f.Call.Func {
	case "count", "count_distinct":
		return featurestore.Int64Value(0), nil
	case "sum":
		return zero(f), nil
	case "avg", "min", "max", "first", "last", "var_pop", "var_samp", "stddev_pop", "stddev_samp", "time_since_last":
		return featurestore.Null, nil
	}
	return featurestore.Null, fmt.Errorf("%w: %q", ErrUnsupported, f.Call.Func)
}

func emptyCell(f *window.Feature, status featurestore.Status) (featurestore.Cell, error) {
	v, err := empty(f)
	return featurestore.Cell{Value: v, Status: status}, err
}

func zero(f *window.Feature) featurestore.Value {
	switch {
	case f.EmptyNull:
		return featurestore.Null
	case f.Call.Input.Kind == featurestore.KindInt64:
		return featurestore.Int64Value(0)
	case f.Call.Input.Kind == featurestore.KindDecimal:
		return featurestore.DecimalValue(0)
	}
	return featurestore.DoubleValue(0)
}

// exact is a number as a rational.
func exact(f *window.Feature, x featurestore.Value) *big.Rat {
	switch x.Kind() {
	case featurestore.KindDouble:
		return new(big.Rat).SetFloat64(x.Double())
	case featurestore.KindDecimal:
		return new(big.Rat).SetFrac(big.NewInt(x.Int64()), scale(f))
	default:
		return new(big.Rat).SetInt64(x.Int64())
	}
}

func scale(f *window.Feature) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(f.Call.Input.Scale)), nil)
}

func sum(f *window.Feature, xs []featurestore.Value) *big.Rat {
	total := new(big.Rat)
	for _, x := range xs {
		total.Add(total, exact(f, x))
	}
	return total
}

func quotient(x *big.Rat, n int) *big.Rat {
	return new(big.Rat).Quo(x, big.NewRat(int64(n), 1))
}

// sumCell is the sum in its input's type. A decimal sum has the input's scale
// and as many digits as a decimal may have.
func sumCell(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	total := sum(f, xs)
	switch f.Call.Input.Kind {
	case featurestore.KindInt64:
		if !total.Num().IsInt64() {
			return featurestore.Cell{Status: featurestore.Overflow}
		}
		return present(featurestore.Int64Value(total.Num().Int64()))
	case featurestore.KindDecimal:
		unscaled := total.Mul(total, new(big.Rat).SetInt(scale(f))).Num()
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(featurestore.MaxDecimalPrecision), nil)
		if unscaled.CmpAbs(limit) >= 0 {
			return featurestore.Cell{Status: featurestore.Overflow}
		}
		return present(featurestore.DecimalValue(unscaled.Int64()))
	}
	return double(total)
}

// double rounds an exact value once; beyond the range it is OVERFLOW.
func double(x *big.Rat) featurestore.Cell {
	v, _ := x.Float64()
	if math.IsInf(v, 0) {
		return featurestore.Cell{Status: featurestore.Overflow}
	}
	return present(featurestore.DoubleValue(v))
}

func extreme(which string, xs []featurestore.Value) featurestore.Value {
	best := xs[0]
	for _, x := range xs {
		if c := x.Compare(best); which == "min" && c < 0 || which == "max" && c > 0 {
			best = x
		}
	}
	return best
}

// spread is the variance, sum of squares minus the squared sum over n, exact and
// rounded once, or the square root of that rounded variance. A sample of one
// value has none: null, though an input contributed.
func spread(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	n := len(xs)
	divisor := n
	if f.Call.Func == "var_samp" || f.Call.Func == "stddev_samp" {
		divisor--
	}
	if divisor == 0 {
		return featurestore.Cell{Status: featurestore.Present}
	}
	total, squares := sum(f, xs), new(big.Rat)
	for _, x := range xs {
		v := exact(f, x)
		squares.Add(squares, v.Mul(v, v))
	}
	squares.Sub(squares, quotient(total.Mul(total, total), n))
	cell := double(quotient(squares, divisor))
	if cell.Status == featurestore.Present && (f.Call.Func == "stddev_pop" || f.Call.Func == "stddev_samp") {
		cell.Value = featurestore.DoubleValue(math.Sqrt(cell.Value.Double()))
	}
	return cell
}
