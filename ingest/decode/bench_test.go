package decode

import (
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// flight is an event of 200 bytes, as the demo has them.
const flight = `{"departed_at":"2013-01-01T10:17:00Z","origin":"EWR","dest":"IAH","carrier":"UA","flight":1545,"tailnum":"N14228","dep_delay":2.0,"arr_delay":11.0,"distance":1400,"cancelled":false,"gate":"C104","x":1}`

func flights() *definition.StreamSource {
	return &definition.StreamSource{
		Timestamp: definition.TimeSpec{Name: "departed_at"}, EventID: -1, Sequence: -1,
		Fields: []definition.Field{
			{Name: "origin", Type: featurestore.String}, {Name: "dest", Type: featurestore.String}, {Name: "carrier", Type: featurestore.String},
			{Name: "tailnum", Type: featurestore.String}, {Name: "dep_delay", Type: featurestore.Double}, {Name: "arr_delay", Type: featurestore.Double},
			{Name: "distance", Type: featurestore.Int64}, {Name: "cancelled", Type: featurestore.Bool},
		},
	}
}

func BenchmarkDecode(b *testing.B) {
	d, err := New(flights(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	rec := logrecord.Record{LogTime: 1_357_035_420_000_000, Value: []byte(flight)}
	b.SetBytes(int64(len(flight)))
	b.ReportAllocs()
	var batch Batch
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			batch.Reset()
		}
		if err := d.Append(&batch, &rec, featurestore.PartitionID{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	e, err := NewEncoder(flights())
	if err != nil {
		b.Fatal(err)
	}
	d, _ := New(flights(), Options{})
	var batch Batch
	if err := d.Append(&batch, &logrecord.Record{LogTime: 1_357_035_420_000_000, Value: []byte(flight)}, featurestore.PartitionID{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var value []byte
	var headers logrecord.Headers
	for b.Loop() {
		value, err = e.AppendValue(value[:0], &batch.Events[0])
		headers = e.AppendHeaders(headers[:0], &batch.Events[0])
	}
	if err != nil {
		b.Fatal(err)
	}
}

// TestDecodeAllocates holds the promise of the benchmark: nothing but a chunk
// of text for many events.
func TestDecodeAllocates(t *testing.T) {
	d, err := New(flights(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec := logrecord.Record{LogTime: 1_357_035_420_000_000, Value: []byte(flight)}
	var batch Batch
	n := testing.AllocsPerRun(20, func() {
		batch.Reset()
		for range 1000 {
			if err := d.Append(&batch, &rec, featurestore.PartitionID{}); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n > 5 {
		t.Errorf("%v allocations for 1000 events", n)
	}
}

// benchmarkForm decodes one record again and again.
func benchmarkForm(b *testing.B, src *definition.StreamSource, value []byte) {
	b.Helper()
	d, err := New(src, Options{})
	if err != nil {
		b.Fatal(err)
	}
	rec := logrecord.Record{LogTime: second, Value: value}
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	var batch Batch
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			batch.Reset()
		}
		if err := d.Append(&batch, &rec, featurestore.PartitionID{}); err != nil {
			b.Fatal(err)
		}
	}
}

// plainFields are those of a source without lists and maps, which allocate.
func plainFields(src *definition.StreamSource) *definition.StreamSource {
	src.Fields = slices.DeleteFunc(src.Fields, func(f definition.Field) bool {
		return f.Type.Kind == featurestore.KindList || f.Type.Kind == featurestore.KindMap
	})
	return src
}

func BenchmarkCSV(b *testing.B) {
	src := sourceOf("csv", unixMS, field("at", featurestore.Timestamp), field("s", featurestore.String), field("d", featurestore.Double), field("n", featurestore.Int64), field("m", featurestore.Decimal(9, 2)))
	benchmarkForm(b, src, []byte(`1000,"some text",12.5,123456,99.95`))
}

func BenchmarkAvro(b *testing.B) {
	benchmarkForm(b, plainFields(avroSource(b)), avroBytes(b, avroSchema, avroOrder()))
}

func BenchmarkProtobuf(b *testing.B) {
	benchmarkForm(b, plainFields(protoSource(b)), protoBytes(b, `{"id":"-7","z":-3,"big":"9","u":"5","f":0.5,"at":"1970-01-01T00:00:01.000001Z","count":0,"state":"PAID","total":{"amount":2.5},"note":"n","ok":true}`))
}

func BenchmarkDebezium(b *testing.B) {
	benchmarkForm(b, changes(), []byte(envelopeOf("u", row(1, 2, 10), row(1, 3, 11))))
}

// TestFormsAllocate: no format allocates for a record of plain fields but chunks
// of text for many of them.
func TestFormsAllocate(t *testing.T) {
	for name, c := range map[string]struct {
		src   *definition.StreamSource
		value []byte
	}{
		"csv":      {sourceOf("csv", unixMS, field("at", featurestore.Timestamp), field("s", featurestore.String)), []byte(`1000,"some ""text"`)},
		"avro":     {plainFields(avroSource(t)), avroBytes(t, avroSchema, avroOrder())},
		"protobuf": {plainFields(protoSource(t)), protoBytes(t, `{"id":"-7","at":"1970-01-01T00:00:01Z","state":"PAID","total":{"amount":2.5}}`)},
		"debezium": {changes(), []byte(envelopeOf("u", row(1, 2, 10), row(1, 3, 11)))},
	} {
		d, err := New(c.src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		rec := logrecord.Record{LogTime: second, Value: c.value}
		var batch Batch
		n := testing.AllocsPerRun(20, func() {
			batch.Reset()
			for range 1000 {
				if err := d.Append(&batch, &rec, featurestore.PartitionID{}); err != nil {
					t.Fatal(err)
				}
			}
		})
		if n > 10 {
			t.Errorf("%s: %v allocations for 1000 records", name, n)
		}
	}
}
