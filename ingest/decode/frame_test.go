package decode

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// registryOf answers from memory and counts.
type registryOf struct {
	schemas map[logrecord.SchemaID]*logrecord.Schema
	down    bool
	calls   int
}

func (r *registryOf) Schema(id logrecord.SchemaID) (*logrecord.Schema, error) {
	r.calls++
	if r.down {
		return nil, featurestore.Unavailablef("the registry is down")
	}
	if s, ok := r.schemas[id]; ok {
		return s, nil
	}
	return nil, featurestore.NotFoundf("no schema %s", id)
}

var guid = logrecord.SchemaID{ByGUID: true, GUID: [16]byte{0x89, 0x79, 15: 1}}

func framed(id uint32, more ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), more...)
}

const small = `{"type":"record","name":"R","fields":[{"name":"at","type":"long"},{"name":"n","type":"int"}]}`

func TestFraming(t *testing.T) {
	registry := &registryOf{schemas: map[logrecord.SchemaID]*logrecord.Schema{
		{Number: 1}: {Text: small}, guid: {Text: small},
		{Number: 2}: {Text: `{"type":"record","name":"R","fields":[{"name":"at","type":"long"},{"name":"n","type":"string"}]}`},
		{Number: 3}: {Kind: logrecord.ProtobufSchema, Text: `syntax = "proto3"; import "m.proto"; message A { int64 at = 1; } message B { message C { int64 at = 1; M m = 2; } }`,
			References: []logrecord.SchemaReference{{Name: "m.proto", Text: `syntax = "proto3"; message M { int64 n = 1; }`}}},
		{Number: 4}: {Text: `{"type":"record","name":"R","fields":[{"name":"at","type":"long"}]}`},
		{Number: 5}: {Text: `nonsense`},
		{Number: 6}: {Kind: logrecord.JSONSchema, Text: `{}`},
	}}
	body := avroBytes(t, small, map[string]any{"at": int64(1), "n": int32(7)})
	fields := []definition.Field{field("at", featurestore.Timestamp), field("n", featurestore.Int64)}
	avro, protobuf, json := sourceOf("avro", unixMS, fields...), sourceOf("protobuf", unixMS, fields...), sourceOf("json", unixMS, fields...)
	protobuf.Fields = []definition.Field{fields[0], field("n", featurestore.Int64, "m", "n")}
	envelopes := changes()
	for _, s := range []*definition.StreamSource{avro, protobuf, json, envelopes} {
		s.Schema = &definition.SchemaRef{Subject: "s-value"}
	}
	header := func(v ...byte) logrecord.Headers { return logrecord.Headers(nil).Append(headerSchemaID, v) }
	for _, c := range []struct {
		name    string
		src     *definition.StreamSource
		value   []byte
		headers logrecord.Headers
		want    featurestore.Value
		code    Code
		says    string
	}{
		{"number", avro, framed(1, body...), nil, featurestore.Int64Value(7), "", ""},
		{"GUID", avro, append(append([]byte{1}, guid.GUID[:]...), body...), nil, featurestore.Int64Value(7), "", ""},
		{"number in a header", avro, body, header(framed(1)...), featurestore.Int64Value(7), "", ""},
		{"GUID in a header", avro, body, header(append([]byte{1}, guid.GUID[:]...)...), featurestore.Int64Value(7), "", ""},
		{"field not in the schema", avro, framed(4, 2), nil, featurestore.Null, "", ""},
		{"unknown id", avro, framed(99, body...), nil, featurestore.Null, CodeSchemaID, "no schema 99"},
		{"unknown magic", avro, append([]byte{7, 0, 0, 0, 1}, body...), nil, featurestore.Null, CodeSchemaID, "name no schema"},
		{"too short", avro, []byte{0, 0, 0}, nil, featurestore.Null, CodeSchemaID, "name no schema"},
		{"another type", avro, framed(2, body...), nil, featurestore.Null, CodeSchema, "schema 2"},
		{"no schema at all", avro, framed(5, body...), nil, featurestore.Null, CodeSchema, "not an Avro schema"},
		{"Protobuf for Avro", avro, framed(3, body...), nil, featurestore.Null, CodeSchema, "not an Avro schema"},
		{"nothing behind", avro, framed(1), nil, featurestore.Null, CodeAvro, "expected a number"},
		{"first message", protobuf, framed(3, 0, 8, 1), nil, featurestore.Null, "", ""},
		{"nested message", protobuf, framed(3, 4, 2, 0, 8, 1, 18, 2, 8, 7), nil, featurestore.Int64Value(7), "", ""},
		{"nested message by header", protobuf, []byte{8, 1, 18, 2, 8, 7}, header(framed(3, 4, 2, 0)...), featurestore.Int64Value(7), "", ""},
		{"no such message", protobuf, framed(3, 2, 18), nil, featurestore.Null, CodeSchema, "no message"},
		{"index cut", protobuf, framed(3, 4), nil, featurestore.Null, CodeSchemaID, "which message"},
		{"JSON", json, framed(77, []byte(`{"at":1,"n":7}`)...), nil, featurestore.Int64Value(7), "", ""},
		{"JSON without", json, []byte(`{"at":1,"n":7}`), nil, featurestore.Null, CodeSchemaID, "name no schema"},
		{"JSON of nothing", json, framed(77), nil, featurestore.Null, CodeEmpty, "no value"},
		{"changes in JSON", envelopes, framed(6, []byte(envelopeOf("c", "null", row(1, 2, 10)))...), nil, featurestore.DoubleValue(2), "", ""},
	} {
		events, err := decodeAll(t, c.src, logrecord.Record{LogTime: second, Value: c.value, Headers: c.headers}, Options{Schemas: registry})
		if c.code != "" {
			wantCode(t, c.name, err, c.code, c.says)
		} else if err != nil || !events[0].Fields[1].Equal(c.want) {
			t.Errorf("%s: %v, %v", c.name, events, err)
		}
	}
}

