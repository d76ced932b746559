package featurestore

import (
	"strings"
	"testing"
)

// Values of every type, lists and maps with nulls among them, come back bit for
// bit.
func TestJSONKeepsBits(t *testing.T) {
	null, whole, text := Null, Int64Value, StringValue
	for _, c := range []struct {
		typ  Type
		v    Value
		want string
	}{
		{Int64, whole(-9223372036854775808), "-9223372036854775808"},
		{Double, DoubleValue(1), "1.0"},
		{Double, DoubleValue(5e-324), "5e-324"},
		{Bytes, BytesValue("\x00\xff"), `"AP8="`},
		{Timestamp, TimestampValue(1), `"1970-01-01T00:00:00.000001Z"`},
		{Decimal(18, 3), DecimalValue(-1500), `"-1.500"`},
		{List(Double), ListValue([]Value{DoubleValue(0.1), null, DoubleValue(1e300)}), `[0.1,null,1e+300]`},
		{List(Int64), ListValue(nil), `[]`},
		{List(Decimal(6, 2)), ListValue([]Value{DecimalValue(150), null}), `["1.50",null]`},
		{List(Timestamp), ListValue([]Value{TimestampValue(-1)}), `["1969-12-31T23:59:59.999999Z"]`},
		{Map(Int64), MapValue([]string{"", "a\"", "é"}, []Value{whole(1), null, whole(3)}), `{"":1,"a\"":null,"é":3}`},
		{Map(Bool), MapValue(nil, nil), `{}`},
		{Map(List(String)), MapValue([]string{"k"}, []Value{ListValue([]Value{text("x"), text("null")})}), `{"k":["x","null"]}`},
		{List(Map(Bytes)), ListValue([]Value{MapValue([]string{"k"}, []Value{BytesValue("a")}), null}), `[{"k":"YQ=="},null]`},
		{List(String), null, "null"},
	} {
		got := string(AppendJSON(nil, c.v, c.typ))
		back, err := ParseJSON(got, c.typ)
		if got != c.want || err != nil || !back.Equal(c.v) {
			t.Errorf("%s: %s, want %s; read back as %v, %v", c.typ, got, c.want, back, err)
		}
	}
}

func TestParseJSON(t *testing.T) {
	v, err := ParseJSON(` { "b" : 1 , "a" : 2.50 } `, Map(Decimal(6, 2)))
	if want := MapValue([]string{"a", "b"}, []Value{DecimalValue(250), DecimalValue(100)}); err != nil || !v.Equal(want) {
		t.Errorf("%v, %v", v, err)
	}
	for text, c := range map[string]struct {
		typ Type
		err string
	}{
		`[1, 2.5]`:        {List(Int64), "invalid syntax"},
		`[1] [2]`:         {List(Int64), "something follows"},
		`{"a":1,"a":2}`:   {Map(Int64), "stands twice"},
		`[1`:              {List(Int64), "not JSON"},
		`{"a":1}`:         {List(Int64), "is not list<int64>"},
		`"x"`:             {List(Int64), "is not list<int64>"},
		`[true]`:          {List(Int64), "is not int64"},
		`[1e400]`:         {List(Double), "out of range"},
		`["2013-01-01"]`:  {List(Timestamp), "no zone"},
		`[1.555]`:         {List(Decimal(6, 2)), "is not a decimal"},
		`["!"]`:           {List(Bytes), "base64"},
		``:                {List(Int64), "not JSON"},
		`[[1]]`:           {List(Int64), "is not int64"},
		`{"a":{"b":"c"}}`: {Map(Map(Int64)), "is not int64"},
	} {
		if v, err := ParseJSON(text, c.typ); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s as %s: %v, %v; want %q", text, c.typ, v, err, c.err)
		}
	}
}
