package oracle

import (
	"fmt"
	"math/big"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// maxVector is how many elements a list<double> may have; a longer one counts
// as null.
const maxVector = 4096

// aggregate computes a feature over the rows of its window, which are in the
// total order.
func (k *knowledge) aggregate(f *window.Feature, rows []*event) (featurestore.Cell, error) {
	var contributing []*event
	for _, x := range rows {
		if contributes(f, x) {
			contributing = append(contributing, x)
		}
	}
	if len(contributing) == 0 {
		v, err := emptyAggregate(f)
		return featurestore.Cell{Value: v, Status: featurestore.Empty}, err
	}
	if hasBy(f) {
		return k.byKey(f, contributing)
	}
	return k.compute(f, contributing)
}

func hasBy(f *window.Feature) bool { return f.Call.By.Kind != featurestore.KindNull }

func hasSecond(f *window.Feature) bool { return f.Call.Second.Kind != featurestore.KindNull }

// isVector reports whether the aggregate goes through lists element by element.
func isVector(f *window.Feature) bool {
	switch f.Call.Func {
	case "sum", "avg", "min", "max":
		return f.Call.Input.Kind == featurestore.KindList
	}
	return false
}

// contributes reports whether an event gives the feature an input.
func contributes(f *window.Feature, x *event) bool {
	if hasBy(f) && x.Inputs[f.By].IsNull() || hasSecond(f) && x.Inputs[f.Second].IsNull() {
		return false
	}
	if f.Input < 0 { // count(), time_since_last(), ewm_count()
		return true
	}
	in := x.Inputs[f.Input]
	switch {
	case f.Call.Func == "count_null":
		return in.IsNull()
	case f.Call.RespectNulls:
		return true
	case isVector(f) && len(in.Elems()) > maxVector:
		return false
	}
	return !in.IsNull()
}

// compute gives the value of one or more contributing events.
func (k *knowledge) compute(f *window.Feature, rows []*event) (featurestore.Cell, error) {
	var xs []featurestore.Value
	if f.Input >= 0 {
		for _, x := range rows {
			xs = append(xs, x.Inputs[f.Input])
		}
	}
	if isVector(f) {
		return vector(f, xs), nil
	}
	n := len(rows)
	switch f.Call.Func {
	case "count", "count_null":
		return present(featurestore.Int64Value(int64(n))), nil
	case "sum", "avg", "min", "max":
		return simple(f, xs), nil
	case "var_pop", "var_samp", "stddev_pop", "stddev_samp":
		return spread(f, xs), nil
	case "skew", "kurtosis":
		return shape(f, xs), nil
	case "first", "last", "lag", "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n":
		return ordered(f, xs), nil
	case "min_by", "max_by":
		return present(extremeBy(f, rows)), nil
	case "time_since_last":
		return double(seconds(k.at, rows[n-1])), nil
	case "time_since_first":
		return double(seconds(k.at, rows[0])), nil
	case "count_distinct":
		return countDistinct(f, xs), nil
	case "approx_count_distinct":
		return present(featurestore.Int64Value(hyperLogLog(xs))), nil
	case "distinct":
		return distinct(f, xs), nil
	case "histogram":
		return histogram(f, xs), nil
	case "quantile", "median", "approx_quantile":
		return quantile(f, xs), nil
	case "ewm_sum", "ewm_count", "ewm_avg":
		return k.decayed(f, rows), nil
	}
	return featurestore.Cell{}, fmt.Errorf("%w: %q", ErrUnsupported, f.Call.Func)
}

// seconds are from an event to the read time.
func seconds(t featurestore.Instant, x *event) *big.Rat {
	return big.NewRat(int64(t)-int64(x.Time), 1_000_000)
}
