package agg

import (
	"github.com/freshet/freshet/featurestore"
)

// Finisher turns merged partials into one feature's value. It is immutable.
type Finisher struct {
	function  function
	input     featurestore.Type
	emptyNull bool
	group     int
	partials  []int
}

// Group is the group whose count Read needs.
func (f *Finisher) Group() int { return f.group }

// Partials are the partials that Read needs, besides the group's count.
func (f *Finisher) Partials() []int { return f.partials }

// needs lists the quantities that a function is finished from, in the order in
// which Read finds them in partials.
func needs(f function) []quantity {
	switch f {
	case fnSum, fnAvg:
		return []quantity{quantitySum}
	case fnVarSamp, fnVarPop, fnStddevSamp, fnStddevPop:
		return []quantity{quantitySum, quantitySquares}
	case fnMin:
		return []quantity{quantityMin}
	case fnMax:
		return []quantity{quantityMax}
	case fnFirst:
		return []quantity{quantityFirst}
	case fnLast:
		return []quantity{quantityLast}
	case fnCountDistinct:
		return []quantity{quantityDistinct}
	case fnSinceLast:
		return []quantity{quantityNewest}
	default:
		return nil // count: the group's count is all
	}
}

// Read gives the value of the merged cells in a slot, read at t. Where nothing
// contributed it is Empty(EMPTY).
func (f *Finisher) Read(c *Cells, s Slot, t featurestore.Instant) featurestore.Cell {
	n := c.count(s, f.group)
	if n == 0 {
		return f.Empty(featurestore.Empty)
	}
	switch f.function {
	case fnCount:
		return present(featurestore.Int64Value(n))
	case fnSum:
		return f.readSum(c, s)
	case fnAvg:
		return f.readAvg(c, s, n)
	case fnVarSamp, fnVarPop, fnStddevSamp, fnStddevPop:
		return f.readSpread(c, s, n)
	case fnMin, fnMax:
		return f.readExtreme(c, s)
	case fnFirst, fnLast:
		return f.readOrdered(c, s)
	case fnCountDistinct:
		return f.readDistinct(c, s)
	default:
		return f.readSince(c, s, t)
	}
}

// Empty is the value of a feature to which nothing contributed, under the given
// status: counts are 0, sums are 0 unless SQL's rule is asked for, all else is
// null.
func (f *Finisher) Empty(status featurestore.Status) featurestore.Cell {
	cell := featurestore.Cell{Status: status}
	switch {
	case f.function == fnCount || f.function == fnCountDistinct:
		cell.Value = featurestore.Int64Value(0)
	case f.function == fnSum && !f.emptyNull:
		cell.Value = zero(f.input)
	}
	return cell
}

// present is a value that events gave; a null among them (nulls: respect) is
// EMPTY, as it is for a latest value.
func present(v featurestore.Value) featurestore.Cell {
	if v.IsNull() {
		return featurestore.Cell{Status: featurestore.Empty}
	}
	return featurestore.Cell{Value: v, Status: featurestore.Present}
}

// double is a rounded result; ok is false beyond the range.
func double(v float64, ok bool) featurestore.Cell {
	if !ok {
		return featurestore.Cell{Status: featurestore.Overflow}
	}
	return present(featurestore.DoubleValue(v))
}
