package oracle_test

import (
	"math"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

type value = featurestore.Value

func ints(xs ...int64) []value {
	var out []value
	for _, x := range xs {
		out = append(out, featurestore.Int64Value(x))
	}
	return out
}

func doubles(xs ...float64) []value {
	var out []value
	for _, x := range xs {
		out = append(out, featurestore.DoubleValue(x))
	}
	return out
}

func texts(xs ...string) []value {
	var out []value
	for _, x := range xs {
		out = append(out, featurestore.StringValue(x))
	}
	return out
}

func decimals(xs ...int64) []value {
	var out []value
	for _, x := range xs {
		out = append(out, featurestore.DecimalValue(x))
	}
	return out
}

func list(xs ...value) value { return featurestore.ListValue(xs) }

func mapping(keys []string, values ...value) value { return featurestore.MapValue(keys, values) }

var (
	null = featurestore.Null
	i    = featurestore.Int64Value
	d    = featurestore.DoubleValue
	s    = featurestore.StringValue
	b    = featurestore.BoolValue
)

const (
	isPresent     = featurestore.Present
	isEmpty       = featurestore.Empty
	isApproximate = featurestore.Approximate
	isOverflow    = featurestore.Overflow
)

// aggregateCase is an aggregate over rows at 1 s, 2 s, ... read at 59 s. Each row
// has x, y and a key.
type aggregateCase struct {
	call   agg.Call
	x      []value
	y, key []value // nil for none
	want   value
	status featurestore.Status
}

func (c *aggregateCase) config() window.Config {
	f := window.Feature{Name: c.call.Func, Call: c.call, Input: 0, Second: 1, By: 2, Where: -1, Width: minute, Tile: minute}
	if c.call.Input.Kind == featurestore.KindNull {
		f.Input = -1
	}
	return window.Config{Features: []window.Feature{f}, Sources: []window.SourceRule{{AllowedLateness: hour, Changes: true}}}
}

func (c *aggregateCase) rows() []window.Row {
	var rows []window.Row
	for k, x := range c.x {
		row := at(1+float64(k), int64(k), x)
		for _, more := range [][]value{c.y, c.key} {
			v := null
			if more != nil {
				v = more[k]
			}
			row.Inputs = append(row.Inputs, v)
		}
		rows = append(rows, row)
	}
	return rows
}

func in(t featurestore.Type, function string) agg.Call { return agg.Call{Func: function, Input: t} }

func withN(t featurestore.Type, function string, n int64) agg.Call {
	return agg.Call{Func: function, Input: t, N: n}
}

func withMax(t featurestore.Type, function string, n int64) agg.Call {
	return agg.Call{Func: function, Input: t, Max: n}
}

func share(t featurestore.Type, function string, unscaled int64, digits uint8) agg.Call {
	return agg.Call{Func: function, Input: t, Share: agg.Share{Unscaled: unscaled, Digits: digits}}
}

func halfLife(t featurestore.Type, function string, h featurestore.Duration) agg.Call {
	return agg.Call{Func: function, Input: t, HalfLife: h}
}

// checkAggregates runs cases, and each again with what must not matter: a late
// row, a row ahead of its log, a row outside of the window, a row that was
// retracted.
func checkAggregates(t *testing.T, cases []aggregateCase) {
	t.Helper()
	for n := range cases {
		c := &cases[n]
		rows := c.rows()
		wantCell(t, c.call.Func, readOne(t, c.config(), rows, oracle.Reading{At: 59e6}), c.want, c.status)
		if len(rows) == 0 {
			continue
		}
		noise := slices.Clone(rows)
		for _, shift := range []func(*window.Row){
			func(r *window.Row) { r.LogTime = featurestore.LogTime(3_700e6) },
			func(r *window.Row) { r.Time, r.LogTime = 310e6, 9e6 },
			func(r *window.Row) { r.Time, r.LogTime = -60_000_001, 0 },
			func(r *window.Row) { r.Change, r.Mutated = featurestore.Added, 2e6 },
			func(r *window.Row) { r.Change, r.Mutated = featurestore.Retracted, 58e6 },
		} {
			row := rows[len(rows)/2]
			row.Offset = 1000 + int64(len(noise))
			row.Inputs = slices.Clone(row.Inputs)
			row.Sequence = i(9) // of equal rows the retraction takes the greatest
			shift(&row)
			noise = append(noise, row)
		}
		slices.Reverse(noise)
		wantCell(t, c.call.Func+" among rows that do not count", readOne(t, c.config(), noise, oracle.Reading{At: 59e6, Mode: oracle.EventTime}), c.want, c.status)
	}
}

func TestSumsByHand(t *testing.T) {
	dbl, i64, two := featurestore.Double, featurestore.Int64, featurestore.Decimal(10, 2)
	most := math.MaxFloat64
	checkAggregates(t, []aggregateCase{
		{call: agg.Call{Func: "count"}, x: []value{i(1), null}, want: i(2), status: isPresent},
		{call: agg.Call{Func: "count"}, want: i(0), status: featurestore.NotFound},
		{call: in(i64, "count"), x: []value{i(1), null}, want: i(1), status: isPresent},
		{call: in(i64, "count"), x: []value{null}, want: i(0), status: isEmpty},
		{call: in(i64, "count_null"), x: []value{i(1), null, null}, want: i(2), status: isPresent},
		{call: in(i64, "count_null"), x: ints(1), want: i(0), status: isEmpty},
		{call: in(featurestore.List(dbl), "count_null"), x: []value{list(), null}, want: i(1), status: isPresent},
		{call: in(dbl, "sum"), x: doubles(most, most, -most), want: d(most), status: isPresent},
		{call: in(dbl, "sum"), x: doubles(most, 1e292), want: null, status: isOverflow},
		{call: in(dbl, "sum"), x: []value{null}, want: d(0), status: isEmpty},
		{call: in(dbl, "sum"), x: doubles(1e16, 1, -1e16), want: d(1), status: isPresent},
		{call: in(dbl, "sum"), x: doubles(5e-324, 5e-324), want: d(1e-323), status: isPresent},
		{call: in(i64, "sum"), x: ints(math.MaxInt64, 1, -1), want: i(math.MaxInt64), status: isPresent},
		{call: in(i64, "sum"), x: ints(math.MinInt64, -1), want: null, status: isOverflow},
		{call: in(two, "sum"), x: decimals(10, -30), want: featurestore.DecimalValue(-20), status: isPresent},
		{call: in(featurestore.Decimal(18, 0), "sum"), x: decimals(999999999999999999, 1), want: null, status: isOverflow},
		{call: in(dbl, "avg"), x: doubles(most, most), want: d(most), status: isPresent},
		{call: in(two, "avg"), x: decimals(10, 20), want: d(0.15), status: isPresent},
		{call: in(i64, "avg"), x: ints(9007199254740993, 9007199254740993), want: d(9007199254740992), status: isPresent},
		{call: in(i64, "avg"), x: []value{null}, want: null, status: isEmpty},
		{call: in(dbl, "min"), x: []value{d(2), null, d(-1)}, want: d(-1), status: isPresent},
		{call: in(featurestore.String, "min"), x: texts("b", "", "a"), want: s(""), status: isPresent},
		{call: in(featurestore.Bool, "min"), x: []value{b(true), b(false)}, want: b(false), status: isPresent},
		{call: in(featurestore.String, "max"), x: texts("b", "ab"), want: s("b"), status: isPresent},
		{call: in(i64, "max"), x: ints(math.MinInt64, -5), want: i(-5), status: isPresent},
		{call: in(i64, "max"), x: []value{null}, want: null, status: isEmpty},
	})
}

func TestSpreadByHand(t *testing.T) {
	dbl, i64, two := featurestore.Double, featurestore.Int64, featurestore.Decimal(10, 2)
	root3, ratio := math.Sqrt(3), float64(21)/9
	checkAggregates(t, []aggregateCase{
		{call: in(dbl, "var_pop"), x: doubles(1e200, 1e200), want: d(0), status: isPresent},
		{call: in(dbl, "var_pop"), x: doubles(1e200, -1e200), want: null, status: isOverflow},
		{call: in(i64, "var_pop"), x: ints(5), want: d(0), status: isPresent},
		{call: in(dbl, "var_samp"), x: doubles(1e9+4, 1e9+7, 1e9+13, 1e9+16), want: d(30), status: isPresent},
		{call: in(i64, "var_samp"), x: []value{i(5), null}, want: null, status: isPresent},
		{call: in(i64, "var_samp"), x: []value{null}, want: null, status: isEmpty},
		{call: in(i64, "stddev_pop"), x: ints(1, 3), want: d(1), status: isPresent},
		{call: in(two, "stddev_pop"), x: decimals(100, 300), want: d(1), status: isPresent},
		{call: in(i64, "stddev_pop"), x: ints(math.MaxInt64, math.MaxInt64), want: d(0), status: isPresent},
		{call: in(i64, "stddev_samp"), x: ints(2, 4), want: d(math.Sqrt2), status: isPresent},
		{call: in(i64, "stddev_samp"), x: ints(2), want: null, status: isPresent},
		{call: in(i64, "stddev_samp"), x: []value{null}, want: null, status: isEmpty},
		// Mean 1, deviations -1 -1 -1 3: m2 = 3, m3 = 6, m4 = 21.
		{call: in(i64, "skew"), x: ints(0, 0, 0, 4), want: d(6 / (3 * root3)), status: isPresent},
		{call: in(dbl, "skew"), x: doubles(2, 2), want: null, status: isPresent},
		{call: in(dbl, "skew"), x: []value{d(-1), null, d(1)}, want: d(0), status: isPresent},
		{call: in(dbl, "skew"), x: []value{null}, want: null, status: isEmpty},
		{call: in(dbl, "skew"), x: doubles(1e120, 1, 2), want: null, status: isOverflow},
		{call: in(i64, "kurtosis"), x: ints(0, 0, 0, 4), want: d(ratio - 3), status: isPresent},
		{call: in(two, "kurtosis"), x: decimals(0, 0, 0, 400), want: d(ratio - 3), status: isPresent},
		{call: in(dbl, "kurtosis"), x: doubles(1), want: null, status: isPresent},
		{call: in(dbl, "kurtosis"), x: doubles(1e-200, 0), want: null, status: isPresent},  // m2 is 0
		{call: in(dbl, "kurtosis"), x: doubles(1e-120, 0), want: null, status: isOverflow}, // m2 x m2 is
		{call: in(dbl, "kurtosis"), x: []value{null}, want: null, status: isEmpty},
	})
}

func TestOrderByHand(t *testing.T) {
	i64, str := featurestore.Int64, featurestore.String
	vectors := featurestore.List(featurestore.Double)
	respect := func(function string) agg.Call { return agg.Call{Func: function, Input: i64, RespectNulls: true} }
	by := func(function string) agg.Call { return agg.Call{Func: function, Input: str, Second: i64} }
	checkAggregates(t, []aggregateCase{
		{call: in(i64, "first"), x: []value{null, i(2), i(3)}, want: i(2), status: isPresent},
		{call: respect("first"), x: []value{null, i(2)}, want: null, status: isEmpty},
		{call: in(vectors, "first"), x: []value{list(d(1)), list()}, want: list(d(1)), status: isPresent},
		{call: in(i64, "last"), x: []value{i(2), null}, want: i(2), status: isPresent},
		{call: respect("last"), x: []value{null, i(2)}, want: i(2), status: isPresent},
		{call: in(vectors, "last"), x: []value{list(d(1)), list(null)}, want: list(null), status: isPresent},
		{call: withN(i64, "first_n", 2), x: []value{null, i(1), i(1), i(3)}, want: list(i(1), i(1)), status: isPresent},
		{call: withN(i64, "first_n", 2), x: []value{null}, want: list(), status: isEmpty},
		{call: withN(i64, "first_n", 9), x: ints(3, 1), want: list(i(3), i(1)), status: isPresent},
		{call: withN(i64, "last_n", 2), x: []value{i(1), i(2), i(3), null}, want: list(i(3), i(2)), status: isPresent},
		{call: withN(i64, "last_n", 5), x: ints(1), want: list(i(1)), status: isPresent},
		{call: withN(i64, "last_n", 5), x: []value{null}, want: list(), status: isEmpty},
		{call: withN(i64, "last_distinct_n", 2), x: ints(1, 2, 1, 3, 3), want: list(i(3), i(1)), status: isPresent},
		{call: withN(str, "last_distinct_n", 9), x: []value{s("a"), s(""), s("a"), null}, want: list(s("a"), s("")), status: isPresent},
		{call: withN(str, "last_distinct_n", 9), x: []value{null}, want: list(), status: isEmpty},
		{call: withN(i64, "lag", 0), x: []value{i(1), i(2), null}, want: i(2), status: isPresent},
		{call: withN(i64, "lag", 2), x: []value{i(1), null, i(2), i(3)}, want: i(1), status: isPresent},
		{call: withN(i64, "lag", 2), x: ints(1, 2), want: null, status: isEmpty},
		{call: withN(i64, "top_n", 3), x: []value{i(1), i(3), null, i(3), i(2)}, want: list(i(3), i(3), i(2)), status: isPresent},
		{call: withN(i64, "top_n", 3), x: []value{null}, want: list(), status: isEmpty},
		{call: withN(str, "top_n", 1), x: texts("b", "ba"), want: list(s("ba")), status: isPresent},
		{call: withN(i64, "bottom_n", 3), x: ints(5, 1, 3, 1), want: list(i(1), i(1), i(3)), status: isPresent},
		{call: withN(i64, "bottom_n", 1), x: []value{null, i(7)}, want: list(i(7)), status: isPresent},
		{call: withN(i64, "bottom_n", 1), x: []value{null}, want: list(), status: isEmpty},
		{call: by("min_by"), x: texts("a", "b", "c"), y: ints(2, 1, 1), want: s("c"), status: isPresent},
		{call: by("min_by"), x: []value{s("a"), null, s("c")}, y: []value{i(5), i(1), null}, want: s("a"), status: isPresent},
		{call: by("min_by"), x: texts("a"), y: []value{null}, want: null, status: isEmpty},
		{call: by("max_by"), x: texts("a", "b", "c"), y: ints(2, 2, 1), want: s("b"), status: isPresent},
		{call: by("max_by"), x: []value{s("a"), null}, y: ints(1, 2), want: s("a"), status: isPresent},
		{call: by("max_by"), x: []value{null}, y: ints(1), want: null, status: isEmpty},
		{call: agg.Call{Func: "time_since_last"}, x: []value{i(1), null}, want: d(57), status: isPresent},
		{call: agg.Call{Func: "time_since_first"}, x: []value{null, i(1)}, want: d(58), status: isPresent},
		{call: agg.Call{Func: "time_since_first"}, want: null, status: featurestore.NotFound},
	})
}

func TestDistinctByHand(t *testing.T) {
	i64, str := featurestore.Int64, featurestore.String
	checkAggregates(t, []aggregateCase{
		{call: in(i64, "count_distinct"), x: []value{i(2), i(4), i(2), null}, want: i(2), status: isPresent},
		{call: withMax(i64, "count_distinct", 2), x: ints(1, 1, 2), want: i(2), status: isPresent},
		{call: in(i64, "count_distinct"), x: []value{null}, want: i(0), status: isEmpty},
		{call: in(i64, "approx_count_distinct"), x: []value{i(2), i(4), i(2), null}, want: i(2), status: isPresent},
		{call: in(str, "approx_count_distinct"), x: texts("", "a", "b", "b"), want: i(3), status: isPresent},
		{call: in(str, "approx_count_distinct"), x: []value{null}, want: i(0), status: isEmpty},
		{call: withMax(i64, "distinct", 9), x: []value{i(4), i(2), null, i(4)}, want: list(i(2), i(4)), status: isPresent},
		{call: withMax(str, "distinct", 2), x: texts("b", "a"), want: list(s("a"), s("b")), status: isPresent},
		{call: withMax(str, "distinct", 2), x: []value{null}, want: list(), status: isEmpty},
		{call: withMax(str, "histogram", 9), x: []value{s("b"), s("a"), null, s("b")}, want: mapping([]string{"a", "b"}, i(1), i(2)), status: isPresent},
		{call: withMax(featurestore.Decimal(10, 2), "histogram", 9), x: decimals(-5, 100), want: mapping([]string{"-0.05", "1.00"}, i(1), i(1)), status: isPresent},
		{call: withMax(featurestore.Bool, "histogram", 9), x: []value{null}, want: mapping(nil), status: isEmpty},
	})
}

func TestQuantilesByHand(t *testing.T) {
	dbl, i64, two := featurestore.Double, featurestore.Int64, featurestore.Decimal(10, 2)
	checkAggregates(t, []aggregateCase{
		{call: share(i64, "quantile", 25, 2), x: ints(4, 1, 3, 2), want: d(1.75), status: isPresent},
		{call: share(i64, "quantile", 1, 0), x: ints(4, 1, 9), want: d(9), status: isPresent},
		{call: share(dbl, "quantile", 0, 0), x: []value{d(7), null}, want: d(7), status: isPresent},
		{call: share(dbl, "quantile", 1, 1), x: doubles(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1), want: d(0.2), status: isPresent},
		{call: share(i64, "quantile", 9, 1), x: []value{null}, want: null, status: isEmpty},
		{call: in(i64, "median"), x: ints(1, 4), want: d(2.5), status: isPresent},
		{call: in(two, "median"), x: decimals(10, 20, 40), want: d(0.2), status: isPresent},
		{call: in(dbl, "median"), x: doubles(math.MaxFloat64, math.MaxFloat64), want: d(math.MaxFloat64), status: isPresent},
		{call: in(dbl, "median"), x: []value{null}, want: null, status: isEmpty},
		// 1 is in bin 0, from 1 to where 6s^3 - 21s^2 + 50s = 1.
		{call: share(dbl, "approx_quantile", 5, 1), x: doubles(1, 1, 1), want: d(1.0099842501580656), status: isPresent},
		{call: share(dbl, "approx_quantile", 0, 0), x: doubles(-1, 2), want: d(-1.0099842501580656), status: isPresent},
		{call: share(i64, "approx_quantile", 5, 1), x: ints(0, 0, 8), want: d(0), status: isPresent},
		{call: share(i64, "approx_quantile", 5, 1), x: []value{null}, want: null, status: isEmpty},
	})
}

func TestDecayByHand(t *testing.T) {
	dbl, i64, none := featurestore.Double, featurestore.Int64, featurestore.Type{}
	// Rows at 1 s, 2 s, ...; read at 59 s.
	checkAggregates(t, []aggregateCase{
		{call: halfLife(i64, "ewm_sum", second), x: ints(8, 16), want: d(math.Ldexp(8+32, -58)), status: isPresent},
		{call: halfLife(dbl, "ewm_sum", 2*second), x: doubles(1), want: d(math.Ldexp(1, -29)), status: isPresent}, // sqrt 2 over 2^29 sqrt 2
		{call: halfLife(dbl, "ewm_sum", second), x: []value{null}, want: d(0), status: isEmpty},
		{call: halfLife(dbl, "ewm_sum", second), x: doubles(5e-324), want: d(0), status: isPresent},
		{call: halfLife(none, "ewm_count", second), x: []value{null, i(1)}, want: d(math.Ldexp(1+2, -58)), status: isPresent},
		{call: halfLife(none, "ewm_count", 59*second), x: ints(1), want: d(math.Exp2(1.0/59) / 2), status: isPresent},
		{call: halfLife(none, "ewm_count", second), want: d(0), status: featurestore.NotFound},
		{call: halfLife(i64, "ewm_avg", second), x: ints(3, 9), want: d(7), status: isPresent},
		{call: halfLife(featurestore.Decimal(10, 2), "ewm_avg", second), x: decimals(300, 900), want: d(7), status: isPresent},
		{call: halfLife(i64, "ewm_avg", second), x: []value{null}, want: null, status: isEmpty},
		{call: halfLife(dbl, "ewm_avg", 3*second), x: doubles(math.MaxFloat64, math.MaxFloat64), want: d(math.MaxFloat64), status: isPresent},
	})
}

func TestCategoriesByHand(t *testing.T) {
	i64, str := featurestore.Int64, featurestore.String
	by := func(call agg.Call, key featurestore.Type) agg.Call {
		call.By = key
		return call
	}
	checkAggregates(t, []aggregateCase{
		{call: by(in(i64, "sum"), str), x: []value{i(1), i(2), i(3), null}, key: []value{s("b"), s("a"), s("b"), s("c")},
			want: mapping([]string{"a", "b"}, i(2), i(4)), status: isPresent},
		{call: by(agg.Call{Func: "count"}, featurestore.Bool), x: []value{null, null}, key: []value{b(true), null}, want: mapping([]string{"true"}, i(1)), status: isPresent},
		{call: by(agg.Call{Func: "count"}, str), x: []value{null}, key: []value{null}, want: mapping(nil), status: isEmpty},
		{call: by(in(i64, "sum"), i64), x: ints(math.MaxInt64, 1, 5), key: ints(-7, -7, 10), want: mapping([]string{"-7", "10"}, null, i(5)), status: isOverflow},
		{call: by(in(i64, "var_samp"), featurestore.Timestamp), x: ints(1), key: []value{featurestore.TimestampValue(-1)},
			want: mapping([]string{"1969-12-31T23:59:59.999999Z"}, null), status: isPresent},
		{call: by(in(i64, "count_null"), str), x: []value{null, i(1)}, key: texts("a", "b"), want: mapping([]string{"a"}, i(1)), status: isPresent},
		{call: by(agg.Call{Func: "last", Input: i64, RespectNulls: true}, str), x: []value{i(1), null}, key: texts("a", "a"), want: mapping(nil), status: isEmpty},
		{call: by(withN(i64, "lag", 1), str), x: ints(1, 2), key: texts("a", "b"), want: mapping(nil), status: isEmpty},
		{call: by(withN(i64, "lag", 1), str), x: ints(1, 2, 3), key: texts("a", "b", "a"), want: mapping([]string{"a"}, i(1)), status: isPresent},
	})
}

func TestVectorsByHand(t *testing.T) {
	vectors := featurestore.List(featurestore.Double)
	xs := []value{list(d(1), null), null, list(d(3), d(5), d(7)), list()}
	long := list(doubles(make([]float64, 4097)...)...)
	checkAggregates(t, []aggregateCase{
		{call: in(vectors, "sum"), x: xs, want: list(d(4), d(5), d(7)), status: isPresent},
		{call: in(vectors, "sum"), x: []value{null, long}, want: list(), status: isEmpty},
		{call: in(vectors, "sum"), x: []value{list(d(math.MaxFloat64), d(1)), list(d(math.MaxFloat64), d(1))}, want: list(null, d(2)), status: isOverflow},
		{call: in(vectors, "sum"), x: []value{list()}, want: list(), status: isPresent},
		{call: in(vectors, "avg"), x: xs, want: list(d(2), d(5), d(7)), status: isPresent},
		{call: in(vectors, "avg"), x: []value{list(null, null)}, want: list(null, null), status: isPresent},
		{call: in(vectors, "avg"), x: []value{null}, want: null, status: isEmpty},
		{call: in(vectors, "min"), x: xs, want: list(d(1), d(5), d(7)), status: isPresent},
		{call: in(vectors, "min"), x: []value{long}, want: null, status: isEmpty},
		{call: in(vectors, "min"), x: []value{list(d(-1)), list(d(-2))}, want: list(d(-2)), status: isPresent},
		{call: in(vectors, "max"), x: xs, want: list(d(3), d(5), d(7)), status: isPresent},
		{call: in(vectors, "max"), x: []value{list(null), list(d(-2))}, want: list(d(-2)), status: isPresent},
		{call: in(vectors, "max"), x: []value{null}, want: null, status: isEmpty},
	})
}
