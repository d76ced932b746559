package history

import (
	"fmt"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// buffers hold the rows that wait for a seal, by partition and column, ready to
// be written. There are two of them: one is filled while the other is sealed.
type buffers struct {
	source *definition.StreamSource
	system int // columns before the fields
	fields []definition.Field
	of     map[offline.Partition]*buffer
	rows   int
	bytes  int64
	blocks [][]byte // of the texts; kept for the next fill
	used   int      // blocks that hold texts; the last of them is being filled
}

// buffer is the rows of one partition, ascending by offset.
type buffer struct {
	columns [][]parquet.Value
	times   []featurestore.EventTime
	logs    []featurestore.LogTime
	offsets []int64
}

func (b *buffer) len() int { return len(b.offsets) }

const (
	blockBytes = 256 << 10
	cellBytes  = 24 // of a parquet.Value
)

func newBuffers(source *definition.StreamSource) *buffers {
	return &buffers{source: source, system: archive.SystemColumns(source), fields: source.Fields, of: map[offline.Partition]*buffer{}}
}

func (b *buffers) add(ev *featurestore.Event, late bool) error {
	if len(ev.Fields) != len(b.fields) {
		return fmt.Errorf("the event has %d fields, the source %d", len(ev.Fields), len(b.fields))
	}
	for i, v := range ev.Fields {
		if k := v.Kind(); k != featurestore.KindNull && k != b.fields[i].Type.Kind {
			return fmt.Errorf("field %q: a %s in place of a %s", b.fields[i].Name, k, b.fields[i].Type)
		}
	}
	p := offline.Partition{Generation: ev.Generation, Partition: ev.Partition}
	part := b.of[p]
	if part == nil {
		part = &buffer{columns: make([][]parquet.Value, b.system+len(b.fields))}
		b.of[p] = part
	}
	part.times = append(part.times, ev.Time)
	part.logs = append(part.logs, ev.LogTime)
	part.offsets = append(part.offsets, ev.Offset)
	system := [...]parquet.Value{
		parquet.Int64Value(int64(ev.Time)), parquet.Int64Value(int64(ev.LogTime)),
		parquet.Int32Value(ev.Partition), parquet.Int64Value(ev.Offset), parquet.BooleanValue(late),
		parquet.Int32Value(int32(ev.Change)), parquet.Int64Value(int64(ev.Mutated)),
	}
	for i, v := range system[:b.system] {
		part.columns[i] = append(part.columns[i], v.Level(0, 0, i))
	}
	for i, v := range ev.Fields {
		c := b.system + i
		level := 1
		if v.IsNull() {
			level = 0
		}
		part.columns[c] = append(part.columns[c], b.cell(v, b.fields[i].Type).Level(0, level, c))
	}
	b.rows++
	b.bytes += int64(len(part.columns)) * cellBytes
	return nil
}

// cell is a value in Parquet; its bytes are copied.
func (b *buffers) cell(v featurestore.Value, t featurestore.Type) parquet.Value {
	switch v.Kind() {
	case featurestore.KindList, featurestore.KindMap:
		return parquet.ByteArrayValue(b.copied(string(featurestore.AppendJSON(nil, v, t))))
	case featurestore.KindBool:
		return parquet.BooleanValue(v.Bool())
	case featurestore.KindDouble:
		return parquet.DoubleValue(v.Double())
	case featurestore.KindString, featurestore.KindBytes:
		return parquet.ByteArrayValue(b.copied(v.Str()))
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		return parquet.Int64Value(v.Int64())
	default:
		return parquet.NullValue()
	}
}

// copied puts a text into a block, where it stays until the buffers are reset.
func (b *buffers) copied(s string) []byte {
	b.bytes += int64(len(s))
	if len(s) > blockBytes {
		return []byte(s)
	}
	if b.used == 0 || cap(b.blocks[b.used-1])-len(b.blocks[b.used-1]) < len(s) {
		if b.used == len(b.blocks) {
			b.blocks = append(b.blocks, make([]byte, 0, blockBytes))
		}
		b.used++
	}
	block := &b.blocks[b.used-1]
	start := len(*block)
	*block = append(*block, s...)
	return (*block)[start:len(*block):len(*block)]
}

// reset empties the buffers and keeps their memory.
func (b *buffers) reset() {
	b.rows, b.bytes, b.used = 0, 0, 0
	for i := range b.blocks {
		b.blocks[i] = b.blocks[i][:0]
	}
	for _, part := range b.of {
		for i := range part.columns {
			clear(part.columns[i]) // large texts do not stay
			part.columns[i] = part.columns[i][:0]
		}
		part.times, part.logs, part.offsets = part.times[:0], part.logs[:0], part.offsets[:0]
	}
}
