package agg

import "fmt"

// function is an aggregate that runs.
type function uint8

const (
	fnCount function = iota + 1
	fnSum
	fnAvg
	fnMin
	fnMax
	fnFirst
	fnLast
	fnVarSamp
	fnVarPop
	fnStddevSamp
	fnStddevPop
	fnCountDistinct
	fnSinceLast
)

// lookup gives the function of a name of the definition language.
func lookup(name string) (function, error) {
	switch name {
	case "count":
		return fnCount, nil
	case "sum":
		return fnSum, nil
	case "avg":
		return fnAvg, nil
	case "min":
		return fnMin, nil
	case "max":
		return fnMax, nil
	case "first":
		return fnFirst, nil
	case "last":
		return fnLast, nil
	case "var_samp":
		return fnVarSamp, nil
	case "var_pop":
		return fnVarPop, nil
	case "stddev_samp":
		return fnStddevSamp, nil
	case "stddev_pop":
		return fnStddevPop, nil
	case "count_distinct":
		return fnCountDistinct, nil
	case "time_since_last":
		return fnSinceLast, nil
	case "count_null", "skew", "kurtosis", "first_n", "last_n", "last_distinct_n", "lag", "time_since_first",
		"min_by", "max_by", "top_n", "bottom_n", "approx_count_distinct", "distinct", "quantile", "approx_quantile",
		"median", "histogram", "ewm_sum", "ewm_count", "ewm_avg":
		return 0, fmt.Errorf("aggregate %q is %w", name, ErrUnsupported)
	}
	return 0, fmt.Errorf("unknown aggregate %q", name)
}
