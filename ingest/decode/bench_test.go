package decode

import (
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
