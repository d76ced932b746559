package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// sum is the exact sum of the non-null x, rounded once where x is a double.
//
// State: 16 bytes for int64 and decimal (128-bit integer), 64 for double
// (superaccumulator, package exact). Error: none; beyond the range of the result
// the status is OVERFLOW. The sum of decimal(p,s) is decimal(18,s).

// intSum sums int64 and the unscaled integers of decimals.
type intSum struct{ sum exact.Int128 }

func (c *intSum) reset(*partial)                      { c.sum = exact.Int128{} }
func (c *intSum) add(_ *Order, x *featurestore.Value) { c.sum.Add(x.Int64()) }
func (c *intSum) merge(o *intSum)                     { c.sum.Merge(o.sum) }
func (c *intSum) append(dst []byte, _ int64) []byte   { return c.sum.Append(dst) }
func (c *intSum) decode(r *pack.Reader, _ int64)      { r.Continue(c.sum.Decode(r.Rest())) }

// doubleSum sums doubles.
type doubleSum struct{ sum exact.Float }

func (c *doubleSum) reset(*partial)                      { c.sum.Reset() }
func (c *doubleSum) add(_ *Order, x *featurestore.Value) { c.sum.Add(x.Double()) }
func (c *doubleSum) merge(o *doubleSum)                  { c.sum.Merge(&o.sum) }
func (c *doubleSum) append(dst []byte, _ int64) []byte   { return c.sum.Append(dst) }
func (c *doubleSum) decode(r *pack.Reader, _ int64)      { r.Continue(c.sum.Decode(r.Rest())) }

// maxDecimal is the greatest unscaled integer of a decimal of 18 digits.
const maxDecimal = 1_000_000_000_000_000_000 - 1

func (f *Finisher) readSum(c *Cells, s Slot) featurestore.Cell {
	if f.input.Kind == featurestore.KindDouble {
		return double(c.doubleSum(f.partials[0], s).Round())
	}
	v, ok := c.intSum(f.partials[0], s).Int64()
	switch {
	case !ok:
		return featurestore.Cell{Status: featurestore.Overflow}
	case f.input.Kind == featurestore.KindInt64:
		return present(featurestore.Int64Value(v))
	case v > maxDecimal || v < -maxDecimal:
		return featurestore.Cell{Status: featurestore.Overflow}
	}
	return present(featurestore.DecimalValue(v))
}

// zero is the sum of nothing.
func zero(t featurestore.Type) featurestore.Value {
	switch t.Kind {
	case featurestore.KindInt64:
		return featurestore.Int64Value(0)
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(0)
	default:
		return featurestore.DoubleValue(0)
	}
}

func (c *Cells) intSum(partial int, s Slot) exact.Int128 {
	return c.cols[partial].(*cells[intSum, *intSum]).at[s].sum
}

func (c *Cells) doubleSum(partial int, s Slot) *exact.Float {
	return &c.cols[partial].(*cells[doubleSum, *doubleSum]).at[s].sum
}
