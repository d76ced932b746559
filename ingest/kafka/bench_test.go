package kafka_test

import (
	"bytes"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/kafka/embedded"
	"github.com/freshet/freshet/ingest/logrecord"
)

// BenchmarkFetch reads records of 200 bytes from the embedded log; an operation
// is one record, its share of the broker's work included.
func BenchmarkFetch(b *testing.B) {
	for _, codec := range []struct {
		name string
		kafka.Compression
	}{{"plain", kafka.Uncompressed}, {"lz4", kafka.LZ4}} {
		b.Run(codec.name, func(b *testing.B) { benchFetch(b, codec.Compression) })
	}
}

func benchFetch(b *testing.B, codec kafka.Compression) {
	const n = 500_000
	c := benchLog(b, codec)
	records := make([]logrecord.Record, n)
	for i := range records {
		records[i] = logrecord.Record{LogTime: featurestore.LogTime(i), Key: []byte("EWR"), Value: bytes.Repeat([]byte{'a' + byte(i%26)}, 190)}
	}
	if _, err := c.Produce(b.Context(), "t", 0, records); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	b.ReportAllocs()
	for done := 0; done < b.N; {
		r, err := c.Open(b.Context(), "t", 0, 0)
		if err != nil {
			b.Fatal(err)
		}
		for at := int64(0); at < n && done < b.N; {
			batch, err := r.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			at = batch.Next
			done += len(batch.Records)
			batch.Release()
		}
		r.Close()
	}
}

func benchLog(b *testing.B, codec kafka.Compression) *kafka.Client {
	broker, err := embedded.Start(b.TempDir(), embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { broker.Close() })
	c, err := kafka.Open(b.Context(), kafka.Config{Brokers: []string{broker.Addr()}, Clock: clock, Compression: codec})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	if err := c.CreateTopic(b.Context(), logrecord.TopicSpec{Name: "t", Partitions: 1}); err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkProduce appends records of 200 bytes; an operation is one record.
func BenchmarkProduce(b *testing.B) {
	c := benchLog(b, kafka.Uncompressed)
	records := make([]logrecord.Record, 10_000)
	for i := range records {
		records[i] = logrecord.Record{Key: []byte("EWR"), Value: bytes.Repeat([]byte("a"), 190)}
	}
	b.ResetTimer()
	b.ReportAllocs()
	for done := 0; done < b.N; done += len(records) {
		if _, err := c.Produce(b.Context(), "t", 0, records); err != nil {
			b.Fatal(err)
		}
	}
}
