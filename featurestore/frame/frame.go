// Package frame holds typed columns of rows in memory: what crosses between the
// parts that compute in Go and the engine that scans, sorts and writes files. It
// owns the shape and the casts into declared types; it does no I/O, knows no SQL
// and no file format.
package frame

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// Field names a column and its type. A type without kind (KindNull) is one that
// Freshet has no word for: such a column can pass through, but not be read.
type Field struct {
	Name   string
	Type   featurestore.Type
	Native string // the engine's name of the type, for messages

	// Zoneless says that a timestamp has no zone: its values are wall times,
	// written as if they were UTC.
	Zoneless bool

	// Text says that the values are the characters of a file without types
	// (CSV), which may be parsed as any type.
	Text bool
}

// File is a file of rows.
type File struct {
	Path   string // within what the engine may touch
	Name   string // what errors, manifests and the order of rows call it
	Format definition.FileFormat
}

// Column is one column of a frame. Fixed-width values stand in one array of 64
// bits (bool, int64, double by its bits, timestamp in microseconds, decimal
// unscaled), text and bytes in another; lists and maps stand as values.
type Column struct {
	Field
	Null []bool
	Bits []uint64
	Text []string
	Any  []featurestore.Value
}

// Frame is columns of equal length.
type Frame struct {
	Columns []Column
}

// New is an empty frame.
func New(fields []Field) *Frame {
	f := &Frame{Columns: make([]Column, len(fields))}
	for i := range fields {
		f.Columns[i].Field = fields[i]
	}
	return f
}

// Len is the number of rows.
func (f *Frame) Len() int {
	if len(f.Columns) == 0 {
		return 0
	}
	return f.Columns[0].Len()
}

// Reset empties the frame and keeps its memory.
func (f *Frame) Reset() {
	for i := range f.Columns {
		c := &f.Columns[i]
		c.Null, c.Bits, c.Text, c.Any = c.Null[:0], c.Bits[:0], c.Text[:0], c.Any[:0]
	}
}

// Fields are the fields of the frame's columns.
func (f *Frame) Fields() []Field {
	out := make([]Field, len(f.Columns))
	for i := range f.Columns {
		out[i] = f.Columns[i].Field
	}
	return out
}

// Column gives a column by its exact name, or nil.
func (f *Frame) Column(name string) *Column {
	for i := range f.Columns {
		if f.Columns[i].Name == name {
			return &f.Columns[i]
		}
	}
	return nil
}

// Row writes the values of one row into out, whose length is the number of
// columns.
func (f *Frame) Row(i int, out []featurestore.Value) {
	for c := range f.Columns {
		out[c] = f.Columns[c].Value(i)
	}
}

// AppendRow appends one row; a value's kind is its column's, or null.
func (f *Frame) AppendRow(row []featurestore.Value) {
	for c := range f.Columns {
		f.Columns[c].Append(row[c])
	}
}

// AppendFrame appends the rows of a frame of the same fields.
func (f *Frame) AppendFrame(o *Frame) {
	for i := range f.Columns {
		c, d := &f.Columns[i], &o.Columns[i]
		c.Null = append(c.Null, d.Null...)
		c.Bits = append(c.Bits, d.Bits...)
		c.Text = append(c.Text, d.Text...)
		c.Any = append(c.Any, d.Any...)
	}
}

// Len is the number of values.
func (c *Column) Len() int { return len(c.Null) }

// Value is the value of row i.
func (c *Column) Value(i int) featurestore.Value {
	if c.Null[i] {
		return featurestore.Null
	}
	switch c.Type.Kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(c.Bits[i] != 0)
	case featurestore.KindInt64:
		return featurestore.Int64Value(int64(c.Bits[i]))
	case featurestore.KindDouble:
		return featurestore.DoubleValue(floatOf(c.Bits[i]))
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(c.Bits[i]))
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(int64(c.Bits[i]))
	case featurestore.KindString:
		return featurestore.StringValue(c.Text[i])
	case featurestore.KindBytes:
		return featurestore.BytesValue(c.Text[i])
	default:
		return c.Any[i]
	}
}

// Append appends one value, whose kind is the column's or null.
func (c *Column) Append(v featurestore.Value) {
	c.Null = append(c.Null, v.IsNull())
	switch c.Type.Kind {
	case featurestore.KindString, featurestore.KindBytes:
		c.Text = append(c.Text, v.Str())
	case featurestore.KindBool, featurestore.KindInt64, featurestore.KindDouble, featurestore.KindTimestamp, featurestore.KindDecimal:
		c.Bits = append(c.Bits, bitsOf(v))
	default:
		c.Any = append(c.Any, v)
	}
}

// AppendInt appends an integer to a column of int64, or of timestamps.
func (c *Column) AppendInt(n int64) {
	c.Null = append(c.Null, false)
	c.Bits = append(c.Bits, uint64(n))
}

// Int is the integer of row i of a column of int64 or of timestamps.
func (c *Column) Int(i int) int64 { return int64(c.Bits[i]) }

// Slice is a view of rows lo to hi; it shares the frame's memory.
func (f *Frame) Slice(lo, hi int) *Frame {
	out := &Frame{Columns: make([]Column, len(f.Columns))}
	for i := range f.Columns {
		c := &f.Columns[i]
		s := Column{Field: c.Field, Null: c.Null[lo:hi]}
		if c.Bits != nil {
			s.Bits = c.Bits[lo:hi]
		}
		if c.Text != nil {
			s.Text = c.Text[lo:hi]
		}
		if c.Any != nil {
			s.Any = c.Any[lo:hi]
		}
		out.Columns[i] = s
	}
	return out
}

// Resize makes the column n values long; new values are null.
func (c *Column) Resize(n int) {
	c.Null = make([]bool, n)
	for i := range c.Null {
		c.Null[i] = true
	}
	switch c.Type.Kind {
	case featurestore.KindString, featurestore.KindBytes:
		c.Text = make([]string, n)
	case featurestore.KindBool, featurestore.KindInt64, featurestore.KindDouble, featurestore.KindTimestamp, featurestore.KindDecimal:
		c.Bits = make([]uint64, n)
	default:
		c.Any = make([]featurestore.Value, n)
	}
}

// Set replaces the value of row i; its kind is the column's or null.
func (c *Column) Set(i int, v featurestore.Value) {
	c.Null[i] = v.IsNull()
	switch {
	case c.Text != nil:
		c.Text[i] = v.Str()
	case c.Bits != nil:
		c.Bits[i] = bitsOf(v)
	default:
		c.Any[i] = v
	}
}
