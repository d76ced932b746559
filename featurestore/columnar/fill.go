package columnar

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// What is read by column is appended by column: first AddRows, then as many times and
// log times, and as many values to each field, and Added at the end.

// AddRows appends the positions of rows of a partition. The source is no change feed.
func (e *Events) AddRows(id featurestore.PartitionID, offsets []int64) {
	if len(e.offsets)+len(offsets) > cap(e.offsets) {
		e.grow(len(offsets))
	}
	if n := len(e.places); len(offsets) > 0 && (n == 0 || e.places[n-1].id != id) {
		e.places = append(e.places, place{len(e.offsets), id})
	}
	e.offsets = append(e.offsets, offsets...)
}

// AddTimes appends event times, in microseconds.
func (e *Events) AddTimes(times []int64) { e.times = appendAs(e.times, times) }

// AddLogTimes appends log times, in microseconds.
func (e *Events) AddLogTimes(times []int64) { e.logs = appendAs(e.logs, times) }

func appendAs[T ~int64](dst []T, values []int64) []T {
	n := len(dst)
	dst = slices.Grow(dst, len(values))[:n+len(values)]
	for i, v := range values {
		dst[n+i] = T(v)
	}
	return dst
}

// Added gives the rows their event ids. It is ErrInvalid where a column has not as
// many values as there are rows.
func (e *Events) Added() error {
	n := len(e.offsets)
	whole := !e.source.Changes() && len(e.times) == n && len(e.logs) == n
	for i := range e.fields {
		whole = whole && len(e.fields[i].valid) == n
	}
	if !whole {
		return featurestore.Invalidf("source %q: its columns have not the same number of rows", e.source.Name)
	}
	if i := e.source.EventID; i >= 0 {
		t := e.source.Fields[i].Type
		for row := len(e.ids.valid); row < n; row++ {
			e.ids.addText(EventID(e.fields[i].value(row), t))
		}
	}
	return nil
}

// EventID is the text of an event id; "" for a null.
func EventID(v featurestore.Value, t featurestore.Type) string {
	switch v.Kind() {
	case featurestore.KindNull:
		return ""
	case featurestore.KindString, featurestore.KindBytes:
		return v.Str()
	default:
		return v.Text(t)
	}
}

// AddNulls appends n values that are missing.
func (c *Column) AddNulls(n int) {
	c.valid = slices.Grow(c.valid, n)
	for range n {
		c.addNull()
	}
}

func (c *Column) addNull() {
	c.valid = append(c.valid, false)
	switch c.form {
	case asBits:
		c.bits = append(c.bits, 0)
	case asText:
		c.ends = append(c.ends, len(c.texts))
	case asValue:
		c.values = append(c.values, featurestore.Null)
	}
}

// AddBits appends values of a scalar, all of them there (featurestore.Value.Bits).
func AddBits[T ~int64 | ~uint64](c *Column, values []T) {
	c.allValid(len(values))
	n := len(c.bits)
	c.bits = slices.Grow(c.bits, len(values))[:n+len(values)]
	for i, v := range values {
		c.bits[n+i] = uint64(v)
	}
}

// AddTexts appends texts that lie one behind the other, all of them there: each ends
// where the next begins, the first begins at starts[0], and the last ends at the last
// of starts.
func (c *Column) AddTexts(texts []byte, starts []uint32) {
	first, last := starts[0], starts[len(starts)-1]
	c.allValid(len(starts) - 1)
	shift := len(c.texts) - int(first)
	c.texts = append(c.texts, texts[first:last]...)
	n := len(c.ends)
	c.ends = slices.Grow(c.ends, len(starts)-1)[:n+len(starts)-1]
	for i, start := range starts[1:] {
		c.ends[n+i] = int(start) + shift
	}
}

// AddText appends a text.
func (c *Column) AddText(text []byte) {
	c.valid = append(c.valid, true)
	c.texts = append(c.texts, text...)
	c.ends = append(c.ends, len(c.texts))
}

func (c *Column) allValid(n int) {
	have := len(c.valid)
	c.valid = slices.Grow(c.valid, n)[:have+n]
	for i := range c.valid[have:] {
		c.valid[have+i] = true
	}
}
