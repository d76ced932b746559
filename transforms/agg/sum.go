package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// sum is the exact sum of the non-null x, rounded once where x is a double. Of
// list<double> it goes element by element (vectorsum.go).
//
// State: 16 bytes for int64 and decimal (128-bit integer), 64 for double
// (superaccumulator, package exact). Error: none; beyond the range of the result
// the status is OVERFLOW. The sum of decimal(p,s) is decimal(18,s).
// Retraction: subtracted.

var specSum = &spec{
	name:  "sum",
	gate:  gateElements,
	empty: emptySum,
	check: func(c *Call) (featurestore.Type, error) {
		if c.Input.Kind == featurestore.KindDecimal {
			return featurestore.Decimal(featurestore.MaxDecimalPrecision, c.Input.Scale), nil
		}
		return c.Input, wantSummable(c)
	},
	needs: needSum,
	read:  readSum,
}

var (
	sumOfInts    = &quantity{"sum", newIntSums}
	sumOfDoubles = &quantity{"sum", newDoubleSums}
)

func needSum(c *Call) []need {
	switch {
	case isVector(c.Input):
		return []need{{quantity: sumOfVectors}}
	case c.Input.Kind == featurestore.KindDouble:
		return []need{{quantity: sumOfDoubles}}
	}
	return []need{{quantity: sumOfInts}}
}

// intSum sums int64 and the unscaled integers of decimals.
type intSum struct{ sum exact.Int128 }

func (c *intSum) reset(*partial)                         { c.sum = exact.Int128{} }
func (c *intSum) add(_ *Order, x *featurestore.Value)    { c.sum.Add(x.Int64()) }
func (c *intSum) remove(_ *Order, x *featurestore.Value) { c.sum.Sub(x.Int64()) }
func (c *intSum) isZero() bool                           { return c.sum == exact.Int128{} }
func (c *intSum) merge(o *intSum)                        { c.sum.Merge(o.sum) }
func (c *intSum) append(dst []byte, _ int64) []byte      { return c.sum.Append(dst) }
func (c *intSum) decode(r *pack.Reader, _ int64)         { r.Continue(c.sum.Decode(r.Rest())) }

// doubleSum sums doubles.
type doubleSum struct{ sum exact.Float }

func (c *doubleSum) reset(*partial)                         { c.sum.Reset() }
func (c *doubleSum) add(_ *Order, x *featurestore.Value)    { c.sum.Add(x.Double()) }
func (c *doubleSum) remove(_ *Order, x *featurestore.Value) { c.sum.Sub(x.Double()) }
func (c *doubleSum) isZero() bool                           { return c.sum.IsZero() }
func (c *doubleSum) merge(o *doubleSum)                     { c.sum.Merge(&o.sum) }
func (c *doubleSum) append(dst []byte, _ int64) []byte      { return c.sum.Append(dst) }
func (c *doubleSum) decode(r *pack.Reader, _ int64)         { r.Continue(c.sum.Decode(r.Rest())) }

// maxDecimal is the greatest unscaled integer of a decimal of 18 digits.
const maxDecimal = 1_000_000_000_000_000_000 - 1

func readSum(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
	switch f.call.Input.Kind {
	case featurestore.KindList:
		return cellOf[vectorSum](c, f.partials[0], s).read(false)
	case featurestore.KindDouble:
		return double(c.doubleSum(f.partials[0], s).sum.Round())
	}
	v, ok := c.intSum(f.partials[0], s).sum.Int64()
	switch {
	case !ok:
		return overflow()
	case f.call.Input.Kind == featurestore.KindInt64:
		return present(featurestore.Int64Value(v))
	case v > maxDecimal || v < -maxDecimal:
		return overflow()
	}
	return present(featurestore.DecimalValue(v))
}
