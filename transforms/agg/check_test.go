package agg_test

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

func TestCheck(t *testing.T) {
	dec := featurestore.Decimal(10, 2)
	words := featurestore.List(featurestore.String)
	deep := featurestore.Int64
	for range 8 {
		deep = featurestore.List(deep)
	}
	for _, c := range []struct {
		call agg.Call
		want string // the type, or after ! a part of the refusal
	}{
		{agg.Call{Func: "count"}, "int64"},
		{agg.Call{Func: "count", Input: vector}, "int64"},
		{agg.Call{Func: "count_null", Input: dec}, "int64"},
		{agg.Call{Func: "count_null"}, "!needs an argument"},
		{agg.Call{Func: "sum", Input: featurestore.Int64}, "int64"},
		{agg.Call{Func: "sum", Input: featurestore.Double}, "double"},
		{agg.Call{Func: "sum", Input: dec}, "decimal(18,2)"},
		{agg.Call{Func: "sum", Input: vector}, "list<double>"},
		{agg.Call{Func: "sum", Input: words}, "!has no meaning"},
		{agg.Call{Func: "sum", Input: featurestore.String}, "!has no meaning"},
		{agg.Call{Func: "sum", Input: featurestore.Bool}, "!has no meaning"},
		{agg.Call{Func: "sum"}, "!needs an argument"},
		{agg.Call{Func: "avg", Input: dec}, "double"},
		{agg.Call{Func: "avg", Input: vector}, "list<double>"},
		{agg.Call{Func: "avg", Input: featurestore.Timestamp}, "!has no meaning"},
		{agg.Call{Func: "max", Input: featurestore.Timestamp}, "timestamp"},
		{agg.Call{Func: "max", Input: vector}, "list<double>"},
		{agg.Call{Func: "min", Input: featurestore.Bool}, "bool"},
		{agg.Call{Func: "min", Input: words}, "!no list or map"},
		{agg.Call{Func: "min", Input: object}, "!no list or map"},
		{agg.Call{Func: "last", Input: featurestore.Bytes, RespectNulls: true}, "bytes"},
		{agg.Call{Func: "last", Input: vector}, "list<double>"},
		{agg.Call{Func: "last", Input: deep}, "!nests deeper than 8"},
		{agg.Call{Func: "last", Input: *deep.Elem}, deep.Elem.String()},
		{agg.Call{Func: "min", Input: featurestore.Bytes, RespectNulls: true}, "!nulls: respect"},
		{agg.Call{Func: "stddev_samp", Input: featurestore.Int64}, "double"},
		{agg.Call{Func: "stddev_samp", Input: vector}, "!has no meaning"},
		{agg.Call{Func: "count_distinct", Input: featurestore.String, Max: 10}, "int64"},
		{agg.Call{Func: "count_distinct", Input: featurestore.String, Max: 1}, "!write 2 to 100000"},
		{agg.Call{Func: "count_distinct", Input: featurestore.String, Max: -5}, "!write 2 to 100000"},
		{agg.Call{Func: "count_distinct", Input: vector}, "!no list or map"},
		{agg.Call{Func: "sum", Input: featurestore.Int64, Max: 5}, "!takes no max"},
		{agg.Call{Func: "sum", Input: featurestore.Int64, N: 5}, "!takes no n"},
		{agg.Call{Func: "sum", Input: featurestore.Int64, Second: dec}, "!takes no second argument"},
		{agg.Call{Func: "sum", Input: featurestore.Int64, HalfLife: featurestore.Hour}, "!takes no half_life"},
		{agg.Call{Func: "sum", Input: featurestore.Int64, Share: agg.Share{Unscaled: 1}}, "!takes no p"},
		{agg.Call{Func: "time_since_last"}, "double"},
		{agg.Call{Func: "time_since_first"}, "double"},
		{agg.Call{Func: "time_since_last", Input: featurestore.Int64}, "!takes no argument"},
		{agg.Call{Func: "first_n", Input: dec, N: 10_000}, "list<decimal(10,2)>"},
		{agg.Call{Func: "first_n", Input: dec, N: 10_001}, "!n of first_n is 10001: write 1 to 10000"},
		{agg.Call{Func: "last_n", Input: vector, N: 2}, "!no list or map"},
		{agg.Call{Func: "last_distinct_n", Input: featurestore.String}, "!write 1 to 10000"},
		{agg.Call{Func: "lag", Input: featurestore.String}, "string"},
		{agg.Call{Func: "lag", Input: vector, N: 10_000}, "list<double>"},
		{agg.Call{Func: "lag", Input: featurestore.String, N: -1}, "!write 0 to 10000"},
		{agg.Call{Func: "top_n", Input: featurestore.Bytes, N: 3}, "list<bytes>"},
		{agg.Call{Func: "min_by", Input: vector, Second: featurestore.Timestamp}, "list<double>"},
		{agg.Call{Func: "max_by", Input: featurestore.String, Second: vector}, "!second argument must be a single value"},
		{agg.Call{Func: "max_by", Input: featurestore.String}, "!needs two arguments"},
		{agg.Call{Func: "distinct", Input: featurestore.Double, Max: 5}, "list<double>"},
		{agg.Call{Func: "distinct", Input: featurestore.Double}, "!max of distinct is 0"},
		{agg.Call{Func: "histogram", Input: featurestore.Bool, Max: 2}, "map<string,int64>"},
		{agg.Call{Func: "histogram", Input: featurestore.Double, Max: 2}, "!cannot be double"},
		{agg.Call{Func: "quantile", Input: dec, Share: agg.Share{Unscaled: 95, Digits: 2}}, "double"},
		{agg.Call{Func: "quantile", Input: dec, Share: agg.Share{Unscaled: 1}}, "double"},
		{agg.Call{Func: "quantile", Input: dec, Share: agg.Share{Unscaled: 11, Digits: 1}}, "!from 0 to 1"},
		{agg.Call{Func: "quantile", Input: dec, Share: agg.Share{Unscaled: -1, Digits: 1}}, "!from 0 to 1"},
		{agg.Call{Func: "quantile", Input: dec, Share: agg.Share{Unscaled: 50, Digits: 2}}, "!shorter spelling"},
		{agg.Call{Func: "quantile", Input: dec, Share: agg.Share{Unscaled: 5, Digits: 19}}, "!at most 18"},
		{agg.Call{Func: "quantile", Input: featurestore.Bool}, "!has no meaning"},
		{agg.Call{Func: "median", Input: featurestore.Int64, Share: agg.Share{Unscaled: 1}}, "!takes no p"},
		{agg.Call{Func: "median", Input: featurestore.Int64}, "double"},
		{agg.Call{Func: "approx_quantile", Input: featurestore.Timestamp}, "!has no meaning"},
		{agg.Call{Func: "approx_count_distinct", Input: featurestore.Timestamp}, "int64"},
		{agg.Call{Func: "ewm_sum", Input: featurestore.Int64, HalfLife: featurestore.Hour}, "double"},
		{agg.Call{Func: "ewm_sum", Input: featurestore.Int64}, "!half_life of ewm_sum is 0s: write 1s to 365250d"},
		{agg.Call{Func: "ewm_avg", Input: featurestore.String, HalfLife: featurestore.Hour}, "!has no meaning"},
		{agg.Call{Func: "ewm_count", HalfLife: featurestore.Hour}, "double"},
		{agg.Call{Func: "ewm_count", Input: featurestore.Int64, HalfLife: featurestore.Hour}, "!takes no argument"},
		{agg.Call{Func: "sum", Input: dec, By: featurestore.Int64}, "map<string,decimal(18,2)>"},
		{agg.Call{Func: "count", By: featurestore.String, MaxKeys: 10_000}, "map<string,int64>"},
		{agg.Call{Func: "count", By: featurestore.String, MaxKeys: 10_001}, "!max_keys of count"},
		{agg.Call{Func: "count", By: featurestore.Double}, "!cannot be double"},
		{agg.Call{Func: "count", MaxKeys: 5}, "!without by"},
		{agg.Call{Func: "last_n", Input: dec, N: 2, By: featurestore.Int64}, "!cannot be by a field"},
		{agg.Call{Func: "mediun", Input: featurestore.Int64}, "!unknown aggregate"},
	} {
		got, err := agg.Check(c.call)
		if part, refused := strings.CutPrefix(c.want, "!"); refused {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%+v: %v, %v; want a refusal that says %q", c.call, got, err, part)
			}
		} else if err != nil || got.String() != c.want {
			t.Errorf("%+v: %v, %v; want %s", c.call, got, err, c.want)
		}
	}
}

func TestCompileRefusesIndexesThatDoNotFit(t *testing.T) {
	for name, u := range map[string]agg.Use{
		"no x":   {Call: agg.Call{Func: "sum", Input: featurestore.Int64}, Input: -1, Where: -1},
		"an x":   {Call: agg.Call{Func: "count"}, Input: 0, Where: -1},
		"no y":   {Call: agg.Call{Func: "min_by", Input: featurestore.Int64, Second: featurestore.Int64}, Second: -1, Where: -1},
		"no key": {Call: agg.Call{Func: "sum", Input: featurestore.Int64, By: featurestore.Int64}, By: -1, Where: -1},
	} {
		if _, _, err := agg.Compile([]agg.Use{u}); err == nil {
			t.Errorf("%s: it compiles", name)
		}
	}
}
