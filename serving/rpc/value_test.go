package rpc

import (
	"strings"
	"testing"

	"github.com/valyala/fastjson"
	"google.golang.org/protobuf/proto"

	"github.com/freshet/freshet/featurestore"
	servingv1 "github.com/freshet/freshet/serving/api/v1"
	"github.com/freshet/freshet/serving/service"
)

// columnOf is one column of lists or maps with what may go wrong in them: nulls
// among the parts, none at all, decimals and instants.
type columnOf struct {
	typ    featurestore.Type
	values []featurestore.Value
	json   string
}

func composites() []columnOf {
	null, list, m := featurestore.Null, featurestore.ListValue, featurestore.MapValue
	whole, text := featurestore.Int64Value, featurestore.StringValue
	type values = []featurestore.Value
	return []columnOf{
		{featurestore.List(featurestore.Int64), values{list(values{whole(-1), null, whole(1 << 62)}), null, list(nil), list(values{null})}, `[[-1,null,4611686018427387904],null,[],[null]]`},
		{featurestore.List(featurestore.Double), values{list(values{featurestore.DoubleValue(1), featurestore.DoubleValue(5e-324)})}, `[[1.0,5e-324]]`},
		{featurestore.List(featurestore.String), values{list(values{text(""), text("a,\""), null})}, `[["","a,\"",null]]`},
		{featurestore.List(featurestore.Bool), values{list(values{featurestore.BoolValue(false), null, featurestore.BoolValue(true)})}, `[[false,null,true]]`},
		{featurestore.List(featurestore.Bytes), values{list(values{featurestore.BytesValue("\x00\xff")})}, `[["AP8="]]`},
		{featurestore.List(featurestore.Decimal(10, 2)), values{list(values{featurestore.DecimalValue(-150), null})}, `[["-1.50",null]]`},
		{featurestore.List(featurestore.Timestamp), values{list(values{featurestore.TimestampValue(1)})}, `[["1970-01-01T00:00:00.000001Z"]]`},
		{featurestore.Map(featurestore.Int64), values{m([]string{"", "a", "é"}, values{whole(1), null, whole(3)}), m(nil, nil), null}, `[{"":1,"a":null,"é":3},{},null]`},
		{featurestore.Map(featurestore.Decimal(18, 4)), values{m([]string{"k"}, values{featurestore.DecimalValue(1)})}, `[{"k":"0.0001"}]`},
		{featurestore.Map(featurestore.List(featurestore.Timestamp)), values{m([]string{"a", "b"}, values{list(values{featurestore.TimestampValue(-1), null}), null})}, `[{"a":["1969-12-31T23:59:59.999999Z",null],"b":null}]`},
	}
}

// Lists and maps cross gRPC and HTTP bit for bit, as answers and as request data.
func TestCompositesCross(t *testing.T) {
	for _, c := range composites() {
		column := service.Column{Name: "c", Type: c.typ}
		for _, v := range c.values {
			column.Cells = append(column.Cells, featurestore.Cell{Value: v, Status: featurestore.Present})
		}
		wire, err := proto.Marshal(packColumn(&column, includeStatus))
		if err != nil {
			t.Fatal(err)
		}
		var back servingv1.Column
		if err := proto.Unmarshal(wire, &back); err != nil {
			t.Fatal(err)
		}
		got, err := unpackValues(back.GetValues(), back.GetValidity(), c.typ)
		sameValues(t, "gRPC of "+c.typ.String(), got, c.values, err)

		out := string(appendColumn(nil, &column, 0))
		if want := `{"name":"c","type":"` + c.typ.String() + `","values":` + c.json + `}`; out != want {
			t.Errorf("JSON %s, want %s", out, want)
		}
		parsed, err := fastjson.Parse(c.json)
		if err != nil {
			t.Fatal(err)
		}
		rows := -1
		in := columns{rows: &rows}
		got = in.column("/request/c", parsed, c.typ)
		if len(in.errs) > 0 {
			t.Errorf("%s: %v", c.typ, in.errs)
		}
		sameValues(t, "JSON of "+c.typ.String(), got, c.values, nil)
	}
}

