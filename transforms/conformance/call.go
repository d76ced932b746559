package conformance

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// signatures are the arguments of each aggregate: x and y columns, n a count, m
// a cap, p a share, h a half-life; ? may be left out. The test of coverage wants
// vectors for each.
var signatures = map[string]string{
	"count": "x?", "count_null": "x", "sum": "x", "avg": "x", "min": "x", "max": "x",
	"var_pop": "x", "var_samp": "x", "stddev_pop": "x", "stddev_samp": "x", "skew": "x", "kurtosis": "x",
	"first": "x", "last": "x", "first_n": "xn", "last_n": "xn", "last_distinct_n": "xn", "lag": "xn",
	"time_since_last": "", "time_since_first": "", "min_by": "xy", "max_by": "xy", "top_n": "xn", "bottom_n": "xn",
	"count_distinct": "xm?", "approx_count_distinct": "x", "distinct": "xm", "histogram": "xm",
	"quantile": "xp", "approx_quantile": "xp", "median": "x",
	"ewm_sum": "xh", "ewm_count": "h", "ewm_avg": "xh",
}

// call reads "count", "sum(v)", "min_by(x, y)", "count_distinct(v, max: 10)" into
// the feature.
func (c *Case) call(text string, f *window.Feature) error {
	name, rest, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	shape, ok := signatures[name]
	if !ok {
		return fmt.Errorf("unknown aggregate %q", name)
	}
	f.Call.Func = name
	var args []string
	if rest != "" {
		args = strings.Split(rest, ",")
	}
	for i := 0; i < len(shape); i++ {
		optional := i+1 < len(shape) && shape[i+1] == '?'
		if len(args) == 0 && !optional {
			return fmt.Errorf("aggregate %q: an argument is missing", text)
		}
		if len(args) > 0 {
			if err := c.argument(shape[i], strings.TrimSpace(args[0]), f); err != nil {
				return fmt.Errorf("aggregate %q: %w", text, err)
			}
			args = args[1:]
		}
		if optional {
			i++
		}
	}
	if len(args) > 0 {
		return fmt.Errorf("aggregate %q: it has more arguments than %s takes", text, name)
	}
	return nil
}

// argument reads one argument of a call.
func (c *Case) argument(what byte, text string, f *window.Feature) (err error) {
	switch what {
	case 'x':
		f.Input, f.Call.Input, err = c.column(text)
	case 'y':
		f.Second, f.Call.Second, err = c.column(text)
	case 'n':
		f.Call.N, err = strconv.ParseInt(text, 10, 64)
	case 'm':
		f.Call.Max, err = strconv.ParseInt(strings.TrimSpace(strings.TrimPrefix(text, "max:")), 10, 64)
	case 'p':
		f.Call.Share, err = agg.ParseShare(text)
	case 'h':
		f.Call.HalfLife, err = featurestore.ParseDuration(text)
	}
	return err
}

// resultType is the type of an aggregate's value, as semantics.md has it.
func resultType(c agg.Call) featurestore.Type {
	switch c.Func {
	case "count", "count_null", "count_distinct", "approx_count_distinct":
		return featurestore.Int64
	case "sum":
		if c.Input.Kind == featurestore.KindDecimal {
			return featurestore.Decimal(featurestore.MaxDecimalPrecision, c.Input.Scale)
		}
		return c.Input
	case "avg":
		if c.Input.Kind == featurestore.KindList {
			return c.Input
		}
	case "min", "max", "first", "last", "lag", "min_by", "max_by":
		return c.Input
	case "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n", "distinct":
		return featurestore.List(c.Input)
	case "histogram":
		return featurestore.Map(featurestore.Int64)
	}
	return featurestore.Double
}
