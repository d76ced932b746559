package agg

import (
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// var_pop is (n*S2 - S1^2) / n^2 of the exact sum S1 and the exact sum of squares
// S2, rounded once to the nearest double; var_samp divides by n*(n-1) and is null
// for a single value (an input contributed, so the status is PRESENT). stddev_*
// is the square root of that rounded variance.
//
// State: that of sum and 64 bytes for the squares, which may lie beyond the range
// of double. Error: half a unit in the last place for a variance. OVERFLOW beyond
// the range of double. Retraction: subtracted.

var (
	specVarPop     = spread("var_pop", 0, false)
	specVarSamp    = spread("var_samp", 1, false)
	specStddevPop  = spread("stddev_pop", 0, true)
	specStddevSamp = spread("stddev_samp", 1, true)
)

// spread is a variance of n values that divides by n - less, or its square root.
func spread(name string, less int64, root bool) *spec {
	return &spec{
		name:  name,
		gate:  gateValue,
		check: giving(wantNumeric, featurestore.Double),
		needs: func(c *Call) []need { return append(needSum(c), needSquares(c)) },
		read: func(f *Finisher, c *Cells, s Slot, at readAt) featurestore.Cell {
			if at.n == less {
				return undefined()
			}
			v, ok := f.variance(c, s, at.n, at.n-less)
			if root {
				v = math.Sqrt(v)
			}
			return double(v, ok)
		},
	}
}

var (
	squaresOfInts    = &quantity{"sum of squares", newCells[intSquares]}
	squaresOfDoubles = &quantity{"sum of squares", newCells[doubleSquares]}
)

func needSquares(c *Call) need {
	if c.Input.Kind == featurestore.KindDouble {
		return need{quantity: squaresOfDoubles}
	}
	return need{quantity: squaresOfInts}
}

// intSquares sums the squares of integers.
type intSquares struct{ sum exact.Float }

func (c *intSquares) reset(*partial)                         { c.sum.Reset() }
func (c *intSquares) add(_ *Order, x *featurestore.Value)    { c.sum.AddSquareInt(x.Int64()) }
func (c *intSquares) remove(_ *Order, x *featurestore.Value) { c.sum.SubSquareInt(x.Int64()) }
func (c *intSquares) isZero() bool                           { return c.sum.IsZero() }
func (c *intSquares) merge(o *intSquares)                    { c.sum.Merge(&o.sum) }
func (c *intSquares) append(dst []byte, _ int64) []byte      { return c.sum.Append(dst) }
func (c *intSquares) decode(r *pack.Reader, _ int64)         { r.Continue(c.sum.Decode(r.Rest())) }

// doubleSquares sums the squares of doubles.
type doubleSquares struct{ sum exact.Float }

func (c *doubleSquares) reset(*partial)                         { c.sum.Reset() }
func (c *doubleSquares) add(_ *Order, x *featurestore.Value)    { c.sum.AddSquare(x.Double()) }
func (c *doubleSquares) remove(_ *Order, x *featurestore.Value) { c.sum.SubSquare(x.Double()) }
func (c *doubleSquares) isZero() bool                           { return c.sum.IsZero() }
func (c *doubleSquares) merge(o *doubleSquares)                 { c.sum.Merge(&o.sum) }
func (c *doubleSquares) append(dst []byte, _ int64) []byte      { return c.sum.Append(dst) }
func (c *doubleSquares) decode(r *pack.Reader, _ int64)         { r.Continue(c.sum.Decode(r.Rest())) }

// variance is the sum of squared deviations of n values divided by m.
func (f *Finisher) variance(c *Cells, s Slot, n, m int64) (v float64, ok bool) {
	if f.call.Input.Kind == featurestore.KindDouble {
		sum, squares := c.doubleSum(f.partials[0], s), cellOf[doubleSquares](c, f.partials[1], s)
		return exact.Variance(n, m, &sum.sum, &squares.sum)
	}
	sum, squares := c.intSum(f.partials[0], s), cellOf[intSquares](c, f.partials[1], s)
	return exact.VarianceInt(n, m, unit(f.call.Input), sum.sum, &squares.sum)
}