func sameValues(t *testing.T, what string, got, want []featurestore.Value, err error) {
	t.Helper()
	if err != nil || len(got) != len(want) {
		t.Fatalf("%s: %d values of %d, %v", what, len(got), len(want), err)
	}
	for i := range got {
		if !got[i].Equal(want[i]) {
			t.Errorf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// What is wrong in a list or a map is refused with its place.
func TestCompositesAreChecked(t *testing.T) {
	for text, c := range map[string]struct {
		typ featurestore.Type
		err string
	}{
		`[[1, "x"]]`:         {featurestore.List(featurestore.Int64), `element 1 must be int64, is the text "x"`},
		`["x"]`:              {featurestore.List(featurestore.Int64), `must be list<int64>`},
		`[{"a":1,"a":2}]`:    {featurestore.Map(featurestore.Int64), `the key "a" stands twice`},
		`[{"a":[1,{}]}]`:     {featurestore.Map(featurestore.List(featurestore.Int64)), `key "a" element 1 must be int64, is object {}`},
		`[["2013-01-01"]]`:   {featurestore.List(featurestore.Timestamp), "no zone"},
		`[[1e400]]`:          {featurestore.List(featurestore.Double), "out of the range"},
		`[["0.12345"]]`:      {featurestore.List(featurestore.Decimal(6, 2)), "is not a decimal(6,2)"},
		`[{"a":1},["a", 1]]`: {featurestore.Map(featurestore.Int64), "must be map<string,int64>, is array"},
	} {
		rows := -1
		in := columns{rows: &rows}
		in.column("/request/c", fastjson.MustParse(text), c.typ)
		if len(in.errs) == 0 || !strings.Contains(in.errs[0].Message, c.err) {
			t.Errorf("%s as %s: %v, want %q", text, c.typ, in.errs, c.err)
		}
	}
	ints := func(validity []byte, n ...int64) *servingv1.Values {
		return &servingv1.Values{Kind: &servingv1.Values_Int64S{Int64S: &servingv1.Int64Values{Values: n}}, Validity: validity}
	}
	maps := func(keys []string, v *servingv1.Values) *servingv1.Values {
		return &servingv1.Values{Kind: &servingv1.Values_Maps{Maps: &servingv1.MapValues{Values: []*servingv1.MapValue{{Keys: keys, Values: v}}}}}
	}
	lists := func(v *servingv1.Values) *servingv1.Values {
		return &servingv1.Values{Kind: &servingv1.Values_Lists{Lists: &servingv1.ListValues{Values: []*servingv1.Values{v}}}}
	}
	for _, c := range []struct {
		v   *servingv1.Values
		typ featurestore.Type
		err string
	}{
		{lists(ints(nil, 1)), featurestore.List(featurestore.Double), "list 0: its elements must be double, is int64"},
		{lists(ints([]byte{1, 2}, 1)), featurestore.List(featurestore.Int64), "2 validity bytes for 1 values"},
		{lists(ints(nil, 1)), featurestore.Map(featurestore.Int64), "must be map<string,int64>, is list"},
		{maps([]string{"b", "a", "b"}, ints(nil, 1, 2, 3)), featurestore.Map(featurestore.Int64), `the key "b" stands twice`},
		{maps([]string{"a"}, ints(nil, 1, 2)), featurestore.Map(featurestore.Int64), "1 keys for 2 values"},
		{maps(nil, nil), featurestore.Map(featurestore.Int64), ""},
		{lists(nil), featurestore.List(featurestore.Int64), ""},
		{maps([]string{"b", "a"}, ints([]byte{2}, 1, 2)), featurestore.Map(featurestore.Int64), ""},
	} {
		_, err := unpackValues(c.v, nil, c.typ)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v as %s: %v, want %q", c.v, c.typ, err, c.err)
		}
	}
}
