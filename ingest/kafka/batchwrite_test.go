package kafka

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Memory that is used again leaves nothing of what was there, in front, within or behind.
func TestAppendBatchToOldMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := make([]logrecord.Record, rapid.IntRange(1, 9).Draw(t, "n"))
		for i := range records {
			records[i].Key = rapid.SliceOfN(rapid.Byte(), -1, 40).Draw(t, "key")
			records[i].Value = rapid.SliceOfN(rapid.Byte(), -1, 400).Draw(t, "value")
			records[i].LogTime = featurestore.LogTime(rapid.Int64Range(0, 1<<40).Draw(t, "time"))
		}
		codec := Compression(rapid.IntRange(0, 4).Draw(t, "codec"))
		want, err := appendBatch(nil, records, codec, noProducer())
		if err != nil {
			t.Fatal(err)
		}
		old := bytes.Repeat([]byte{0xAA}, rapid.IntRange(0, 5000).Draw(t, "old"))
		start := rapid.IntRange(0, len(old)).Draw(t, "start")
		got, err := appendBatch(old[:start], records, codec, noProducer())
		if err != nil || !bytes.Equal(got[start:], want) || !bytes.Equal(got[:start], bytes.Repeat([]byte{0xAA}, start)) {
			t.Fatalf("another batch: %v", err)
		}
	})
}
