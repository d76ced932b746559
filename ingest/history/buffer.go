package history

import (
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/ingest/columnar"
)

// buffers hold the rows that wait for a seal, by partition and column, without a
// pointer a cell. There are two of them: one is filled while the other is sealed.
type buffers struct {
	source *definition.StreamSource
	most   int // rows of a partition, about
	of     map[offline.Partition]*buffer
	rows   int
	bytes  int64
}

// buffer is the rows of one partition, ascending by offset.
type buffer struct {
	*columnar.Events
	late []bool
}

func newBuffers(source *definition.StreamSource, most int) *buffers {
	return &buffers{source: source, most: most, of: map[offline.Partition]*buffer{}}
}

func (b *buffers) partition(p offline.Partition) *buffer {
	part := b.of[p]
	if part == nil {
		part = &buffer{Events: columnar.NewStored(b.source)}
		part.Expect(b.most)
		b.of[p] = part
	}
	return part
}

// add copies rows of one partition.
func (b *buffers) add(p offline.Partition, events *columnar.Events, from, to int) error {
	part := b.partition(p)
	before := part.Bytes()
	if err := part.AppendRows(events, from, to); err != nil {
		return err
	}
	part.late = slices.Grow(part.late, part.Len()-len(part.late))
	ev := featurestore.Event{}
	times, logs, changes := events.Times(), events.LogTimes(), events.Changes()
	for row := from; row < to; row++ {
		ev.Time, ev.LogTime = times[row], logs[row]
		if len(changes) > 0 {
			ev.Change = changes[row]
		}
		part.late = append(part.late, ev.Late(b.source.AllowedLateness))
	}
	b.rows += to - from
	b.bytes += int64(part.Bytes() - before)
	return nil
}

// appendValues appends what some rows have in a column; system says how many
// columns stand before the fields. Those are required: no value of theirs has a level.
func (b *buffer) appendValues(dst []parquet.Value, system, column int, rows []int, partition int32) []parquet.Value {
	switch {
	case column >= system:
		return appendField(dst, b.Field(column-system), column, rows)
	case column == 0:
		return appendInts(dst, rows, b.Times())
	case column == 1:
		return appendInts(dst, rows, b.LogTimes())
	case column == 2:
		value := parquet.Int32Value(partition)
		for range rows {
			dst = append(dst, value)
		}
	case column == 3:
		return appendInts(dst, rows, b.Offsets())
	case column == 4:
		for _, row := range rows {
			dst = append(dst, parquet.BooleanValue(b.late[row]))
		}
	case column == 5:
		for _, row := range rows {
			dst = append(dst, parquet.Int32Value(int32(b.Changes()[row])))
		}
	default:
		return appendInts(dst, rows, b.Mutated())
	}
	return dst
}

func appendInts[T ~int64](dst []parquet.Value, rows []int, values []T) []parquet.Value {
	for _, row := range rows {
		dst = append(dst, parquet.Int64Value(int64(values[row])))
	}
	return dst
}

// appendField appends a field's values. Texts are not copied.
func appendField(dst []parquet.Value, c *columnar.Column, column int, rows []int) []parquet.Value {
	switch c.Kind() {
	case featurestore.KindBool:
		return appendOptional(dst, c, column, rows, func(row int) parquet.Value { return parquet.BooleanValue(c.Bits(row) != 0) })
	case featurestore.KindDouble:
		return appendOptional(dst, c, column, rows, func(row int) parquet.Value { return parquet.DoubleValue(math.Float64frombits(c.Bits(row))) })
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		return appendOptional(dst, c, column, rows, func(row int) parquet.Value { return parquet.Int64Value(int64(c.Bits(row))) })
	default:
		return appendOptional(dst, c, column, rows, func(row int) parquet.Value { return parquet.ByteArrayValue(c.Text(row)) })
	}
}

// appendOptional appends what a field has, and nulls where it has nothing.
func appendOptional(dst []parquet.Value, c *columnar.Column, column int, rows []int, of func(row int) parquet.Value) []parquet.Value {
	null, valid := parquet.NullValue().Level(0, 0, column), c.Valid()
	for _, row := range rows {
		if valid[row] {
			dst = append(dst, of(row).Level(0, 1, column))
		} else {
			dst = append(dst, null)
		}
	}
	return dst
}

// reset empties the buffers and keeps their memory.
func (b *buffers) reset() {
	b.rows, b.bytes = 0, 0
	for _, part := range b.of {
		part.Reset()
		part.late = part.late[:0]
	}
}
