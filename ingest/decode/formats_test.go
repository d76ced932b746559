package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/schema"
	"github.com/freshet/freshet/ingest/logrecord"
)

// field is a declared field, with a path where one is given.
func field(name string, t featurestore.Type, path ...string) definition.Field {
	return definition.Field{Name: name, Type: t, Path: path}
}

func sourceOf(format string, time definition.TimeSpec, fields ...definition.Field) *definition.StreamSource {
	return &definition.StreamSource{
		Meta: definition.Meta{Name: "s"}, Format: format, Timestamp: time, Fields: fields, Key: -1, EventID: -1, Sequence: -1,
	}
}

// decodeAll decodes one record to its events.
func decodeAll(t testing.TB, src *definition.StreamSource, rec logrecord.Record, o Options) ([]featurestore.Event, error) {
	t.Helper()
	d, err := New(src, o)
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	err = d.Append(&b, &rec, featurestore.PartitionID{})
	if err != nil && (len(b.Events) != 0 || len(b.values) != 0) {
		t.Errorf("a bad record left %d events, %d values", len(b.Events), len(b.values))
	}
	return b.Events, err
}

func wantCode(t *testing.T, name string, err error, code Code, says string) {
	t.Helper()
	var bad *Error
	if !errors.As(err, &bad) || bad.Code != code || !strings.Contains(bad.Error(), says) {
		t.Errorf("%s: %v, want %s with %q", name, err, code, says)
	}
}

func wantFields(t *testing.T, e featurestore.Event, src *definition.StreamSource, want ...featurestore.Value) {
	t.Helper()
	for i := range want {
		if !e.Fields[i].Equal(want[i]) {
			t.Errorf("field %s is %v, want %v", src.Fields[i].Name, e.Fields[i].Text(src.Fields[i].Type), want[i].Text(src.Fields[i].Type))
		}
	}
}

var unixMS = definition.TimeSpec{Name: "at", Format: definition.FormatUnixMS}

const second = featurestore.LogTime(1_000_000)

