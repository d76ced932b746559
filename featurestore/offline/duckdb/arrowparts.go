//go:build duckdb_arrow

package duckdb

import (
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/frame"
)

// appendComposites appends an array of lists or of maps as values of their own.
func appendComposites(c *frame.Column, a arrow.Array, first int64) error {
	for i := range a.Len() {
		v, err := valueAt(a, i)
		if err != nil {
			return featurestore.Invalidf("column %q, row %d: %w", c.Name, first+int64(i)+1, err)
		}
		c.Any = append(c.Any, v)
	}
	return nil
}

// valueAt copies one value of an array whose type typeOf has a word for. Nothing
// of the array's memory is kept.
func valueAt(a arrow.Array, i int) (featurestore.Value, error) {
	if a.IsNull(i) {
		return featurestore.Null, nil
	}
	switch a := a.(type) {
	case *array.String:
		return featurestore.StringValue(strings.Clone(a.Value(i))), nil
	case *array.LargeString:
		return featurestore.StringValue(strings.Clone(a.Value(i))), nil
	case *array.Binary:
		return featurestore.BytesValue(string(a.Value(i))), nil
	case *array.LargeBinary:
		return featurestore.BytesValue(string(a.Value(i))), nil
	case *array.Float32:
		return featurestore.DoubleValue(float64(a.Value(i))), nil
	case *array.Float64:
		return featurestore.DoubleValue(a.Value(i)), nil
	case *array.Boolean:
		return featurestore.BoolValue(a.Value(i)), nil
	case *array.Timestamp:
		us, err := microseconds(int64(a.Value(i)), a.DataType().(*arrow.TimestampType).Unit)
		return featurestore.TimestampValue(featurestore.Instant(us)), err
	case *array.Uint64:
		if v := a.Value(i); v > math.MaxInt64 {
			return featurestore.Null, fmt.Errorf("%d is out of the range of int64", v)
		}
		return featurestore.Int64Value(int64(a.Value(i))), nil
	case *array.Map: // before the list, which it is made of
		return mapAt(a, i)
	case array.ListLike:
		elems, err := partsAt(a.ListValues(), a, i)
		return featurestore.ListValue(elems), err
	}
	at := fixed(a)
	if at == nil {
		return featurestore.Null, fmt.Errorf("a value of type %s cannot be read", a.DataType())
	}
	switch a.(type) {
	case *array.Decimal128:
		return featurestore.DecimalValue(int64(at(i))), nil
	case *array.Date32:
		return featurestore.TimestampValue(featurestore.Instant(at(i))), nil
	}
	return featurestore.Int64Value(int64(at(i))), nil
}

// partsAt copies the parts of the list or map of row i.
func partsAt(from arrow.Array, list array.ListLike, i int) ([]featurestore.Value, error) {
	lo, hi := list.ValueOffsets(i)
	out := make([]featurestore.Value, 0, hi-lo)
	for k := lo; k < hi; k++ {
		v, err := valueAt(from, int(k))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func mapAt(a *array.Map, i int) (featurestore.Value, error) {
	names, err := partsAt(a.Keys(), a, i)
	if err != nil {
		return featurestore.Null, err
	}
	values, err := partsAt(a.Items(), a, i)
	if err != nil {
		return featurestore.Null, err
	}
	keys := make([]string, len(names))
	for k, name := range names {
		keys[k] = name.Str()
	}
	return featurestore.MapOf(keys, values)
}
