package oracle

import (
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// ErrUnsupported is the error for an aggregate that the oracle does not know.
var ErrUnsupported = errors.New("the oracle does not know this aggregate")

// empty is the value of a feature to which nothing contributed: counts and sums
// are 0, lists and maps are empty, all else is null. SQL's rule (empty: null)
// makes sums null and leaves the rest. A series is a list of such values.
func empty(f *window.Feature) (featurestore.Value, error) {
	if f.Kind == window.Latest {
		return featurestore.Null, nil
	}
	v, err := emptyAggregate(f)
	if err != nil || f.Kind != window.Series {
		return v, err
	}
	var elements []featurestore.Value
	for range f.Count {
		elements = append(elements, v)
	}
	return featurestore.ListValue(elements), nil
}

func emptyAggregate(f *window.Feature) (featurestore.Value, error) {
	var v featurestore.Value
	switch f.Call.Func {
	case "count", "count_null", "count_distinct", "approx_count_distinct":
		v = featurestore.Int64Value(0)
	case "sum":
		v = zero(f)
	case "ewm_sum":
		if !f.EmptyNull {
			v = featurestore.DoubleValue(0)
		}
	case "ewm_count":
		v = featurestore.DoubleValue(0)
	case "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n", "distinct":
		v = featurestore.ListValue(nil)
	case "histogram":
		v = featurestore.MapValue(nil, nil)
	case "avg", "min", "max", "var_pop", "var_samp", "stddev_pop", "stddev_samp", "skew", "kurtosis", "first", "last", "lag",
		"time_since_last", "time_since_first", "min_by", "max_by", "quantile", "median", "approx_quantile", "ewm_avg":
	default:
		return v, fmt.Errorf("%w: %q", ErrUnsupported, f.Call.Func)
	}
	if hasBy(f) {
		return featurestore.MapValue(nil, nil), nil
	}
	return v, nil
}

func emptyCell(f *window.Feature, status featurestore.Status) (featurestore.Cell, error) {
	v, err := empty(f)
	return featurestore.Cell{Value: v, Status: status}, err
}

// zero is the sum of nothing.
func zero(f *window.Feature) featurestore.Value {
	if f.EmptyNull {
		return featurestore.Null
	}
	switch f.Call.Input.Kind {
	case featurestore.KindInt64:
		return featurestore.Int64Value(0)
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(0)
	case featurestore.KindList:
		return featurestore.ListValue(nil)
	default:
		return featurestore.DoubleValue(0)
	}
}
