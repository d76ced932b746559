package agg

import (
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// min and max are the least and the greatest non-null x: false before true,
// numbers and instants by value, text and bytes by their bytes. Of list<double>
// they go element by element (vectorextreme.go).
//
// State: 16 bytes, and the text itself for string and bytes. Error: none.
// Retraction: rebuilt, since the next value is not kept.
//
// The identity of a number's minimum is the greatest number and so needs no
// flag: it is never read, since the group's count says whether anything
// contributed.

var (
	specMin = extreme("min", false)
	specMax = extreme("max", true)
)

func extreme(name string, greater bool) *spec {
	return &spec{
		name: name,
		gate: gateElements,
		check: func(c *Call) (featurestore.Type, error) {
			if isVector(c.Input) {
				return c.Input, nil
			}
			return c.Input, wantScalar(c)
		},
		needs: func(c *Call) []need { return []need{{quantity: extremeOf(c.Input), greatest: greater}} },
		read:  readExtreme,
	}
}

var (
	extremeOfInts    = &quantity{"extreme", newIntExtremes}
	extremeOfDoubles = &quantity{"extreme", newDoubleExtremes}
	extremeOfText    = &quantity{"extreme", newCells[textExtreme]}
)

func extremeOf(t featurestore.Type) *quantity {
	switch t.Kind {
	case featurestore.KindList:
		return extremeOfVectors
	case featurestore.KindDouble:
		return extremeOfDoubles
	case featurestore.KindString, featurestore.KindBytes:
		return extremeOfText
	}
	return extremeOfInts
}

// intExtreme is the extreme of bool, int64, timestamp and decimal.
type intExtreme struct {
	v       int64
	greater bool
	bit     bool // a bool: 0 or 1
}

func (c *intExtreme) reset(p *partial) {
	c.v, c.greater, c.bit = math.MaxInt64, p.greatest, p.in.Kind == featurestore.KindBool
	if c.greater {
		c.v = math.MinInt64
	}
}

func (c *intExtreme) add(_ *Order, x *featurestore.Value) { c.take(x.Int64()) }
func (c *intExtreme) merge(o *intExtreme)                 { c.take(o.v) }

func (c *intExtreme) take(v int64) {
	if c.greater {
		c.v = max(c.v, v)
	} else {
		c.v = min(c.v, v)
	}
}

func (c *intExtreme) append(dst []byte, _ int64) []byte { return pack.AppendInt(dst, c.v) }

func (c *intExtreme) decode(r *pack.Reader, _ int64) {
	c.v = r.Int()
	if c.bit && c.v>>1 != 0 {
		r.Fail(pack.ErrCanonical)
	}
}

// doubleExtreme is the extreme of doubles, none of which is NaN or -0.0.
type doubleExtreme struct {
	v       float64
	greater bool
}

func (c *doubleExtreme) reset(p *partial) {
	c.v, c.greater = math.Inf(1), p.greatest
	if c.greater {
		c.v = math.Inf(-1)
	}
}

func (c *doubleExtreme) add(_ *Order, x *featurestore.Value) { c.take(x.Double()) }
func (c *doubleExtreme) merge(o *doubleExtreme)              { c.take(o.v) }

func (c *doubleExtreme) take(v float64) {
	if c.greater == (v > c.v) && v != c.v {
		c.v = v
	}
}

func (c *doubleExtreme) append(dst []byte, _ int64) []byte { return pack.AppendDouble(dst, c.v) }
func (c *doubleExtreme) decode(r *pack.Reader, _ int64)    { c.v = r.Double() }

// textExtreme is the extreme of strings and bytes.
type textExtreme struct {
	v       []byte
	has     bool
	greater bool
}

func (c *textExtreme) reset(p *partial) { c.v, c.has, c.greater = c.v[:0], false, p.greatest }

func (c *textExtreme) add(_ *Order, x *featurestore.Value) {
	if s := x.Str(); !c.has || c.greater && s > string(c.v) || !c.greater && s < string(c.v) {
		c.v, c.has = append(c.v[:0], s...), true
	}
}

func (c *textExtreme) merge(o *textExtreme) {
	if !o.has {
		return
	}
	if !c.has || c.greater && string(o.v) > string(c.v) || !c.greater && string(o.v) < string(c.v) {
		c.v, c.has = append(c.v[:0], o.v...), true
	}
}

func (c *textExtreme) append(dst []byte, _ int64) []byte { return pack.AppendText(dst, c.v) }

func (c *textExtreme) decode(r *pack.Reader, _ int64) {
	c.v, c.has = append(c.v[:0], r.Text()...), true
}

func readExtreme(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
	switch kind := f.call.Input.Kind; kind {
	case featurestore.KindList:
		return cellOf[vectorExtreme](c, f.partials[0], s).read()
	case featurestore.KindDouble:
		return present(featurestore.DoubleValue(c.doubleExtreme(f.partials[0], s).v))
	case featurestore.KindString:
		return present(featurestore.StringValue(string(cellOf[textExtreme](c, f.partials[0], s).v)))
	case featurestore.KindBytes:
		return present(featurestore.BytesValue(string(cellOf[textExtreme](c, f.partials[0], s).v)))
	default:
		return present(integral(kind, c.intExtreme(f.partials[0], s).v))
	}
}

// integral is the value of a kind that is stored as an integer.
func integral(kind featurestore.Kind, v int64) featurestore.Value {
	switch kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(v != 0)
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(v))
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(v)
	default:
		return featurestore.Int64Value(v)
	}
}
