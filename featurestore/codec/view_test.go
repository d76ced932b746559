package codec_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

const second = int64(featurestore.Second)

// header is that of every blob of these tests.
func header() codec.Header {
	return codec.Header{Definition: codec.Hash{1, 2, 3, 15: 9}, Key: []byte{byte(featurestore.KindString), 2, 'u', '1'}}
}

// everyPartial is a view with each aggregate of each kind of input, two windows,
// an offset, a latest value, and event ids in its second source.
func everyPartial(t testing.TB) *window.Plan {
	types := []featurestore.Type{featurestore.Bool, featurestore.Int64, featurestore.Double, featurestore.String, featurestore.Bytes, featurestore.Timestamp, featurestore.Decimal(10, 2)}
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour}, {AllowedLateness: featurestore.Hour, HasEventID: true}}}
	add := func(call agg.Call, input int) {
		f := window.Feature{Name: fmt.Sprintf("f%d", len(c.Features)), Call: call, Input: input, Where: -1, Width: featurestore.Hour}
		if len(c.Features)%3 == 0 {
			f.Width, f.Offset = featurestore.Day, featurestore.Hour
		}
		if _, err := agg.Check(call); err == nil {
			c.Features = append(c.Features, f)
		}
	}
	add(agg.Call{Func: "count"}, -1)
	add(agg.Call{Func: "time_since_last"}, -1)
	for i, typ := range types {
		for _, fn := range []string{"count", "avg", "stddev_samp", "min", "max", "first", "last", "count_distinct"} {
			add(agg.Call{Func: fn, Input: typ}, i)
		}
		add(agg.Call{Func: "count_distinct", Input: typ, Max: 2}, i)
	}
	for i, typ := range types {
		c.Features = append(c.Features, window.Feature{Name: "latest_" + typ.Kind.String(), Kind: window.Latest, Type: typ, Input: i, Where: -1})
	}
	c.Features = append(c.Features, window.Feature{Name: "latest_list", Kind: window.Latest, Type: featurestore.List(featurestore.Double), Input: len(types), Where: -1})
	p, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// goldenState is a fixed state of everyPartial: tiles of two sizes in both parts,
// a pending row, ids and sequences.
func goldenState(t testing.TB, p *window.Plan) *window.State {
	s := stateOf(p, goldenRows)
	if s.Pending() == 0 || s.Tiles() < 24 {
		t.Fatalf("the golden state has %d pending rows and %d tiles", s.Pending(), s.Tiles())
	}
	return s
}

// smallState is one that is all open.
func smallState(t testing.TB, p *window.Plan) *window.State {
	s := stateOf(p, 8)
	if s.Tiles() < 5 || len(p.AppendClosed(nil, s)) > 0 {
		t.Fatalf("the small state has %d tiles", s.Tiles())
	}
	return s
}

// earlierState has another closed part than goldenState.
func earlierState(t testing.TB, p *window.Plan) *window.State {
	s := stateOf(p, goldenRows-50)
	if closed := p.AppendClosed(nil, s); len(closed) == 0 || bytes.Equal(closed, p.AppendClosed(nil, goldenState(t, p))) {
		t.Fatal("the earlier state is not another one")
	}
	return s
}

const goldenRows = 240

func stateOf(p *window.Plan, rows int64) *window.State {
	s := new(window.State)
	for i := range rows {
		at := (i*437 - 3600) * second
		row := window.Row{Time: featurestore.EventTime(at - 100*second*(i%5)), LogTime: featurestore.LogTime(at), ID: fmt.Sprint("id", i/2)}
		row.Source, row.Generation, row.Partition, row.Offset = uint16(i%2), 1, int32(i%3), 1000+i
		if i%4 == 1 {
			row.Sequence = featurestore.StringValue(fmt.Sprint("s", i%8))
		}
		if i == goldenRows-1 {
			row.Time = featurestore.EventTime(at + 60*second)
		}
		row.Inputs = []featurestore.Value{
			featurestore.BoolValue(i%3 == 0), featurestore.Int64Value(i*i - 50), featurestore.DoubleValue(float64(i)*0.1 - 1),
			featurestore.StringValue(fmt.Sprint("v", i%7)), featurestore.BytesValue("\x00" + fmt.Sprint(i)),
			featurestore.TimestampValue(featurestore.Instant(i * second)), featurestore.DecimalValue(i * 101),
			featurestore.ListValue([]featurestore.Value{featurestore.DoubleValue(0.5), featurestore.DoubleValue(float64(i))}),
		}
		if i%6 == 2 {
			row.Inputs[2], row.Inputs[3] = featurestore.Null, featurestore.Null
		}
		p.Apply(s, &row)
	}
	p.Settle(s)
	return s
}

var rowTypes = []featurestore.Type{featurestore.Bool, featurestore.Int64, featurestore.Double, featurestore.String, featurestore.Bytes, featurestore.Timestamp, featurestore.Decimal(9, 2), featurestore.List(featurestore.String), featurestore.Bool, featurestore.Map(featurestore.Int64)}

func goldenRow() *codec.BatchRow {
	return &codec.BatchRow{
		Definition: header().Definition, Key: header().Key, Run: "2013-01-02T05:00:00Z#7", Completed: 1_357_102_800_000_000,
		Time: -1, Sequence: featurestore.StringValue("a\x00b"), AvailableAt: 86_400_000_000, File: "warehouse/day=2/part-0.parquet", FileRow: 41,
		Values: []featurestore.Value{
			featurestore.BoolValue(true), featurestore.Int64Value(-300), featurestore.DoubleValue(0.1), featurestore.StringValue("EWR"), featurestore.BytesValue("\x00\xff"),
			featurestore.TimestampValue(5), featurestore.DecimalValue(1234), featurestore.ListValue([]featurestore.Value{featurestore.StringValue("x"), featurestore.Null}),
			featurestore.Null, featurestore.MapValue([]string{"a", "b"}, []featurestore.Value{featurestore.Int64Value(1), featurestore.Int64Value(2)}),
		},
	}
}
