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
	out.Type, out.Zoneless = typeOf(f.Type)
	return out
}

// typeOf is the type of an Arrow column; zoneless says that its timestamps, or
// those within it, have no zone.
func typeOf(of arrow.DataType) (t featurestore.Type, zoneless bool) {
	switch of := of.(type) {
	case *arrow.BooleanType:
		return featurestore.Bool, false
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type, *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type:
		return featurestore.Int64, false
	case *arrow.Float32Type, *arrow.Float64Type:
		return featurestore.Double, false
	case *arrow.StringType, *arrow.LargeStringType:
		return featurestore.String, false
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		return featurestore.Bytes, false
	case *arrow.TimestampType:
		return featurestore.Timestamp, of.TimeZone == ""
	case *arrow.Date32Type:
		return featurestore.Timestamp, true
	case *arrow.Decimal128Type:
		if of.Precision <= featurestore.MaxDecimalPrecision {
			return featurestore.Decimal(int(of.Precision), int(of.Scale)), false
		}
	case *arrow.ListType:
		return partsOf(of.Elem(), featurestore.List)
	case *arrow.LargeListType:
		return partsOf(of.Elem(), featurestore.List)
	case *arrow.FixedSizeListType:
		return partsOf(of.Elem(), featurestore.List)
	case *arrow.MapType:
		if key, _ := typeOf(of.KeyType()); key.Kind == featurestore.KindString {
			return partsOf(of.ItemType(), featurestore.Map)
		}
	}
	return featurestore.Type{}, false
}

func partsOf(of arrow.DataType, whole func(featurestore.Type) featurestore.Type) (t featurestore.Type, zoneless bool) {
	elem, zoneless := typeOf(of)
	if elem.Kind == featurestore.KindNull {
		return featurestore.Type{}, false
	}
	return whole(elem), zoneless
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
	case featurestore.KindList:
		elem, err := sqlType(*t.Elem)
		return elem + "[]", err
	case featurestore.KindMap:
		elem, err := sqlType(*t.Elem)
		return "MAP(VARCHAR, " + elem + ")", err
	}
	return "", featurestore.Invalidf("a column of type %s cannot be written yet", t)
}
