package columnar

import (
	"slices"
	"unsafe"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// form is how the values of a column are kept.
type form uint8

const (
	asBits  form = iota // of scalars
	asText              // one behind the other
	asValue             // lists and maps, with memory of their own
)

func formOf(k featurestore.Kind) form {
	switch k {
	case featurestore.KindString, featurestore.KindBytes:
		return asText
	case featurestore.KindList, featurestore.KindMap:
		return asValue
	}
	return asBits
}

// Column is the values of one field, a row each.
type Column struct {
	typ    featurestore.Type
	form   form
	valid  []bool
	bits   []uint64
	texts  []byte
	ends   []int // where each row's text ends
	values []featurestore.Value
}

// Kind is of the values.
func (c *Column) Kind() featurestore.Kind { return c.typ.Kind }

// Valid says of each row whether it has a value.
func (c *Column) Valid() []bool { return c.valid }

// Bits are a row's (featurestore.Value.Bits).
func (c *Column) Bits(row int) uint64 { return c.bits[row] }

// Text is a row's text, or JSON where NewStored keeps it so. It is not copied.
func (c *Column) Text(row int) []byte {
	start := 0
	if row > 0 {
		start = c.ends[row-1]
	}
	return c.texts[start:c.ends[row]]
}

// BitsOf are those of the rows [from, to). They must not be changed.
func (c *Column) BitsOf(from, to int) []uint64 { return c.bits[from:to] }

// TextsOf are the texts of the rows [from, to), one behind the other, and where each
// ends, counted from start before the first. They must not be changed.
func (c *Column) TextsOf(from, to int) (texts []byte, ends []int, start int) {
	if from > 0 {
		start = c.ends[from-1]
	}
	end := start
	if from < to {
		end = c.ends[to-1]
	}
	return c.texts[start:end], c.ends[from:to], start
}

func (c *Column) text(row int) string {
	b := c.Text(row)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (c *Column) bytes() int {
	return len(c.valid) + 8*len(c.bits) + len(c.texts) + 8*len(c.ends) + valueBytes*len(c.values)
}

// valueBytes is what a list or map takes, about.
const valueBytes = 128

// add copies a value behind the others.
func (c *Column) add(v *featurestore.Value) {
	switch c.form {
	case asBits:
		c.valid = append(c.valid, !v.IsNull())
		c.bits = append(c.bits, v.Bits())
	case asText:
		c.valid = append(c.valid, !v.IsNull())
		c.texts = append(c.texts, v.Str()...)
		c.ends = append(c.ends, len(c.texts))
	case asValue:
		c.valid = append(c.valid, !v.IsNull())
		c.values = append(c.values, pack.CloneValue(*v))
	}
}

func (c *Column) addText(s string) {
	c.valid = append(c.valid, true)
	c.texts = append(c.texts, s...)
	c.ends = append(c.ends, len(c.texts))
}

// value is a row's value. Text in it is not copied.
func (c *Column) value(row int) featurestore.Value {
	if !c.valid[row] {
		return featurestore.Null
	}
	switch c.form {
	case asBits:
		return featurestore.ScalarValue(c.typ.Kind, c.bits[row])
	case asValue:
		return c.values[row]
	}
	if c.typ.Kind == featurestore.KindBytes {
		return featurestore.BytesValue(c.text(row))
	}
	return featurestore.StringValue(c.text(row))
}

// addRows copies rows of a column of the same type behind the others.
func (c *Column) addRows(of *Column, from, to int) {
	c.valid = append(c.valid, of.valid[from:to]...)
	switch {
	case c.form == asBits:
		c.bits = append(c.bits, of.bits[from:to]...)
	case c.form == asValue:
		c.values = append(c.values, of.values[from:to]...)
	case of.form == asValue:
		for row := from; row < to; row++ {
			if of.valid[row] {
				c.texts = featurestore.AppendJSON(c.texts, of.values[row], c.typ)
			}
			c.ends = append(c.ends, len(c.texts))
		}
	default:
		start := 0
		if from > 0 {
			start = of.ends[from-1]
		}
		shift := len(c.texts) - start
		c.texts = append(c.texts, of.texts[start:of.ends[to-1]]...)
		for _, end := range of.ends[from:to] {
			c.ends = append(c.ends, end+shift)
		}
	}
}

// grow makes room for more rows where there are have of them.
func (c *Column) grow(have, more int) {
	c.valid = slices.Grow(c.valid, more)
	switch c.form {
	case asBits:
		c.bits = slices.Grow(c.bits, more)
	case asText:
		c.ends = slices.Grow(c.ends, more)
		if have > 0 { // as long as those that are there, and a little more
			c.texts = slices.Grow(c.texts, (len(c.texts)/have+1)*more)
		}
	case asValue:
		c.values = slices.Grow(c.values, more)
	}
}

func (c *Column) reset() {
	clear(c.values)
	c.valid, c.bits, c.texts, c.ends, c.values = c.valid[:0], c.bits[:0], c.texts[:0], c.ends[:0], c.values[:0]
}
