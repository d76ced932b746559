//go:build duckdb_arrow

package duckdb

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/frame"
)

// fieldOf gives the frame's field for an Arrow field; a type that Freshet has
// no word for keeps the kind null. native is DuckDB's name of the type.
func fieldOf(f arrow.Field, native string) frame.Field {
	out := frame.Field{Name: f.Name, Native: native}
	switch t := f.Type.(type) {
	case *arrow.BooleanType:
		out.Type = featurestore.Bool
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type, *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type:
		out.Type = featurestore.Int64
	case *arrow.Float32Type, *arrow.Float64Type:
		out.Type = featurestore.Double
	case *arrow.StringType, *arrow.LargeStringType:
		out.Type = featurestore.String
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		out.Type = featurestore.Bytes
	case *arrow.TimestampType:
		out.Type = featurestore.Timestamp
		out.Zoneless = t.TimeZone == ""
	case *arrow.Date32Type:
		out.Type = featurestore.Timestamp
		out.Zoneless = true
	case *arrow.Decimal128Type:
		if t.Precision <= featurestore.MaxDecimalPrecision {
			out.Type = featurestore.Decimal(int(t.Precision), int(t.Scale))
		}
	}
	return out
}

// sqlType is the type of a table's column that holds a field.
func sqlType(t featurestore.Type) (string, error) {
	switch t.Kind {
	case featurestore.KindBool:
		return "BOOLEAN", nil
	case featurestore.KindInt64:
		return "BIGINT", nil
	case featurestore.KindDouble:
		return "DOUBLE", nil
	case featurestore.KindString:
		return "VARCHAR", nil
	case featurestore.KindBytes:
		return "BLOB", nil
	case featurestore.KindTimestamp:
		return "TIMESTAMP WITH TIME ZONE", nil
	case featurestore.KindDecimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale), nil
	}
	return "", featurestore.Invalidf("a column of type %s cannot be written yet", t)
}
