package agg_test

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// Short names of values.
var (
	null = featurestore.Null
	i64  = featurestore.Int64Value
	f64  = featurestore.DoubleValue
	str  = featurestore.StringValue
	dec  = featurestore.DecimalValue
)

func list(v ...featurestore.Value) featurestore.Value { return featurestore.ListValue(v) }

func doubles(v ...float64) []featurestore.Value {
	var out []featurestore.Value
	for _, x := range v {
		out = append(out, f64(x))
	}
	return out
}

func ints(v ...int64) []featurestore.Value {
	var out []featurestore.Value
	for _, x := range v {
		out = append(out, i64(x))
	}
	return out
}

func texts(v ...string) []featurestore.Value {
	var out []featurestore.Value
	for _, x := range v {
		out = append(out, str(x))
	}
	return out
}

// TestRead reads each aggregate over events at second 0, 1, 2, ... at second 10.
func TestRead(t *testing.T) {
	decimal := featurestore.Decimal(10, 2)
	for _, c := range []struct {
		call agg.Call
		x    []featurestore.Value
		y    []featurestore.Value // or keys
		want string
	}{
		{call: agg.Call{Func: "count"}, x: ints(1, 2), want: "2 PRESENT"},
		{call: agg.Call{Func: "count", Input: featurestore.Int64}, x: []featurestore.Value{i64(1), null}, want: "1 PRESENT"},
		{call: agg.Call{Func: "count_null", Input: featurestore.Int64}, x: []featurestore.Value{i64(1), null, null}, want: "2 PRESENT"},
		{call: agg.Call{Func: "count_null", Input: featurestore.Int64}, x: ints(1), want: "0 EMPTY"},
		{call: agg.Call{Func: "sum", Input: featurestore.Int64}, x: ints(9223372036854775807, 1), want: "null OVERFLOW"},
		{call: agg.Call{Func: "sum", Input: featurestore.Double}, x: doubles(1e308, 1e308), want: "null OVERFLOW"},
		{call: agg.Call{Func: "sum", Input: decimal}, x: []featurestore.Value{dec(10), dec(20)}, want: "0.30 PRESENT"},
		{call: agg.Call{Func: "avg", Input: decimal}, x: []featurestore.Value{dec(10), dec(20)}, want: "0.15 PRESENT"},
		{call: agg.Call{Func: "skew", Input: featurestore.Int64}, x: ints(1, 2, 3), want: "0 PRESENT"},
		{call: agg.Call{Func: "skew", Input: featurestore.Int64}, x: ints(3, 3), want: "null PRESENT"},
		{call: agg.Call{Func: "skew", Input: featurestore.Double}, x: doubles(0, 0, 0, 4), want: "1.1547005383792515 PRESENT"},
		{call: agg.Call{Func: "kurtosis", Input: featurestore.Double}, x: doubles(-1, 1), want: "-2 PRESENT"},
		{call: agg.Call{Func: "kurtosis", Input: decimal}, x: []featurestore.Value{dec(-7), dec(7)}, want: "-2 PRESENT"},

		{call: agg.Call{Func: "sum", Input: vector}, x: []featurestore.Value{list(f64(1), null), list(doubles(2, 3, 4)...)}, want: "[3, 3, 4] PRESENT"},
		{call: agg.Call{Func: "avg", Input: vector}, x: []featurestore.Value{list(doubles(1, 2)...), list(f64(2), null)}, want: "[1.5, 2] PRESENT"},
		{call: agg.Call{Func: "avg", Input: vector}, x: []featurestore.Value{list(null, f64(2))}, want: "[null, 2] PRESENT"},
		{call: agg.Call{Func: "sum", Input: vector}, x: []featurestore.Value{list(doubles(1e308, 1)...), list(f64(1e308))}, want: "[null, 1] OVERFLOW"},
		{call: agg.Call{Func: "sum", Input: vector}, x: []featurestore.Value{list()}, want: "[] PRESENT"},
		{call: agg.Call{Func: "sum", Input: vector}, x: []featurestore.Value{null}, want: "[] EMPTY"},
		{call: agg.Call{Func: "min", Input: vector}, x: []featurestore.Value{list(doubles(1, -2)...), list(null, f64(3), null)}, want: "[1, -2, null] PRESENT"},
		{call: agg.Call{Func: "max", Input: vector}, x: []featurestore.Value{list(doubles(1, -2)...), list(doubles(0, 3)...)}, want: "[1, 3] PRESENT"},
		{call: agg.Call{Func: "max", Input: vector}, x: []featurestore.Value{null}, want: "null EMPTY"},
		{call: agg.Call{Func: "last", Input: vector}, x: []featurestore.Value{list(doubles(1, -2)...), null}, want: "[1, -2] PRESENT"},

		{call: agg.Call{Func: "first", Input: featurestore.String}, x: append([]featurestore.Value{null}, texts("b", "a")...), want: "b PRESENT"},
		{call: agg.Call{Func: "first", Input: featurestore.String, RespectNulls: true}, x: append([]featurestore.Value{null}, texts("b", "a")...), want: "null EMPTY"},
		{call: agg.Call{Func: "first_n", Input: featurestore.String, N: 2}, x: texts("c", "b", "c"), want: "[c, b] PRESENT"},
		{call: agg.Call{Func: "last_n", Input: featurestore.String, N: 2}, x: append(texts("c", "b", "a"), null), want: "[a, b] PRESENT"},
		{call: agg.Call{Func: "last_n", Input: featurestore.String, N: 5}, x: texts("c"), want: "[c] PRESENT"},
		{call: agg.Call{Func: "last_n", Input: featurestore.String, N: 5}, x: []featurestore.Value{null}, want: "[] EMPTY"},
		{call: agg.Call{Func: "last_distinct_n", Input: featurestore.Int64, N: 2}, x: ints(1, 2, 3, 2), want: "[2, 3] PRESENT"},
		{call: agg.Call{Func: "lag", Input: featurestore.Int64}, x: ints(1, 2, 3), want: "3 PRESENT"},
		{call: agg.Call{Func: "lag", Input: featurestore.Int64, N: 2}, x: ints(1, 2, 3), want: "1 PRESENT"},
		{call: agg.Call{Func: "lag", Input: featurestore.Int64, N: 3}, x: ints(1, 2, 3), want: "null EMPTY"},
		{call: agg.Call{Func: "time_since_last"}, x: ints(1, 2, 3), want: "8 PRESENT"},
		{call: agg.Call{Func: "time_since_first"}, x: ints(1, 2, 3), want: "10 PRESENT"},
		{call: agg.Call{Func: "min_by", Input: featurestore.String, Second: featurestore.Int64}, x: texts("a", "b", "c"), y: ints(1, 1, 2), want: "b PRESENT"},
		{call: agg.Call{Func: "max_by", Input: featurestore.String, Second: featurestore.Int64}, x: texts("a", "b", "c"), y: ints(2, 2, 1), want: "b PRESENT"},
		{call: agg.Call{Func: "min_by", Input: featurestore.String, Second: featurestore.Int64}, x: append(texts("a", "b"), null), y: []featurestore.Value{i64(1), null, i64(0)}, want: "a PRESENT"},
		{call: agg.Call{Func: "top_n", Input: featurestore.Int64, N: 3}, x: ints(1, 5, 3, 5), want: "[5, 5, 3] PRESENT"},
		{call: agg.Call{Func: "bottom_n", Input: featurestore.Bool, N: 2}, x: []featurestore.Value{featurestore.BoolValue(true), featurestore.BoolValue(false)}, want: "[false, true] PRESENT"},

		{call: agg.Call{Func: "distinct", Input: featurestore.String, Max: 3}, x: texts("b", "a", "b"), want: "[a, b] PRESENT"},
		{call: agg.Call{Func: "approx_count_distinct", Input: featurestore.String}, x: texts("b", "a", "b"), want: "2 PRESENT"},
		{call: agg.Call{Func: "approx_count_distinct", Input: featurestore.String}, x: nil, want: "0 EMPTY"},
		{call: agg.Call{Func: "histogram", Input: featurestore.Int64, Max: 9}, x: ints(10, 9, 10), want: "{10: 2, 9: 1} PRESENT"},
		{call: agg.Call{Func: "histogram", Input: decimal, Max: 9}, x: []featurestore.Value{dec(-5)}, want: "{-0.05: 1} PRESENT"},
		{call: agg.Call{Func: "histogram", Input: featurestore.Timestamp, Max: 9}, x: []featurestore.Value{featurestore.TimestampValue(0)}, want: "{1970-01-01T00:00:00Z: 1} PRESENT"},
		{call: agg.Call{Func: "histogram", Input: featurestore.Int64, Max: 9}, x: nil, want: "{} EMPTY"},
		{call: agg.Call{Func: "quantile", Input: featurestore.Int64, Share: agg.Share{Unscaled: 25, Digits: 2}}, x: ints(4, 1, 2), want: "1.5 PRESENT"},
		{call: agg.Call{Func: "quantile", Input: featurestore.Double}, x: doubles(4, 1, 2), want: "1 PRESENT"},
		{call: agg.Call{Func: "quantile", Input: featurestore.Double, Share: agg.Share{Unscaled: 1}}, x: doubles(4, 1, 2), want: "4 PRESENT"},
		{call: agg.Call{Func: "median", Input: decimal}, x: []featurestore.Value{dec(10), dec(15)}, want: "0.125 PRESENT"},
		{call: agg.Call{Func: "median", Input: featurestore.Double}, x: nil, want: "null EMPTY"},
		{call: agg.Call{Func: "approx_quantile", Input: featurestore.Double, Share: agg.Share{Unscaled: 5, Digits: 1}}, x: doubles(0, 0, 7), want: "0 PRESENT"},

		{call: agg.Call{Func: "ewm_count", HalfLife: featurestore.Second}, x: ints(1, 2, 3), want: "0.0068359375 PRESENT"},
		{call: agg.Call{Func: "ewm_sum", Input: featurestore.Int64, HalfLife: featurestore.Second}, x: append(ints(1, 2, 3), null), want: "0.0166015625 PRESENT"},
		{call: agg.Call{Func: "ewm_sum", Input: featurestore.Double, HalfLife: featurestore.Second}, x: doubles(0), want: "0 PRESENT"},
		{call: agg.Call{Func: "ewm_sum", Input: decimal, HalfLife: 2 * featurestore.Second}, x: []featurestore.Value{dec(50)}, want: "0.015625 PRESENT"},
		{call: agg.Call{Func: "ewm_sum", Input: featurestore.Double, HalfLife: featurestore.Second}, x: []featurestore.Value{null}, want: "0 EMPTY"},
		{call: agg.Call{Func: "ewm_avg", Input: featurestore.Int64, HalfLife: featurestore.Second}, x: ints(1, 2, 3), want: "2.4285714285714284 PRESENT"},
		{call: agg.Call{Func: "ewm_avg", Input: featurestore.Int64, HalfLife: featurestore.Second}, x: nil, want: "null EMPTY"},

		{call: agg.Call{Func: "sum", Input: featurestore.Int64, By: featurestore.String}, x: append(ints(1, 2, 3), null), y: texts("b", "a", "b", "c"), want: "{a: 2, b: 4} PRESENT"},
		{call: agg.Call{Func: "count", By: featurestore.Bool}, x: ints(1, 2), y: []featurestore.Value{featurestore.BoolValue(true), null}, want: "{true: 1} PRESENT"},
		{call: agg.Call{Func: "sum", Input: featurestore.Int64, By: featurestore.String}, x: ints(9223372036854775807, 1, 1), y: texts("b", "b", "a"), want: "{a: 1, b: null} OVERFLOW"},
		{call: agg.Call{Func: "var_samp", Input: featurestore.Int64, By: featurestore.String}, x: ints(1), y: texts("b"), want: "{b: null} PRESENT"},
		{call: agg.Call{Func: "lag", Input: featurestore.Int64, N: 1, By: featurestore.String}, x: ints(1), y: texts("b"), want: "{} EMPTY"},
		{call: agg.Call{Func: "lag", Input: featurestore.Int64, N: 1, By: featurestore.String}, x: ints(1, 2, 3), y: texts("b", "a", "b"), want: "{b: 1} PRESENT"},
		{call: agg.Call{Func: "last", Input: featurestore.Int64, RespectNulls: true, By: featurestore.String}, x: append(ints(1, 2), null), y: texts("b", "a", "b"), want: "{a: 2} PRESENT"},
		{call: agg.Call{Func: "count_distinct", Input: featurestore.Int64, Max: 2, By: featurestore.String}, x: ints(1, 2), y: texts("b", "b"), want: "{b: 2} PRESENT"},
		{call: agg.Call{Func: "avg", Input: featurestore.Int64, By: featurestore.String}, x: nil, want: "{} EMPTY"},
	} {
		u := agg.Use{Call: c.call, Input: 0, Second: 1, By: 1, Where: -1}
		if c.call.Input.Kind == featurestore.KindNull {
			u.Input = -1
		}
		layout, finishers, err := agg.Compile([]agg.Use{u})
		if err != nil {
			t.Errorf("%s: %v", name(c.call), err)
			continue
		}
		cells := layout.NewCells()
		s := cells.Alloc()
		for i, x := range c.x {
			o := agg.Order{Time: featurestore.EventTime(i) * featurestore.EventTime(featurestore.Second)}
			in := []featurestore.Value{x, null}
			if c.y != nil {
				in[1] = c.y[i]
			}
			cells.Add(s, &o, in)
		}
		got := finishers[0].Read(cells, s, featurestore.Instant(10*featurestore.Second))
		if text := got.Value.Text(finishers[0].Type()) + " " + got.Status.String(); text != c.want {
			t.Errorf("%s over %v: %s, want %s", name(c.call), c.x, text, c.want)
		}
	}
}

func TestEmptyNull(t *testing.T) {
	for function, want := range map[string]string{"sum": "null", "count": "0", "avg": "null"} {
		_, finishers, err := agg.Compile([]agg.Use{{Call: agg.Call{Func: function, Input: featurestore.Int64}, Input: 0, Where: -1, EmptyNull: true}})
		if err != nil {
			t.Fatal(err)
		}
		if got := finishers[0].Empty(featurestore.NotFound); got.Value.Text(featurestore.Int64) != want || got.Status != featurestore.NotFound {
			t.Errorf("%s of nothing with empty: null is %v, want %s", function, got, want)
		}
	}
}
