package predictions

import (
	"reflect"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
)

// schemaOf is the Parquet schema of columns: required ones and optional ones, in
// their order. int64 is INT(64), decimal DECIMAL over INT64, timestamp
// TIMESTAMP(micros, UTC), bytes a plain BYTE_ARRAY.
func schemaOf(columns []column) *parquet.Schema {
	fields := make([]parquet.Field, len(columns))
	for i := range columns {
		node := nodeOf(&columns[i])
		if !columns[i].required {
			node = parquet.Optional(node)
		}
		fields[i] = field{node, columns[i].name}
	}
	return parquet.NewSchema("prediction", ordered{Group: parquet.Group{}, fields: fields})
}

func nodeOf(c *column) parquet.Node {
	switch c.typ.Kind {
	case featurestore.KindBool:
		return parquet.Leaf(parquet.BooleanType)
	case featurestore.KindInt64:
		return parquet.Int(64)
	case featurestore.KindDouble:
		return parquet.Leaf(parquet.DoubleType)
	case featurestore.KindBytes:
		return parquet.Leaf(parquet.ByteArrayType)
	case featurestore.KindTimestamp:
		return parquet.Timestamp(parquet.Microsecond)
	case featurestore.KindDecimal:
		return parquet.Decimal(c.typ.Scale, c.typ.Precision, parquet.Int64Type)
	default: // text
		if c.name == columnRequest { // no two are the same
			return parquet.String()
		}
		return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	}
}

// ordered is a group whose columns keep their order (a parquet.Group sorts them
// by name).
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

func (o ordered) Fields() []parquet.Field { return o.fields }

// field is a named node of an ordered group.
type field struct {
	parquet.Node
	name string
}

func (f field) Name() string { return f.name }

// Value finds the column in a row that is a map of names; rows of this package
// are written by column, so that only the library's own tools come here.
func (f field) Value(base reflect.Value) reflect.Value {
	return base.MapIndex(reflect.ValueOf(f.name))
}
