package agg

import (
	"github.com/freshet/freshet/featurestore"
)

// Finisher turns merged partials into one feature's value. It is immutable.
type Finisher struct {
	spec      *spec
	call      Call
	result    featurestore.Type
	emptyNull bool
	group     int
	partials  []int
	inner     *Finisher // by: reads one key's value
	direct    direct
}

// Group is the group whose count Read needs.
func (f *Finisher) Group() int { return f.group }

// Partials are the partials that Read needs, besides the group's count.
func (f *Finisher) Partials() []int { return f.partials }

// Type is the type of the value.
func (f *Finisher) Type() featurestore.Type { return f.result }

// Read gives the value of the merged cells in a slot, read at t, with the first
// of these statuses that applies: OVERFLOW, where the value (or one of its
// elements, which is then null) is beyond the range of its type; EMPTY, where
// nothing contributed or a null among what did is the answer; APPROXIMATE, where
// a cap was reached and the value is not what all events give; PRESENT. An
// aggregate that is an estimate by its definition (approx_*) is PRESENT.
func (f *Finisher) Read(c *Cells, s Slot, t featurestore.Instant) featurestore.Cell {
	n := c.count(s, f.group)
	if n <= 0 {
		return f.Empty(featurestore.Empty)
	}
	if f.inner != nil {
		return f.readBy(c, s, t)
	}
	return f.spec.read(f, c, s, readAt{n: n, t: t})
}

// ReadTo is Read into out, faster where the value is one number (direct).
func (f *Finisher) ReadTo(out *featurestore.Cell, c *Cells, s Slot, t featurestore.Instant) {
	if n := c.count(s, f.group); n <= 0 || !f.direct.read(out, c, s, n) {
		*out = f.Read(c, s, t)
	}
}

// Empty is the value of a feature to which nothing contributed, under the given
// status: counts are 0, sums are 0 (or null, where SQL's rule is asked for),
// lists and maps hold nothing, all else is null.
func (f *Finisher) Empty(status featurestore.Status) featurestore.Cell {
	cell := featurestore.Cell{Status: status}
	switch {
	case f.inner != nil:
		cell.Value = featurestore.MapValue(nil, nil)
	case f.spec.empty == emptyZero, f.spec.empty == emptySum && !f.emptyNull:
		cell.Value = zero(f.result)
	}
	return cell
}

// zero is nothing of a type: the number 0, a list or a map that holds nothing.
func zero(t featurestore.Type) featurestore.Value {
	switch t.Kind {
	case featurestore.KindInt64:
		return featurestore.Int64Value(0)
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(0)
	case featurestore.KindDouble:
		return featurestore.DoubleValue(0)
	case featurestore.KindList:
		return featurestore.ListValue(nil)
	case featurestore.KindMap:
		return featurestore.MapValue(nil, nil)
	}
	return featurestore.Null
}

// present is a value that events gave; a null among them (nulls: respect) is
// EMPTY, as it is for a latest value.
func present(v featurestore.Value) featurestore.Cell {
	status := featurestore.Present
	if v.IsNull() {
		status = featurestore.Empty
	}
	return featurestore.Cell{Value: v, Status: status}
}

// overflow is a value beyond the range of its type.
func overflow() featurestore.Cell { return featurestore.Cell{Status: featurestore.Overflow} }

// undefined is a value that the inputs, though there are some, do not have.
func undefined() featurestore.Cell { return featurestore.Cell{Status: featurestore.Present} }

// capped is a value whose cell has dropped something, or not.
func capped(v featurestore.Value, dropped bool) featurestore.Cell {
	if dropped {
		return featurestore.Cell{Value: v, Status: featurestore.Approximate}
	}
	return featurestore.Cell{Value: v, Status: featurestore.Present}
}

// double is a rounded result; ok is false beyond the range.
func double(v float64, ok bool) featurestore.Cell {
	if !ok {
		return overflow()
	}
	return present(featurestore.DoubleValue(v))
}
