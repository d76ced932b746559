package history

import (
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// buffers hold the rows that wait for a seal, by partition and column, without a
// pointer a cell. There are two of them: one is filled while the other is sealed.
type buffers struct {
	source *definition.StreamSource
	system int // columns before the fields
	fields []definition.Field
	of     map[offline.Partition]*buffer
	last   offline.Partition // that was added to
	recent *buffer           // its buffer; nil for none
	rows   int
	bytes  int64
}

// buffer is the rows of one partition, ascending by offset.
type buffer struct {
	times   []featurestore.EventTime
	logs    []featurestore.LogTime
	offsets []int64
	late    []bool
	changes []featurestore.Change    // of change feeds
	mutated []featurestore.EventTime // likewise
	fields  []fieldCells
}

// fieldCells are the values of one field: numbers as their bits, or texts one behind
// the other.
type fieldCells struct {
	typ   featurestore.Type
	valid []bool
	bits  []uint64
	texts []byte
	ends  []int // of the texts
}

func (b *buffer) len() int { return len(b.offsets) }

const (
	systemBytes = 25 // of the columns that every row has
	cellBytes   = 9  // of a value without its text
)

func newBuffers(source *definition.StreamSource) *buffers {
	return &buffers{source: source, system: archive.SystemColumns(source), fields: source.Fields, of: map[offline.Partition]*buffer{}}
}

func (b *buffers) partition(p offline.Partition) *buffer {
	if b.recent != nil && b.last == p {
		return b.recent
	}
	part := b.of[p]
	if part == nil {
		part = &buffer{fields: make([]fieldCells, len(b.fields))}
		for i := range part.fields {
			part.fields[i].typ = b.fields[i].Type
		}
		b.of[p] = part
	}
	b.last, b.recent = p, part
	return part
}

func (b *buffers) add(ev *featurestore.Event, late bool) error {
	if len(ev.Fields) != len(b.fields) {
		return fmt.Errorf("the event has %d fields, the source %d", len(ev.Fields), len(b.fields))
	}
	for i := range ev.Fields {
		if k := ev.Fields[i].Kind(); k != featurestore.KindNull && k != b.fields[i].Type.Kind {
			return fmt.Errorf("field %q: a %s in place of a %s", b.fields[i].Name, k, b.fields[i].Type)
		}
	}
	part := b.partition(offline.Partition{Generation: ev.Generation, Partition: ev.Partition})
	texts := 0
	for i := range ev.Fields {
		texts += part.fields[i].add(&ev.Fields[i])
	}
	part.times = append(part.times, ev.Time)
	part.logs = append(part.logs, ev.LogTime)
	part.offsets = append(part.offsets, ev.Offset)
	part.late = append(part.late, late)
	if b.source.Changes() {
		part.changes, part.mutated = append(part.changes, ev.Change), append(part.mutated, ev.Mutated)
	}
	b.rows++
	b.bytes += int64(systemBytes + cellBytes*len(b.fields) + texts)
	return nil
}

// isText reports whether values of a kind are kept as text.
func isText(k featurestore.Kind) bool {
	switch k {
	case featurestore.KindString, featurestore.KindBytes, featurestore.KindList, featurestore.KindMap:
		return true
	}
	return false
}

// add keeps a value, whose text it copies, and gives the length of that.
func (c *fieldCells) add(v *featurestore.Value) (text int) {
	before := len(c.texts)
	switch v.Kind() {
	case featurestore.KindList, featurestore.KindMap:
		c.texts = featurestore.AppendJSON(c.texts, *v, c.typ)
	case featurestore.KindString, featurestore.KindBytes:
		c.texts = append(c.texts, v.Str()...)
	}
	c.valid = append(c.valid, !v.IsNull())
	if isText(c.typ.Kind) {
		c.ends = append(c.ends, len(c.texts))
		return len(c.texts) - before
	}
	bits := uint64(0)
	switch v.Kind() {
	case featurestore.KindBool:
		if v.Bool() {
			bits = 1
		}
	case featurestore.KindDouble:
		bits = math.Float64bits(v.Double())
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		bits = uint64(v.Int64())
	}
	c.bits = append(c.bits, bits)
	return 0
}

// appendValues appends what some rows have in a column; system says how many
// columns stand before the fields.
func (b *buffer) appendValues(dst []parquet.Value, system, column int, rows []int, partition int32) []parquet.Value {
	switch {
	case column >= system:
		return b.fields[column-system].appendValues(dst, column, rows)
	case column == 0:
		return appendInts(dst, column, rows, b.times)
	case column == 1:
		return appendInts(dst, column, rows, b.logs)
	case column == 2:
		for range rows {
			dst = append(dst, parquet.Int32Value(partition).Level(0, 0, column))
		}
	case column == 3:
		return appendInts(dst, column, rows, b.offsets)
	case column == 4:
		for _, row := range rows {
			dst = append(dst, parquet.BooleanValue(b.late[row]).Level(0, 0, column))
		}
	case column == 5:
		for _, row := range rows {
			dst = append(dst, parquet.Int32Value(int32(b.changes[row])).Level(0, 0, column))
		}
	default:
		return appendInts(dst, column, rows, b.mutated)
	}
	return dst
}

func appendInts[T ~int64](dst []parquet.Value, column int, rows []int, values []T) []parquet.Value {
	for _, row := range rows {
		dst = append(dst, parquet.Int64Value(int64(values[row])).Level(0, 0, column))
	}
	return dst
}

// appendValues appends a field's values. Texts are not copied.
func (c *fieldCells) appendValues(dst []parquet.Value, column int, rows []int) []parquet.Value {
	null := parquet.NullValue().Level(0, 0, column)
	value := c.maker()
	for _, row := range rows {
		if !c.valid[row] {
			dst = append(dst, null)
			continue
		}
		dst = append(dst, value(row).Level(0, 1, column))
	}
	return dst
}

// maker makes the Parquet value of a row that has one.
func (c *fieldCells) maker() func(row int) parquet.Value {
	switch c.typ.Kind {
	case featurestore.KindBool:
		return func(row int) parquet.Value { return parquet.BooleanValue(c.bits[row] != 0) }
	case featurestore.KindDouble:
		return func(row int) parquet.Value { return parquet.DoubleValue(math.Float64frombits(c.bits[row])) }
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		return func(row int) parquet.Value { return parquet.Int64Value(int64(c.bits[row])) }
	}
	return func(row int) parquet.Value {
		start := 0
		if row > 0 {
			start = c.ends[row-1]
		}
		return parquet.ByteArrayValue(c.texts[start:c.ends[row]])
	}
}

// reset empties the buffers and keeps their memory.
func (b *buffers) reset() {
	b.rows, b.bytes = 0, 0
	for _, part := range b.of {
		for i := range part.fields {
			c := &part.fields[i]
			c.valid, c.bits, c.texts, c.ends = c.valid[:0], c.bits[:0], c.texts[:0], c.ends[:0]
		}
		part.times, part.logs, part.offsets, part.late = part.times[:0], part.logs[:0], part.offsets[:0], part.late[:0]
		part.changes, part.mutated = part.changes[:0], part.mutated[:0]
	}
}
