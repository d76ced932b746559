package agg_test

import (
	"errors"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

func TestCheck(t *testing.T) {
	dec := featurestore.Decimal(10, 2)
	list := featurestore.List(featurestore.Double)
	const ok, unsupported, wrong = 0, 1, 2
	for _, c := range []struct {
		call agg.Call
		want string
		is   int
	}{
		{agg.Call{Func: "count"}, "int64", ok},
		{agg.Call{Func: "count", Input: list}, "int64", ok},
		{agg.Call{Func: "sum", Input: featurestore.Int64}, "int64", ok},
		{agg.Call{Func: "sum", Input: featurestore.Double}, "double", ok},
		{agg.Call{Func: "sum", Input: dec}, "decimal(18,2)", ok},
		{agg.Call{Func: "sum", Input: list}, "", unsupported},
		{agg.Call{Func: "sum", Input: featurestore.String}, "", wrong},
		{agg.Call{Func: "sum", Input: featurestore.Bool}, "", wrong},
		{agg.Call{Func: "sum"}, "", wrong},
		{agg.Call{Func: "avg", Input: dec}, "double", ok},
		{agg.Call{Func: "avg", Input: featurestore.Timestamp}, "", wrong},
		{agg.Call{Func: "max", Input: featurestore.Timestamp}, "timestamp", ok},
		{agg.Call{Func: "min", Input: featurestore.Bool}, "bool", ok},
		{agg.Call{Func: "min", Input: list}, "", unsupported},
		{agg.Call{Func: "last", Input: featurestore.Bytes, RespectNulls: true}, "bytes", ok},
		{agg.Call{Func: "min", Input: featurestore.Bytes, RespectNulls: true}, "", wrong},
		{agg.Call{Func: "stddev_samp", Input: featurestore.Int64}, "double", ok},
		{agg.Call{Func: "count_distinct", Input: featurestore.String, Max: 10}, "int64", ok},
		{agg.Call{Func: "count_distinct", Input: featurestore.String, Max: 1}, "", wrong},
		{agg.Call{Func: "count_distinct", Input: featurestore.String, Max: -5}, "", wrong},
		{agg.Call{Func: "sum", Input: featurestore.Int64, Max: 5}, "", wrong},
		{agg.Call{Func: "time_since_last"}, "double", ok},
		{agg.Call{Func: "time_since_last", Input: featurestore.Int64}, "", wrong},
		{agg.Call{Func: "median", Input: featurestore.Int64}, "", unsupported},
		{agg.Call{Func: "ewm_sum", Input: featurestore.Int64}, "", unsupported},
		{agg.Call{Func: "mediun", Input: featurestore.Int64}, "", wrong},
	} {
		got, err := agg.Check(c.call)
		switch {
		case c.is == ok && (err != nil || got.String() != c.want):
			t.Errorf("%+v: %v, %v; want %s", c.call, got, err, c.want)
		case c.is == unsupported && !errors.Is(err, agg.ErrUnsupported):
			t.Errorf("%+v: %v; want ErrUnsupported", c.call, err)
		case c.is == wrong && (err == nil || errors.Is(err, agg.ErrUnsupported)):
			t.Errorf("%+v: %v; want a refusal", c.call, err)
		}
	}
}