func TestPaths(t *testing.T) {
	src := sourceOf("json", unixMS,
		field("at", featurestore.Timestamp, "meta", "at"), field("amount", featurestore.Double, "payload", "amount"),
		field("dotted", featurestore.Int64, "payload", "a.b"), field("deep", featurestore.String, "payload", "x", "y", "z"),
		field("vec", featurestore.List(featurestore.Double)), field("scores", featurestore.Map(featurestore.Int64)))
	rec := logrecord.Record{LogTime: second, Value: []byte(`{"payload":{"other":{"amount":1},"amount":2.5,"a.b":7,"x":{"y":{"z":"w"}}},"meta":{"at":1000},"vec":[1,null,2e0],"scores":{"b":2,"a":1}}`)}
	events, err := decodeAll(t, src, rec, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantFields(t, events[0], src, featurestore.TimestampValue(1_000_000), featurestore.DoubleValue(2.5), featurestore.Int64Value(7), featurestore.StringValue("w"),
		featurestore.ListValue([]featurestore.Value{featurestore.DoubleValue(1), featurestore.Null, featurestore.DoubleValue(2)}),
		featurestore.MapValue([]string{"a", "b"}, []featurestore.Value{featurestore.Int64Value(1), featurestore.Int64Value(2)}))
	if events[0].Time != 1_000_000 {
		t.Errorf("time %s", events[0].Time)
	}
	for name, c := range map[string]struct {
		json string
		code Code
		says string
	}{
		"null on the way":        {`{"payload":null}`, CodeNoTime, "missing"},
		"no object on the way":   {`{"payload":7,"meta":{"at":1}}`, CodeType, "not an object"},
		"name twice below":       {`{"payload":{"amount":1,"amount":1}}`, CodeDuplicate, "amount"},
		"object twice":           {`{"payload":{},"payload":{}}`, CodeDuplicate, "twice"},
		"unknown twice below":    {`{"payload":{"q":1,"r":1,"q":1}}`, CodeDuplicate, "twice"},
		"list of another type":   {`{"vec":[1,"x"]}`, CodeType, "not of type double"},
		"list that is a number":  {`{"vec":1}`, CodeType, "list<double>"},
		"list that does not end": {`{"vec":[1,`, CodeJSON, "JSON value"},
		"map with a key twice":   {`{"scores":{"a":1,"a":2}}`, CodeDuplicate, "scores"},
		"deep":                   {`{"payload":{"x":{"y":` + strings.Repeat("[", 100), CodeTooDeep, "deeper"},
	} {
		_, err := decodeAll(t, src, logrecord.Record{LogTime: second, Value: []byte(c.json)}, Options{})
		wantCode(t, name, err, c.code, c.says)
	}
}

// TestEncodePaths: what the encoder writes is read where it was declared.
func TestEncodePaths(t *testing.T) {
	src := sourceOf("json", definition.TimeSpec{Name: "when", Format: definition.FormatRFC3339},
		field("a", featurestore.Int64, "x", "a"), field("plain", featurestore.String), field("b", featurestore.List(featurestore.String), "x", "y", "b"), field("c", featurestore.Map(featurestore.Double)))
	e, err := NewEncoder(src)
	if err != nil {
		t.Fatal(err)
	}
	ev := featurestore.Event{Time: 5_000_000, LogTime: 6_000_000, Fields: []featurestore.Value{
		featurestore.Int64Value(1), featurestore.StringValue("p"), featurestore.ListValue([]featurestore.Value{featurestore.StringValue("q"), featurestore.Null}),
		featurestore.MapValue([]string{"k"}, []featurestore.Value{featurestore.DoubleValue(0.5)}),
	}}
	value, err := e.AppendValue(nil, &ev)
	want := `{"when":"1970-01-01T00:00:05Z","x":{"a":1,"y":{"b":["q",null]}},"plain":"p","c":{"k":0.5}}`
	if err != nil || string(value) != want {
		t.Fatalf("%s, %v", value, err)
	}
	events, err := decodeAll(t, src, logrecord.Record{LogTime: 6_000_000, Value: value, Headers: e.AppendHeaders(nil, &ev)}, Options{Replay: true})
	if err != nil || events[0].Time != ev.Time {
		t.Fatalf("%+v, %v", events, err)
	}
	wantFields(t, events[0], src, ev.Fields...)
}

func TestRecordKey(t *testing.T) {
	number := binary.BigEndian.AppendUint64(nil, uint64(1<<63|5))
	for _, c := range []struct {
		name  string
		typ   featurestore.Type
		form  definition.KeyForm
		key   []byte
		value string
		want  featurestore.Value
		says  string
	}{
		{"text", featurestore.String, definition.KeyText, []byte("ann"), `{"at":1}`, featurestore.StringValue("ann"), ""},
		{"the value's own", featurestore.String, definition.KeyText, []byte("ann"), `{"at":1,"k":"bob"}`, featurestore.StringValue("bob"), ""},
		{"null in the value", featurestore.String, definition.KeyText, []byte("ann"), `{"at":1,"k":null}`, featurestore.StringValue("ann"), ""},
		{"no key", featurestore.String, definition.KeyText, nil, `{"at":1}`, featurestore.Null, ""},
		{"digits", featurestore.Int64, definition.KeyText, []byte("-17"), `{"at":1}`, featurestore.Int64Value(-17), ""},
		{"eight bytes", featurestore.Int64, definition.KeyInt64, number, `{"at":1}`, featurestore.Int64Value(math.MinInt64 + 5), ""},
		{"four bytes", featurestore.Int64, definition.KeyInt32, []byte{0xff, 0xff, 0xff, 0xfe}, `{"at":1}`, featurestore.Int64Value(-2), ""},
		{"bytes", featurestore.Bytes, definition.KeyText, []byte{0xff}, `{"at":1}`, featurestore.BytesValue("\xff"), ""},
		{"no UTF-8", featurestore.String, definition.KeyText, []byte{0xff}, `{"at":1}`, featurestore.Null, "UTF-8"},
		{"no digits", featurestore.Int64, definition.KeyText, []byte("x"), `{"at":1}`, featurestore.Null, "not an int64"},
		{"seven bytes", featurestore.Int64, definition.KeyInt64, number[1:], `{"at":1}`, featurestore.Null, "eight bytes"},
	} {
		src := sourceOf("json", unixMS, field("k", c.typ))
		src.Key, src.KeyForm = 0, c.form
		events, err := decodeAll(t, src, logrecord.Record{LogTime: second, Key: c.key, Value: []byte(c.value)}, Options{})
		if c.says != "" {
			wantCode(t, c.name, err, CodeKey, c.says)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		wantFields(t, events[0], src, c.want)
	}
}

func TestCSV(t *testing.T) {
	src := sourceOf("csv", definition.TimeSpec{Name: "at", Format: definition.FormatRFC3339},
		field("name", featurestore.String), field("n", featurestore.Int64), field("x", featurestore.Double), field("ok", featurestore.Bool),
		field("raw", featurestore.Bytes), field("m", featurestore.Decimal(10, 2)))
	src.Columns = []string{"at", "name", "skipped", "n", "x", "ok", "raw", "m"}
	src.Separator = ';'
	read := func(line string) ([]featurestore.Event, error) {
		return decodeAll(t, src, logrecord.Record{LogTime: second, Value: []byte(line)}, Options{})
	}
	events, err := read("1970-01-01T00:00:01Z;\"a\"\"b;\nc\";;-5;1.5e3;true;AAE=;-12.3\r\n")
	if err != nil {
		t.Fatal(err)
	}
	wantFields(t, events[0], src, featurestore.StringValue("a\"b;\nc"), featurestore.Int64Value(-5), featurestore.DoubleValue(1500), featurestore.BoolValue(true), featurestore.BytesValue("\x00\x01"), featurestore.DecimalValue(-1230))
	if events, err = read(`1970-01-01T00:00:01Z;;;;;;;`); err != nil || !events[0].Fields[0].IsNull() {
		t.Errorf("empty cells: %v, %v", events, err)
	}
	for line, c := range map[string]struct {
		code Code
		says string
	}{
		"1970-01-01T00:00:01Z;a":                           {CodeCSV, "2 columns; 8 are declared"},
		"1970-01-01T00:00:01Z;;;;;;;;":                     {CodeCSV, "9 columns"},
		"1970-01-01T00:00:01Z;\"a;;;;;;":                   {CodeCSV, "does not end"},
		"1970-01-01T00:00:01Z;\"a\"b;;;;;;":                {CodeCSV, "neither a separator"},
		"1970-01-01T00:00:01Z;a\"b;;;;;;":                  {CodeCSV, "not quoted"},
		"1970-01-01T00:00:01Z;a;;;;;;\n1970-01-01;;;;;;;;": {CodeCSV, "line break"},
		"1970-01-01T00:00:01Z;\xff;;;;;;":                  {CodeUTF8, "UTF-8"},
		"1970-01-01T00:00:01Z;;;1.5;;;;":                   {CodeType, "not an integer"},
		"1970-01-01T00:00:01Z;;;;1e400;;;":                 {CodeType, "out of range"},
		"1970-01-01T00:00:01Z;;;;NaN;;;":                   {CodeType, "double"},
		"1970-01-01T00:00:01Z;;;;0x10;;;":                  {CodeType, "double"},
		"1970-01-01T00:00:01Z;;;;;yes;;":                   {CodeType, "bool"},
		"1970-01-01T00:00:01Z;;;;;;?;":                     {CodeType, "base64"},
		"1970-01-01T00:00:01Z;;;;;;;1.234":                 {CodeType, "decimal"},
		"1970-01-01 00:00:01;;;;;;;":                       {CodeTimeNoZone, "zone"},
		";;;;;;;":                                          {CodeNoTime, "missing"},
	} {
		_, err := read(line)
		wantCode(t, line, err, c.code, c.says)
	}
}

const avroSchema = `{"type":"record","name":"Order","fields":[
 {"name":"skip1","type":{"type":"array","items":{"type":"map","values":"long"}}},
 {"name":"id","type":"long"},
 {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
 {"name":"x","type":["null","double"]},
 {"name":"f","type":"float"},
 {"name":"ok","type":"boolean"},
 {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]}},
 {"name":"total","type":["null",{"type":"record","name":"Money","fields":[{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":3}},{"name":"currency","type":"string"}]}]},
 {"name":"raw","type":{"type":"fixed","name":"Four","size":4}},
 {"name":"tags","type":{"type":"array","items":["null","string"]}},
 {"name":"scores","type":{"type":"map","values":"int"}},
 {"name":"mixed","type":["null","string","long"]},
 {"name":"skip2","type":["null","Money","State","Four","bytes","boolean","float","double"]}]}`

func avroSource(t testing.TB) *definition.StreamSource {
	t.Helper()
	src := sourceOf("avro", definition.TimeSpec{Name: "at", Format: definition.FormatNative},
		field("id", featurestore.Int64), field("x", featurestore.Double), field("f", featurestore.Double), field("ok", featurestore.Bool), field("state", featurestore.String),
		field("amount", featurestore.Decimal(10, 2), "total", "amount"), field("raw", featurestore.Bytes), field("tags", featurestore.List(featurestore.String)),
		field("scores", featurestore.Map(featurestore.Int64)), field("mixed", featurestore.String), field("none", featurestore.Int64))
	parsed, err := schema.ParseAvro(avroSchema)
	if err != nil {
		t.Fatal(err)
	}
	src.Schema = &definition.SchemaRef{File: "order.avsc", Avro: parsed}
	return src
}

func avroOrder() map[string]any {
	return map[string]any{
		"skip1": []any{map[string]any{"a": int64(1)}, map[string]any{}}, "id": int64(-7), "at": int64(1000), "x": 2.5, "f": float32(0.5), "ok": true, "state": "PAID",
		"total": map[string]any{"amount": big.NewRat(12340, 1000), "currency": "EUR"}, "raw": []byte{1, 2, 3, 4}, "tags": []any{"a", nil}, "scores": map[string]any{"b": int32(2), "a": int32(1)},
		"mixed": "m", "skip2": []byte("x"),
	}
}

func avroBytes(t testing.TB, text string, v any) []byte {
	t.Helper()
	b, err := avro.MustParse(text).Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAvro(t *testing.T) {
	src := avroSource(t)
	good := avroBytes(t, avroSchema, avroOrder())
	events, err := decodeAll(t, src, logrecord.Record{LogTime: second, Value: good}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantFields(t, events[0], src, featurestore.Int64Value(-7), featurestore.DoubleValue(2.5), featurestore.DoubleValue(0.5), featurestore.BoolValue(true), featurestore.StringValue("PAID"),
		featurestore.DecimalValue(1234), featurestore.BytesValue("\x01\x02\x03\x04"), featurestore.ListValue([]featurestore.Value{featurestore.StringValue("a"), featurestore.Null}),
		featurestore.MapValue([]string{"a", "b"}, []featurestore.Value{featurestore.Int64Value(1), featurestore.Int64Value(2)}), featurestore.StringValue("m"), featurestore.Null)
	if events[0].Time != 1_000_000 {
		t.Errorf("time %s", events[0].Time)
	}
	change := func(name string, v any) []byte {
		o := avroOrder()
		o[name] = v
		return avroBytes(t, avroSchema, o)
	}
	for name, c := range map[string]struct {
		value []byte
		code  Code
		says  string
	}{
		"trailing bytes":    {append(bytes.Clone(good), 0), CodeAvro, "1 bytes follow"},
		"other branch":      {change("mixed", int64(3)), CodeType, "an integer"},
		"decimal too fine":  {change("total", map[string]any{"amount": big.NewRat(12345, 1000), "currency": "E"}), CodeType, "amount"},
		"decimal too large": {change("total", map[string]any{"amount": big.NewRat(100_000_000, 1), "currency": "E"}), CodeType, "out of range"},
		"year 10000":        {change("at", int64(253402300800_000)), CodeTime, "9999"},
		"before year 1":     {change("at", int64(math.MinInt64)), CodeTime, "9999"},
		"ahead":             {change("at", int64(301_001+1000)), CodeAhead, "after the log time"},
		"empty":             {nil, CodeEmpty, "no value"},
		"too large":         {make([]byte, 1<<20+1), CodeTooLarge, "bytes"},
	} {
		_, err := decodeAll(t, src, logrecord.Record{LogTime: second, Value: c.value}, Options{})
		wantCode(t, name, err, c.code, c.says)
	}
	for cut := 1; cut < len(good); cut++ {
		_, err := decodeAll(t, src, logrecord.Record{LogTime: second, Value: good[:cut]}, Options{})
		wantCode(t, fmt.Sprintf("cut at %d", cut), err, CodeAvro, "byte")
	}
}

// TestAvroValuesWithoutBytes: what takes no bytes cannot be repeated for ever.
func TestAvroValuesWithoutBytes(t *testing.T) {
	text := `{"type":"record","name":"R","fields":[{"name":"at","type":"long"},{"name":"nulls","type":{"type":"array","items":"null"}},{"name":"self","type":["null","R"]}]}`
	parsed, err := schema.ParseAvro(text)
	if err != nil {
		t.Fatal(err)
	}
	src := sourceOf("avro", unixMS, field("at", featurestore.Timestamp))
	src.Schema = &definition.SchemaRef{File: "r.avsc", Avro: parsed}
	bomb := binary.AppendVarint(binary.AppendVarint(nil, 1), 1<<40)
	_, err = decodeAll(t, src, logrecord.Record{LogTime: second, Value: append(bomb, 0, 0)}, Options{})
	wantCode(t, "nulls", err, CodeTooLarge, "more values")
	deep := bytes.Repeat([]byte{2, 0, 2}, 10_000)
	_, err = decodeAll(t, src, logrecord.Record{LogTime: second, Value: deep}, Options{})
	wantCode(t, "deep", err, CodeTooDeep, "nested")
}

const protoSchema = `syntax = "proto3";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum State { NEW = 0; PAID = 1; }
message Money { double amount = 1; }
message Order {
  int64 id = 1; sint32 z = 2; fixed64 big = 3; sfixed32 s32 = 4; uint64 u = 5; float f = 6;
  google.protobuf.Timestamp at = 7; optional int32 count = 8; State state = 9; Money total = 10;
  repeated string tags = 11; repeated int32 packed = 12; map<string, double> scores = 13;
  google.protobuf.StringValue note = 14; google.protobuf.Int64Value wrapped = 15; bytes raw = 16; bool ok = 17; google.protobuf.DoubleValue zero = 18;
}`

func protoSource(t testing.TB) *definition.StreamSource {
	t.Helper()
	src := sourceOf("protobuf", definition.TimeSpec{Name: "at", Format: definition.FormatNative},
		field("id", featurestore.Int64), field("z", featurestore.Int64), field("big", featurestore.Int64), field("s32", featurestore.Int64), field("u", featurestore.Int64),
		field("f", featurestore.Double), field("count", featurestore.Int64), field("state", featurestore.String), field("amount", featurestore.Double, "total", "amount"),
		field("tags", featurestore.List(featurestore.String)), field("packed", featurestore.List(featurestore.Int64)), field("scores", featurestore.Map(featurestore.Double)),
		field("note", featurestore.String), field("wrapped", featurestore.Int64), field("raw", featurestore.Bytes), field("ok", featurestore.Bool), field("zero", featurestore.Double))
	m, err := schema.ParseProto("order.proto", protoSchema, "Order", nil)
	if err != nil {
		t.Fatal(err)
	}
	src.Schema = &definition.SchemaRef{File: "order.proto", Message: "Order", Proto: m}
	return src
}

func protoBytes(t testing.TB, json string) []byte {
	t.Helper()
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"order.proto": protoSchema})})}
	files, err := c.Compile(t.Context(), "order.proto")
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(files[0].Messages().ByName("Order"))
	if err := protojson.Unmarshal([]byte(json), m); err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestProtobuf(t *testing.T) {
	src := protoSource(t)
	good := protoBytes(t, `{"id":"-7","z":-3,"big":"9","s32":-4,"u":"5","f":0.5,"at":"1970-01-01T00:00:01.000001Z","count":0,"state":"PAID","total":{"amount":2.5},
		"tags":["a","b"],"packed":[1,-2],"scores":{"b":2,"a":1},"note":"n","wrapped":"0","raw":"AQI=","ok":true,"zero":0}`)
	events, err := decodeAll(t, src, logrecord.Record{LogTime: second, Value: good}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	text := featurestore.StringValue
	wantFields(t, events[0], src, featurestore.Int64Value(-7), featurestore.Int64Value(-3), featurestore.Int64Value(9), featurestore.Int64Value(-4), featurestore.Int64Value(5),
		featurestore.DoubleValue(0.5), featurestore.Int64Value(0), text("PAID"), featurestore.DoubleValue(2.5), featurestore.ListValue([]featurestore.Value{text("a"), text("b")}),
		featurestore.ListValue([]featurestore.Value{featurestore.Int64Value(1), featurestore.Int64Value(-2)}),
		featurestore.MapValue([]string{"a", "b"}, []featurestore.Value{featurestore.DoubleValue(1), featurestore.DoubleValue(2)}),
		text("n"), featurestore.Int64Value(0), featurestore.BytesValue("\x01\x02"), featurestore.BoolValue(true), featurestore.DoubleValue(0))
	if events[0].Time != 1_000_001 {
		t.Errorf("time %s", events[0].Time)
	}
	// Absent: the zero where the schema has no presence, null where it has.
	events, err = decodeAll(t, src, logrecord.Record{LogTime: second, Value: protoBytes(t, `{"at":"1970-01-01T00:00:01Z"}`)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	zero := featurestore.Int64Value(0)
	wantFields(t, events[0], src, zero, zero, zero, zero, zero, featurestore.DoubleValue(0), featurestore.Null, text("NEW"), featurestore.Null,
		featurestore.ListValue(nil), featurestore.ListValue(nil), featurestore.MapValue(nil, nil), featurestore.Null, featurestore.Null, featurestore.BytesValue(""), featurestore.BoolValue(false), featurestore.Null)
	at := protoBytes(t, `{"at":"1970-01-01T00:00:01Z"}`)
	for name, c := range map[string]struct {
		value []byte
		code  Code
		says  string
	}{
		"no time":          {protoBytes(t, `{"id":"1"}`), CodeNoTime, "missing"},
		"nanoseconds":      {protoBytes(t, `{"at":"1970-01-01T00:00:01.0000001Z"}`), CodeTime, "microseconds"},
		"unknown enum":     {append(bytes.Clone(at), 9<<3, 7), CodeType, "no such number"},
		"uint64 too large": {protoBytes(t, `{"u":"18446744073709551615"}`), CodeType, "out of range"},
		"wrong wire type":  {append(bytes.Clone(at), 1<<3|2, 0), CodeProtobuf, "wire type"},
		"group":            {append(bytes.Clone(at), 1<<3|3, 1<<3|4), CodeProtobuf, "wire type"},
		"text in UTF-16":   {append(bytes.Clone(at), 14<<3|2, 3, 1<<3|2, 1, 0xff), CodeUTF8, "UTF-8"},
		"field 0":          {[]byte{0, 0}, CodeProtobuf, "expected a field"},
	} {
		_, err := decodeAll(t, src, logrecord.Record{LogTime: second, Value: c.value}, Options{})
		wantCode(t, name, err, c.code, c.says)
	}
	for cut := 1; cut < len(good); cut++ {
		if _, err := decodeAll(t, src, logrecord.Record{LogTime: second, Value: good[:cut]}, Options{}); err != nil {
			var bad *Error
			if !errors.As(err, &bad) {
				t.Errorf("cut at %d: %v", cut, err)
			}
		}
	}
}
