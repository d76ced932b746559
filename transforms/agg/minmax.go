package agg

import (
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// min and max are the least and the greatest non-null x: false before true,
// numbers and instants by value, text and bytes by their bytes.
//
// State: 16 bytes, and the text itself for string and bytes. Error: none. The
// identity of a number's minimum is the greatest number and so needs no flag: it
// is never read, since the group's count says whether anything contributed.

// intExtreme is the extreme of bool, int64, timestamp and decimal.
type intExtreme struct {
	v       int64
	greater bool
}

func (c *intExtreme) reset(p *partial) {
	c.v, c.greater = math.MaxInt64, p.what == quantityMax
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
func (c *intExtreme) decode(r *pack.Reader, _ int64)    { c.v = r.Int() }

// doubleExtreme is the extreme of doubles, none of which is NaN or -0.0.
type doubleExtreme struct {
	v       float64
	greater bool
}

func (c *doubleExtreme) reset(p *partial) {
	c.v, c.greater = math.Inf(1), p.what == quantityMax
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

func (c *textExtreme) reset(p *partial) {
	c.v, c.has, c.greater = c.v[:0], false, p.what == quantityMax
}

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

func (f *Finisher) readExtreme(c *Cells, s Slot) featurestore.Cell {
	switch col := c.cols[f.partials[0]].(type) {
	case *cells[doubleExtreme, *doubleExtreme]:
		return present(featurestore.DoubleValue(col.at[s].v))
	case *cells[textExtreme, *textExtreme]:
		if f.input.Kind == featurestore.KindBytes {
			return present(featurestore.BytesValue(string(col.at[s].v)))
		}
		return present(featurestore.StringValue(string(col.at[s].v)))
	case *cells[intExtreme, *intExtreme]:
		return present(integral(f.input.Kind, col.at[s].v))
	}
	return featurestore.Cell{Status: featurestore.StatusError}
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