// TestRegistryDown: nothing is known of a record whose schema cannot be asked
// for; what was asked before is still known.
func TestRegistryDown(t *testing.T) {
	registry := &registryOf{schemas: map[logrecord.SchemaID]*logrecord.Schema{{Number: 1}: {Text: small}}}
	src := sourceOf("avro", unixMS, field("n", featurestore.Int64))
	src.Schema = &definition.SchemaRef{Subject: "s-value"}
	d, err := New(src, Options{Schemas: registry})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	rec := logrecord.Record{LogTime: second, Value: framed(1, 2, 14)}
	if err := d.Append(&b, &rec, featurestore.PartitionID{}); err != nil {
		t.Fatal(err)
	}
	registry.down = true
	if err := d.Append(&b, &rec, featurestore.PartitionID{}); err != nil || registry.calls != 1 {
		t.Errorf("%v after %d calls", err, registry.calls)
	}
	other := logrecord.Record{LogTime: second, Value: framed(2, 2, 14)}
	err = d.Append(&b, &other, featurestore.PartitionID{})
	var bad *Error
	if errors.As(err, &bad) || !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("down: %v", err)
	}
	none, err := New(src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := none.Append(&b, &rec, featurestore.PartitionID{}); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("no registry: %v", err)
	}
}

// TestPushed: JSON that we write is read whatever the format.
func TestPushed(t *testing.T) {
	csv := sourceOf("csv", unixMS, field("at", featurestore.Timestamp), field("n", featurestore.Int64))
	for _, src := range []*definition.StreamSource{avroSource(t), protoSource(t), csv, sourceOf("json", unixMS, field("id", featurestore.Int64))} {
		d, err := New(src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		at := `1000`
		if src.Timestamp.Format == definition.FormatNative {
			at = `"1970-01-01T00:00:01Z"`
		}
		rec := d.Pushed([]byte(`{"at":`+at+`,"id":5,"n":5}`), second)
		var b Batch
		if err := d.Append(&b, &rec, featurestore.PartitionID{}); err != nil || b.Events[0].Time != 1_000_000 {
			t.Errorf("%s: %v, %+v", src.Format, err, b.Events)
		}
	}
}
