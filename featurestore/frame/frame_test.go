package frame

import (
	"context"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

var (
	csv      = Field{Type: featurestore.String, Native: "VARCHAR", Text: true}
	varchar  = Field{Type: featurestore.String, Native: "VARCHAR"}
	bigint   = Field{Type: featurestore.Int64, Native: "BIGINT"}
	double   = Field{Type: featurestore.Double, Native: "DOUBLE"}
	instants = Field{Type: featurestore.Timestamp, Native: "TIMESTAMP WITH TIME ZONE"}
	walls    = Field{Type: featurestore.Timestamp, Native: "TIMESTAMP", Zoneless: true}
	ints     = Field{Type: featurestore.List(featurestore.Int64), Native: "BIGINT[]"}
	wallList = Field{Type: featurestore.List(featurestore.Timestamp), Native: "TIMESTAMP[]", Zoneless: true}
	money    = Field{Type: featurestore.Decimal(6, 2), Native: "DECIMAL(6,2)"}
)

func TestInto(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	text, whole := featurestore.StringValue, featurestore.Int64Value
	list := func(elems ...featurestore.Value) featurestore.Value { return featurestore.ListValue(elems) }
	wall := featurestore.TimestampValue(1577836800000000) // midnight of 2020-01-01
	for _, c := range []struct {
		name string
		from Field
		to   featurestore.Type
		zone *time.Location
		in   featurestore.Value
		want featurestore.Value
		err  string
	}{
		{"text of CSV", csv, featurestore.Int64, nil, text("-7"), whole(-7), ""},
		{"not a number", csv, featurestore.Int64, nil, text("7.0"), featurestore.Null, `"7.0" is not an int64`},
		{"out of range", csv, featurestore.Double, nil, text("1e400"), featurestore.Null, "is not a double"},
		{"NaN as text", csv, featurestore.Double, nil, text("NaN"), featurestore.Null, "is not a double"},
		{"bool", csv, featurestore.Bool, nil, text("true"), featurestore.BoolValue(true), ""},
		{"not a bool", csv, featurestore.Bool, nil, text("1"), featurestore.Null, "write true or false"},
		{"bytes", csv, featurestore.Bytes, nil, text("AP8="), featurestore.BytesValue("\x00\xff"), ""},
		{"decimal", csv, featurestore.Decimal(6, 2), nil, text("1.5"), featurestore.DecimalValue(150), ""},
		{"decimal cut", csv, featurestore.Decimal(6, 2), nil, text("1.555"), featurestore.Null, "is not a decimal(6,2)"},
		{"null", csv, featurestore.Int64, nil, featurestore.Null, featurestore.Null, ""},
		{"typed text is no number", varchar, featurestore.Int64, nil, text("1"), featurestore.Null, "is VARCHAR, not int64"},
		{"text as time", varchar, featurestore.Timestamp, nil, text("1970-01-01T01:00:01+01:00"), featurestore.TimestampValue(1000000), ""},
		{"whole number as double", bigint, featurestore.Double, nil, whole(3), featurestore.DoubleValue(3), ""},
		{"inexact double", bigint, featurestore.Double, nil, whole(1<<53 + 1), featurestore.Null, "has no exact double"},
		{"double is no integer", double, featurestore.Int64, nil, featurestore.DoubleValue(1), featurestore.Null, "is DOUBLE, not int64"},
		{"whole number as decimal", bigint, featurestore.Decimal(6, 2), nil, whole(3), featurestore.DecimalValue(300), ""},
		{"wider decimal", money, featurestore.Decimal(9, 3), nil, featurestore.DecimalValue(-150), featurestore.DecimalValue(-1500), ""},
		{"narrower decimal", money, featurestore.Decimal(9, 1), nil, featurestore.DecimalValue(1), featurestore.Null, "cannot hold"},
		{"instant", instants, featurestore.Timestamp, newYork, wall, wall, ""},
		{"wall time", walls, featurestore.Timestamp, newYork, wall, featurestore.TimestampValue(1577836800000000 + 5*3600000000), ""},
		{"JSON as list", csv, featurestore.List(featurestore.Double), nil, text("[1, null]"), list(featurestore.DoubleValue(1), featurestore.Null), ""},
		{"JSON as map", csv, featurestore.Map(featurestore.Int64), nil, text(`{"b":2,"a":1}`), featurestore.MapValue([]string{"a", "b"}, []featurestore.Value{whole(1), whole(2)}), ""},
		{"JSON of another type", csv, featurestore.List(featurestore.Int64), nil, text("[1.5]"), featurestore.Null, "invalid syntax"},
		{"list", ints, featurestore.List(featurestore.Int64), nil, list(whole(1), featurestore.Null), list(whole(1), featurestore.Null), ""},
		{"list of whole numbers as doubles", ints, featurestore.List(featurestore.Double), nil, list(whole(1)), list(featurestore.DoubleValue(1)), ""},
		{"an element without an exact double", ints, featurestore.List(featurestore.Double), nil, list(whole(1<<53 + 1)), featurestore.Null, "has no exact double"},
		{"null list", ints, featurestore.List(featurestore.Double), nil, featurestore.Null, featurestore.Null, ""},
		{"list of other things", ints, featurestore.List(featurestore.String), nil, list(), featurestore.Null, "is BIGINT[], not string"},
		{"a list is no map", ints, featurestore.Map(featurestore.Int64), nil, list(), featurestore.Null, "is BIGINT[], not map<string,int64>"},
		{"list of wall times", wallList, featurestore.List(featurestore.Timestamp), newYork, list(wall), list(featurestore.TimestampValue(1577836800000000 + 5*3600000000)), ""},
		{"list of wall times without zone", wallList, featurestore.List(featurestore.Timestamp), nil, list(wall), featurestore.Null, "has no zone"},
		{"wall time without zone", walls, featurestore.Timestamp, nil, wall, featurestore.Null, "has no zone"},
	} {
		cast, err := Into(c.from, c.to, c.zone)
		got := featurestore.Null
		if err == nil {
			got, err = cast(c.in)
		}
		switch {
		case c.err == "" && (err != nil || !got.Equal(c.want)):
			t.Errorf("%s: got %v, %v", c.name, got, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error %v, want %s", c.name, err, c.err)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		name string
		from Field
		spec definition.TimeSpec
		in   featurestore.Value
		want string
		err  string
	}{
		{"unix_s", bigint, definition.TimeSpec{Format: definition.FormatUnixS}, featurestore.Int64Value(-1), "1969-12-31T23:59:59Z", ""},
		{"unix_ms text", csv, definition.TimeSpec{Format: definition.FormatUnixMS}, featurestore.StringValue("1500"), "1970-01-01T00:00:01.5Z", ""},
		{"unix_s out of range", bigint, definition.TimeSpec{Format: definition.FormatUnixS}, featurestore.Int64Value(1 << 60), "", "out of range"},
		{"after 9999", bigint, definition.TimeSpec{Format: definition.FormatUnixUS}, featurestore.Int64Value(1 << 60), "", "between the years"},
		{"layout", varchar, definition.TimeSpec{Format: definition.FormatLayout, Layout: "02.01.2006 15:04", Zone: time.UTC}, featurestore.StringValue("03.02.1970 01:00"), "1970-02-03T01:00:00Z", ""},
		{"layout without zone", varchar, definition.TimeSpec{Format: definition.FormatLayout, Layout: "02.01.2006"}, featurestore.StringValue("03.02.1970"), "", "has no zone"},
		{"native beside any format", instants, definition.TimeSpec{Format: definition.FormatUnixS}, featurestore.TimestampValue(5), "1970-01-01T00:00:00.000005Z", ""},
		{"native of text", varchar, definition.TimeSpec{Format: definition.FormatNative}, featurestore.StringValue("x"), "", "not a timestamp"},
		{"number as text", double, definition.TimeSpec{Format: definition.FormatRFC3339}, featurestore.DoubleValue(1), "", "not the text of a time"},
	} {
		cast, err := Times(c.from, &c.spec)
		got := featurestore.Null
		if err == nil {
			got, err = cast(c.in)
		}
		switch {
		case c.err == "" && (err != nil || got.Timestamp().String() != c.want):
			t.Errorf("%s: got %s, %v", c.name, got.Timestamp(), err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error %v, want %s", c.name, err, c.err)
		}
	}
}

// What is appended, set or sliced is read back.
func TestColumnsHoldValues(t *testing.T) {
	kinds := []featurestore.Type{featurestore.Bool, featurestore.Int64, featurestore.Double, featurestore.String, featurestore.Bytes, featurestore.Timestamp, featurestore.Decimal(9, 2), featurestore.List(featurestore.Int64), featurestore.Map(featurestore.Int64)}
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(kinds).Draw(t, "type")
		var values []featurestore.Value
		appended, set := Column{Field: Field{Type: typ}}, Column{Field: Field{Type: typ}}
		n := rapid.IntRange(1, 20).Draw(t, "n")
		set.Resize(n)
		for i := range n {
			v := draw(t, typ)
			values = append(values, v)
			appended.Append(v)
			set.Set(i, v)
		}
		lo := rapid.IntRange(0, n-1).Draw(t, "lo")
		part := (&Frame{Columns: []Column{appended}}).Slice(lo, n)
		for i, v := range values {
			if !appended.Value(i).Equal(v) || !set.Value(i).Equal(v) || i >= lo && !part.Columns[0].Value(i-lo).Equal(v) {
				t.Fatalf("value %d of %s is %v, %v, want %v", i, typ, appended.Value(i), set.Value(i), v)
			}
		}
	})
}

func draw(t *rapid.T, typ featurestore.Type) featurestore.Value {
	if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return featurestore.Null
	}
	n := rapid.Int64().Draw(t, "value")
	switch typ.Kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(n%2 == 0)
	case featurestore.KindDouble:
		return featurestore.DoubleValue(float64(n) / 3)
	case featurestore.KindString:
		return featurestore.StringValue(rapid.String().Draw(t, "text"))
	case featurestore.KindBytes:
		return featurestore.BytesValue("\x00\xff")
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(n))
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(n)
	case featurestore.KindList:
		return featurestore.ListValue([]featurestore.Value{featurestore.Int64Value(n), featurestore.Null})
	case featurestore.KindMap:
		return featurestore.MapValue([]string{"", "k"}, []featurestore.Value{featurestore.Null, featurestore.Int64Value(n)})
	default:
		return featurestore.Int64Value(n)
	}
}

func TestMemorySortIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := Order{Fields: []Field{bigint}, Keys: 1}
	err := Memory{}.Sort(ctx, o, func(add func(*Frame) error) error {
		f := New(o.Fields)
		f.Columns[0].AppendInt(1)
		cancel()
		return add(f)
	}, func(*Frame) error { return nil })
	if err == nil {
		t.Error("a cancelled sort went on")
	}
}
