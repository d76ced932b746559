package decode

import (
	"errors"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/schema"
	"github.com/freshet/freshet/ingest/logrecord"
)

// fuzzDecoder holds a decoder to its promises: any bytes give whole events of the
// declared types, or an *Error and nothing else.
func fuzzDecoder(f *testing.F, src *definition.StreamSource, seeds ...[]byte) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s, []byte{})
	}
	registry := &registryOf{schemas: map[logrecord.SchemaID]*logrecord.Schema{{Number: 1}: {Text: small}}}
	d, err := New(src, Options{Schemas: registry})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value, key []byte) {
		var b Batch
		rec := logrecord.Record{LogTime: second, Value: value, Key: key}
		err := d.Append(&b, &rec, featurestore.PartitionID{})
		if err != nil {
			if bad := (*Error)(nil); !errors.As(err, &bad) || len(b.Events) != 0 || bad.Code == "" || bad.Message == "" {
				t.Fatalf("%v, %d events", err, len(b.Events))
			}
			return
		}
		if len(b.Events) > 2 || len(b.Events) != 1 && !src.Changes() {
			t.Fatalf("%d events", len(b.Events))
		}
		for i := range b.Events {
			ev := &b.Events[i]
			if ev.Ahead() || (ev.Change != featurestore.NoChange) != src.Changes() || len(ev.Fields) != len(src.Fields) {
				t.Fatalf("%+v", ev)
			}
			for k, v := range ev.Fields {
				if v.Kind() != featurestore.KindNull && v.Kind() != src.Fields[k].Type.Kind {
					t.Fatalf("field %q is %s", src.Fields[k].Name, v.Kind())
				}
			}
		}
	})
}

func FuzzJSONPaths(f *testing.F) {
	fuzzDecoder(f, sourceOf("json", unixMS, field("at", featurestore.Timestamp, "m", "at"), field("a", featurestore.Double, "p", "a"),
		field("v", featurestore.List(featurestore.Double)), field("s", featurestore.Map(featurestore.String))),
		[]byte(`{"m":{"at":1},"p":{"a":1e3},"v":[1,2],"s":{"a":"b"}}`))
}

// FuzzUsual: a decoder that has seen many records, and so takes short cuts, gives
// what a new one gives, which takes none; and so it does after any other record.
func FuzzUsual(f *testing.F) {
	usualSeeds(f)
	f.Fuzz(func(t *testing.T, before, value []byte, millis bool) {
		format := definition.FormatRFC3339
		if millis {
			format = definition.FormatUnixMS
		}
		fresh, err := New(usualSource(format), Options{})
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := decodeWith(fresh, value)
		again, againErr := decodeWith(fresh, value)
		wantSame(t, again, want, againErr, wantErr)
		used, _ := New(usualSource(format), Options{})
		for range 2 {
			_, _ = decodeWith(used, before)
		}
		got, gotErr := decodeWith(used, value)
		wantSame(t, got, want, gotErr, wantErr)
	})
}

func FuzzCSV(f *testing.F) {
	src := sourceOf("csv", unixMS, field("at", featurestore.Timestamp), field("s", featurestore.String), field("d", featurestore.Double), field("m", featurestore.Decimal(9, 2)))
	fuzzDecoder(f, src, []byte(`1,"a ""b""",1.5,-2.25`), []byte("1,,,\r\n"))
}

func FuzzAvro(f *testing.F) { fuzzDecoder(f, avroSource(f), avroBytes(f, avroSchema, avroOrder())) }

func FuzzAvroFramed(f *testing.F) {
	src := sourceOf("avro", unixMS, field("n", featurestore.Int64))
	src.Schema = &definition.SchemaRef{Subject: "s"}
	fuzzDecoder(f, src, framed(1, 2, 14))
}

func FuzzProtobuf(f *testing.F) {
	fuzzDecoder(f, protoSource(f), protoBytes(f, `{"at":"1970-01-01T00:00:01Z","id":"1","packed":[1],"scores":{"a":1},"note":"n","total":{"amount":1}}`))
}

func FuzzDebeziumJSON(f *testing.F) {
	fuzzDecoder(f, changes(), []byte(envelopeOf("u", row(1, 2, 10), row(1, 3, 10))), []byte(`{"schema":{},"payload":`+envelopeOf("d", row(1, 2, 10), "null")+`}`),
		[]byte(`{"id":1,"created":10,"__op":"c","__source_ts_ms":1}`))
}

func FuzzDebeziumAvro(f *testing.F) {
	src := changes()
	parsed, err := schema.ParseAvro(envelopeAvro)
	if err != nil {
		f.Fatal(err)
	}
	src.Schema = &definition.SchemaRef{File: "x.avsc", Avro: parsed}
	value := map[string]any{"id": int64(1), "amount": 2.0, "note": "n", "created": int64(10)}
	fuzzDecoder(f, src, avroBytes(f, envelopeAvro, map[string]any{"before": value, "after": value, "source": map[string]any{"version": "3", "ts_ms": int64(20), "snapshot": nil}, "op": "u", "ts_ms": nil, "transaction": nil}))
}
