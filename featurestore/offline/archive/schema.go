package archive

import (
	"reflect"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/files"
)

// The columns that every file begins with. No field can have their names: a
// name begins with a letter.
const (
	ColumnEventTime = "_event_time" // TIMESTAMP(micros, UTC)
	ColumnLogTime   = "_log_time"   // TIMESTAMP(micros, UTC)
	ColumnPartition = "_partition"  // INT32
	ColumnOffset    = "_offset"     // INT64
	ColumnLate      = "_late"       // BOOLEAN, by the lateness declared when it was written

	// The files of a change feed have these besides, since version 2. A file of
	// version 1 has neither: its rows are ordinary events.
	ColumnChange  = "_change"  // INT32: a featurestore.Change
	ColumnMutated = "_mutated" // TIMESTAMP(micros, UTC): when the change happened
)

// SystemColumns is how many columns stand before the declared fields.
func SystemColumns(source *definition.StreamSource) int {
	if source.Changes() {
		return 7
	}
	return 5
}

// Version is the version of the files of a source, and of a manifest that lists
// one of them.
func Version(source *definition.StreamSource) int {
	if source.Changes() {
		return 2
	}
	return 1
}

// Schema is the schema of a file: the system columns, all required, then the
// declared fields in their order, all optional. int64 is INT(64), decimal
// DECIMAL over INT64, timestamp TIMESTAMP(micros, UTC), bytes a plain
// BYTE_ARRAY, a list or map the JSON text of featurestore.AppendJSON.
func Schema(source *definition.StreamSource) (*parquet.Schema, error) {
	return SchemaOf(source, make([]bool, len(source.Fields)))
}

// Dictionary reports whether texts of a field's type are written by a dictionary,
// where they repeat.
func Dictionary(t featurestore.Type) bool { return t.Kind == featurestore.KindString }

// SchemaOf is Schema, where plain says of each field whether its texts are written
// one by one, without a dictionary. Readers see no difference.
func SchemaOf(source *definition.StreamSource, plain []bool) (*parquet.Schema, error) {
	// Positions and times nearly ascend: their differences are few bits each.
	instant := parquet.Encoded(parquet.Timestamp(parquet.Microsecond), &parquet.DeltaBinaryPacked)
	offset := parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked)
	columns := []parquet.Field{
		column{instant, ColumnEventTime},
		column{instant, ColumnLogTime},
		column{parquet.Int(32), ColumnPartition},
		column{offset, ColumnOffset},
		column{parquet.Leaf(parquet.BooleanType), ColumnLate},
	}
	if source.Changes() {
		columns = append(columns, column{parquet.Int(32), ColumnChange}, column{instant, ColumnMutated})
	}
	for i, f := range source.Fields {
		node := nodeOf(f.Type)
		if Dictionary(f.Type) && !plain[i] {
			node = parquet.Encoded(node, &parquet.RLEDictionary)
		}
		if node == nil {
			return nil, featurestore.Invalidf("field %q: type %s is not archived in this version: declare only the parts that are needed", f.Name, f.Type)
		}
		columns = append(columns, column{parquet.Optional(node), f.Name})
	}
	return parquet.NewSchema("event", ordered{Group: parquet.Group{}, columns: columns}), nil
}

func nodeOf(t featurestore.Type) parquet.Node {
	switch t.Kind {
	case featurestore.KindBool:
		return parquet.Leaf(parquet.BooleanType)
	case featurestore.KindInt64:
		return parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked) // as many bits as they take, which is less to compress
	case featurestore.KindDouble:
		return parquet.Leaf(parquet.DoubleType)
	case featurestore.KindString:
		return parquet.String()
	case featurestore.KindBytes:
		return parquet.Leaf(parquet.ByteArrayType)
	case featurestore.KindTimestamp:
		return parquet.Timestamp(parquet.Microsecond)
	case featurestore.KindDecimal:
		return parquet.Decimal(t.Scale, t.Precision, parquet.Int64Type)
	case featurestore.KindList, featurestore.KindMap:
		return parquet.JSON() // featurestore.AppendJSON
	default:
		return nil
	}
}

// ordered is a group whose columns keep their declared order (a parquet.Group
// sorts them by name).
type ordered struct {
	parquet.Group
	columns []parquet.Field
}

func (o ordered) Fields() []parquet.Field { return o.columns }

// column is a named node of an ordered group.
type column struct {
	parquet.Node
	name string
}

func (c column) Name() string { return c.name }

// Value finds the column in a row that is a map of names; rows of this package
// are written by column, so that only the library's own tools come here.
func (c column) Value(base reflect.Value) reflect.Value {
	return base.MapIndex(reflect.ValueOf(c.name))
}

// RowSpec is how the reader of files reads archived events: the times stand in
// the system columns, the offset comes as a field after the declared ones (then,
// of a change feed, the change and its time), and a field that was declared later
// is null. needed nil is all.
func RowSpec(source *definition.StreamSource, needed []int) files.Spec {
	fields := source.Fields
	spec := files.Spec{
		Format:    definition.Parquet,
		Time:      definition.TimeSpec{Name: ColumnEventTime, Format: definition.FormatNative},
		Available: &definition.TimeSpec{Name: ColumnLogTime, Format: definition.FormatNative},
		Missing:   files.MissingIsNull,
	}
	spec.Fields = append(append(spec.Fields, fields...), definition.Field{Name: ColumnOffset, Type: featurestore.Int64})
	if source.Changes() {
		spec.Fields = append(spec.Fields, definition.Field{Name: ColumnChange, Type: featurestore.Int64}, definition.Field{Name: ColumnMutated, Type: featurestore.Timestamp})
	}
	if needed != nil {
		spec.Needed = append([]int{}, needed...)
		for i := len(fields); i < len(spec.Fields); i++ {
			spec.Needed = append(spec.Needed, i)
		}
	}
	return spec
}

// Columns is how archived events are read by column: no change feed's. needed nil is
// all.
func Columns(source *definition.StreamSource, needed []int) *files.ColumnSpec {
	return &files.ColumnSpec{Time: ColumnEventTime, Available: ColumnLogTime, Offset: ColumnOffset, Fields: source.Fields, Needed: needed}
}
