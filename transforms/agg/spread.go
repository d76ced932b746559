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
// the range of double.

// intSquares sums the squares of integers.
type intSquares struct{ sum exact.Float }

func (c *intSquares) reset(*partial)                      { c.sum.Reset() }
func (c *intSquares) add(_ *Order, x *featurestore.Value) { c.sum.AddSquareInt(x.Int64()) }
func (c *intSquares) merge(o *intSquares)                 { c.sum.Merge(&o.sum) }
func (c *intSquares) append(dst []byte, _ int64) []byte   { return c.sum.Append(dst) }
func (c *intSquares) decode(r *pack.Reader, _ int64)      { r.Continue(c.sum.Decode(r.Rest())) }

// doubleSquares sums the squares of doubles.
type doubleSquares struct{ sum exact.Float }

func (c *doubleSquares) reset(*partial)                      { c.sum.Reset() }
func (c *doubleSquares) add(_ *Order, x *featurestore.Value) { c.sum.AddSquare(x.Double()) }
func (c *doubleSquares) merge(o *doubleSquares)              { c.sum.Merge(&o.sum) }
func (c *doubleSquares) append(dst []byte, _ int64) []byte   { return c.sum.Append(dst) }
func (c *doubleSquares) decode(r *pack.Reader, _ int64)      { r.Continue(c.sum.Decode(r.Rest())) }

func (f *Finisher) readSpread(c *Cells, s Slot, n int64) featurestore.Cell {
	m := n
	if f.function == fnVarSamp || f.function == fnStddevSamp {
		m--
	}
	if m == 0 {
		return featurestore.Cell{Status: featurestore.Present}
	}
	var v float64
	var ok bool
	if f.input.Kind == featurestore.KindDouble {
		squares := &c.cols[f.partials[1]].(*cells[doubleSquares, *doubleSquares]).at[s].sum
		v, ok = exact.Variance(n, m, c.doubleSum(f.partials[0], s), squares)
	} else {
		squares := &c.cols[f.partials[1]].(*cells[intSquares, *intSquares]).at[s].sum
		v, ok = exact.VarianceInt(n, m, unit(f.input), c.intSum(f.partials[0], s), squares)
	}
	if f.function == fnStddevSamp || f.function == fnStddevPop {
		v = math.Sqrt(v)
	}
	return double(v, ok)
}
