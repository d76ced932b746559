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
)

// SystemColumns is how many columns stand before the declared fields.
const SystemColumns = 5

// Schema is the schema of a file: the system columns, all required, then the
// declared fields in their order, all optional. int64 is INT(64), decimal
// DECIMAL over INT64, timestamp TIMESTAMP(micros, UTC), bytes a plain
// BYTE_ARRAY.
func Schema(fields []definition.Field) (*parquet.Schema, error) {
	instant := parquet.Timestamp(parquet.Microsecond)
	columns := []parquet.Field{
		column{instant, ColumnEventTime},
		column{instant, ColumnLogTime},
		column{parquet.Int(32), ColumnPartition},
		column{parquet.Int(64), ColumnOffset},
		column{parquet.Leaf(parquet.BooleanType), ColumnLate},
	}
	for _, f := range fields {
		node := nodeOf(f.Type)
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
		return parquet.Int(64)
	case featurestore.KindDouble:
		return parquet.Leaf(parquet.DoubleType)
	case featurestore.KindString:
		return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	case featurestore.KindBytes:
		return parquet.Leaf(parquet.ByteArrayType)
	case featurestore.KindTimestamp:
		return parquet.Timestamp(parquet.Microsecond)
	case featurestore.KindDecimal:
		return parquet.Decimal(t.Scale, t.Precision, parquet.Int64Type)
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
// the system columns, the offset comes as a field after the declared ones, and a
// field that was declared later is null. needed nil is all.
func RowSpec(fields []definition.Field, needed []int) files.Spec {
	spec := files.Spec{
		Format:    definition.Parquet,
		Time:      definition.TimeSpec{Name: ColumnEventTime, Format: definition.FormatNative},
		Available: &definition.TimeSpec{Name: ColumnLogTime, Format: definition.FormatNative},
		Missing:   files.MissingIsNull,
	}
	spec.Fields = append(append(spec.Fields, fields...), definition.Field{Name: ColumnOffset, Type: featurestore.Int64})
	if needed != nil {
		spec.Needed = append(append([]int{}, needed...), len(fields))
	}
	return spec
}
