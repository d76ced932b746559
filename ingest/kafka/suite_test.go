package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/logrecord"
)

// broker is what the suite runs against: the embedded log and Apache Kafka.
type broker struct {
	addr    string
	restart func(t *testing.T) (addr string) // after an abrupt end
}

// clock is a test's clock: it stands still.
func clock() featurestore.Instant { return 1_700_000_000_000_000 }

func open(t *testing.T, b *broker, change ...func(*kafka.Config)) *kafka.Client {
	t.Helper()
	cfg := kafka.Config{Brokers: []string{b.addr}, Clock: clock, MaxWait: 100 * time.Millisecond}
	for _, f := range change {
		f(&cfg)
	}
	c, err := kafka.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// suite is what every broker must do.
func suite(t *testing.T, b *broker) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *broker)
	}{
		{"topics", testTopics},
		{"round trip", testRoundTrip},
		{"codecs", testCodecs},
		{"large record", testLargeRecord},
		{"group", testGroup},
		{"group that grows", testGroupGrowing},
		{"group without brokers", testGroupUnreachable},
		{"many batches", testManyBatches},
		{"a batch is its taker's", testTaken},
		{"bounds and range", testBounds},
		{"unknown topic", testUnknownTopic},
		{"transactions", testTransactions},
		{"waits at the end", testWaits},
		{"restart", testRestart},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, b) })
	}
}

func topicOf(t *testing.T) string {
	name := strings.ToLower(t.Name())
	return "t." + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '.'
	}, name)
}

func create(t *testing.T, c *kafka.Client, partitions int) string {
	t.Helper()
	topic := topicOf(t)
	if err := c.CreateTopic(t.Context(), logrecord.TopicSpec{Name: topic, Partitions: partitions, Retention: logrecord.Forever}); err != nil {
		t.Fatal(err)
	}
	return topic
}

func produce(t *testing.T, c *kafka.Client, topic string, number int32, records ...logrecord.Record) int64 {
	t.Helper()
	base, err := c.Produce(t.Context(), topic, number, records)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// readTo reads from an offset until the reader stands at `to`, and copies.
func readTo(t *testing.T, c *kafka.Client, topic string, number int32, from, to int64) []logrecord.Record {
	t.Helper()
	r, err := c.Open(t.Context(), topic, number, from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all []logrecord.Record
	for at := from; at < to; {
		batch, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("at %d of %d: %v", at, to, err)
		}
		for _, rec := range batch.Records {
			rec.Key, rec.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
			rec.Headers = logrecord.Headers(bytes.Clone(rec.Headers))
			all = append(all, rec)
		}
		if batch.FetchTime != clock() || len(batch.Removed) > 0 {
			t.Fatalf("fetch time %s, %v were removed", batch.FetchTime, batch.Removed)
		}
		at = batch.Next
		batch.Release()
	}
	return all
}

func at(ms int64) featurestore.LogTime { return featurestore.LogTime(ms * 1000) }

func value(i int, s string) logrecord.Record {
	return logrecord.Record{LogTime: at(1_700_000_000_000 + int64(i)), Value: []byte(s)}
}

func testTopics(t *testing.T, b *broker) {
	c := open(t, b)
	topic := create(t, c, 3)
	if n, err := c.Partitions(t.Context(), topic); err != nil || n != 3 {
		t.Fatalf("partitions %d, %v", n, err)
	}
	create(t, c, 3)
	err := c.CreateTopic(t.Context(), logrecord.TopicSpec{Name: topic, Partitions: 4})
	if !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("another number of partitions: %v", err)
	}
	if err := c.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "a b", Partitions: 1}); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("a bad name: %v", err)
	}
	// A topic that another client made is known at once.
	other := open(t, b)
	fresh := topic + ".fresh"
	if err := other.CreateTopic(t.Context(), logrecord.TopicSpec{Name: fresh, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	if base := produce(t, c, fresh, 0, value(0, "x")); base != 0 {
		t.Errorf("base offset %d", base)
	}
}

func testRoundTrip(t *testing.T, b *broker) {
	c := open(t, b)
	topic := create(t, c, 2)
	want := []logrecord.Record{
		{LogTime: at(1), Key: nil, Value: nil},
		{LogTime: at(5), Key: []byte{}, Value: []byte{}},
		{LogTime: at(3), Key: []byte("k"), Value: []byte("v"), Headers: logrecord.Headers(nil).Append("h", nil).Append("h", []byte{}).Append("", []byte("x"))},
		{LogTime: at(1_700_000_000_123) + 456, Key: []byte{0, 0xff}, Value: []byte("\x00")},
	}
	produce(t, c, topic, 1, want...)
	got := readTo(t, c, topic, 1, 0, int64(len(want)))
	want[3].LogTime = at(1_700_000_000_123) // the log has milliseconds
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if g.Offset != int64(i) || g.Partition != 1 || g.LogTime != w.LogTime || g.Origin != logrecord.OriginProducer {
			t.Errorf("record %d: %+v", i, g)
		}
		if !bytes.Equal(g.Key, w.Key) || (g.Key == nil) != (w.Key == nil) || !bytes.Equal(g.Value, w.Value) || (g.Value == nil) != (w.Value == nil) || !bytes.Equal(g.Headers, w.Headers) {
			t.Errorf("record %d: %q %q %q, want %q %q %q", i, g.Key, g.Value, g.Headers, w.Key, w.Value, w.Headers)
		}
	}
}

func testCodecs(t *testing.T, b *broker) {
	topic := create(t, open(t, b), 1)
	next := int64(0)
	for codec := kafka.Uncompressed; codec <= kafka.Zstd; codec++ {
		c := open(t, b, func(cfg *kafka.Config) { cfg.Compression = codec })
		var records []logrecord.Record
		for i := range 500 {
			records = append(records, value(i, fmt.Sprintf(`{"codec": %d, "i": %d, "pad": %q}`, codec, i, strings.Repeat("ab", 40))))
		}
		if base := produce(t, c, topic, 0, records...); base != next {
			t.Fatalf("codec %d: base %d, want %d", codec, base, next)
		}
		next += 500
		got := readTo(t, c, topic, 0, next-400, next) // from inside a batch
		if len(got) != 400 {
			t.Fatalf("codec %d: %d records", codec, len(got))
		}
		for i, g := range got {
			if w := records[100+i]; !bytes.Equal(g.Value, w.Value) || g.LogTime != w.LogTime || g.Offset != next-400+int64(i) {
				t.Fatalf("codec %d record %d: %d %q", codec, i, g.Offset, g.Value)
			}
		}
	}
	small := open(t, b, func(cfg *kafka.Config) { cfg.MaxBatchBytes = 16 << 10; cfg.RetryFor = time.Second })
	if _, err := small.Peek(t.Context(), topic, 0, next-1); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "unpacks to more") {
		t.Errorf("a batch that unpacks to more than the limit: %v", err)
	}
}

func testLargeRecord(t *testing.T, b *broker) {
	c := open(t, b, func(cfg *kafka.Config) { cfg.FetchBytes = 64 << 10 })
	topic := create(t, c, 1)
	big := bytes.Repeat([]byte("0123456789abcdef"), 60_000) // 960 KB: more than a fetch asks for
	produce(t, c, topic, 0, logrecord.Record{LogTime: at(1), Value: big}, value(2, "next"))
	got := readTo(t, c, topic, 0, 0, 2)
	if len(got) != 2 || !bytes.Equal(got[0].Value, big) || string(got[1].Value) != "next" {
		t.Fatalf("%d records", len(got))
	}
	huge := bytes.Repeat([]byte("x"), 40<<20)
	_, err := c.Produce(t.Context(), topic, 0, []logrecord.Record{{Value: huge}})
	if err == nil {
		t.Error("a record of 40 MB was taken")
	}
	if got := readTo(t, c, topic, 0, 1, 2); string(got[0].Value) != "next" {
		t.Errorf("after the refusal: %q", got[0].Value)
	}
}

func testManyBatches(t *testing.T, b *broker) {
	c := open(t, b, func(cfg *kafka.Config) {
		cfg.FetchBytes = 32 << 10
		cfg.ProduceBytes = 4 << 10
		cfg.Compression = kafka.LZ4
	})
	topic := create(t, c, 1)
	const n = 5000
	records := make([]logrecord.Record, n)
	for i := range records {
		records[i] = value(i, fmt.Sprintf("value %d", i))
	}
	produce(t, c, topic, 0, records...)
	for _, from := range []int64{0, 1, 777, n - 1} {
		got := readTo(t, c, topic, 0, from, n)
		if len(got) != n-int(from) {
			t.Fatalf("from %d: %d records", from, len(got))
		}
		for i, g := range got {
			if g.Offset != from+int64(i) || string(g.Value) != fmt.Sprintf("value %d", g.Offset) {
				t.Fatalf("from %d: record %d is %d %q", from, i, g.Offset, g.Value)
			}
		}
	}
	peek, err := c.Peek(t.Context(), topic, 0, 4321)
	if err != nil || len(peek.Records) == 0 || peek.Records[0].Offset != 4321 {
		t.Fatalf("peek: %v", err)
	}
	peek.Release()
}

// testTaken: a batch is its taker's at once. What becomes of it there, also that it
// is released and filled for another partition, is nothing to the reader.
func testTaken(t *testing.T, b *broker) {
	c := open(t, b, func(cfg *kafka.Config) { cfg.FetchBytes, cfg.ProduceBytes = 1<<10, 1<<10 })
	topic := create(t, c, 1)
	const n = 5000
	records := make([]logrecord.Record, n)
	for i := range records {
		records[i] = value(i, fmt.Sprintf("value %d", i))
	}
	produce(t, c, topic, 0, records...)
	r, err := c.Open(t.Context(), topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for next := int64(0); next < n; {
		batch, err := r.Next(t.Context())
		if err != nil {
			t.Fatalf("behind offset %d: %v", next-1, err)
		}
		if len(batch.Records) > 0 && batch.Records[0].Offset != next {
			t.Fatalf("%d follows %d", batch.Records[0].Offset, next-1)
		}
		next, batch.Next = batch.Next, 1<<40
		batch.Release()
	}
}

func testBounds(t *testing.T, b *broker) {
	c := open(t, b)
	topic := create(t, c, 1)
	if got, err := c.Bounds(t.Context(), topic, 0); err != nil || got != (logrecord.Bounds{}) {
		t.Fatalf("empty: %+v, %v", got, err)
	}
	produce(t, c, topic, 0, value(0, "a"), value(1, "b"))
	if got, err := c.Bounds(t.Context(), topic, 0); err != nil || got != (logrecord.Bounds{Start: 0, End: 2}) {
		t.Fatalf("two records: %+v, %v", got, err)
	}
	r, err := c.Open(t.Context(), topic, 0, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out *logrecord.OutOfRangeError
	if _, err := r.Next(t.Context()); !errors.As(err, &out) || out.Offset != 5 || out.End != 2 {
		t.Fatalf("past the end: %v", err)
	}
	if _, again := r.Next(t.Context()); !errors.As(again, &out) {
		t.Errorf("a dead reader: %v", again)
	}
}

func testUnknownTopic(t *testing.T, b *broker) {
	c := open(t, b)
	if _, err := c.Partitions(t.Context(), "nowhere"); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("partitions: %v", err)
	}
	if _, err := c.Bounds(t.Context(), "nowhere", 0); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("bounds: %v", err)
	}
	if _, err := c.Produce(t.Context(), "nowhere", 0, []logrecord.Record{value(0, "x")}); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("produce: %v", err)
	}
	topic := create(t, c, 1)
	if _, err := c.Peek(t.Context(), topic, 7, 0); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("partition 7: %v", err)
	}
}

func testWaits(t *testing.T, b *broker) {
	c := open(t, b)
	topic := create(t, c, 1)
	r, err := c.Open(t.Context(), topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 3 {
		batch, err := r.Next(t.Context())
		if err != nil || len(batch.Records) != 0 || !batch.AtEnd() || batch.Next != 0 {
			t.Fatalf("an empty topic: %+v, %v", batch, err)
		}
		batch.Release()
	}
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Next(short); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled call: %v", err)
	}
	produce(t, c, topic, 0, value(0, "x"))
	for {
		batch, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(batch.Records) == 1 {
			break
		}
	}
}

func testRestart(t *testing.T, b *broker) {
	c := open(t, b)
	topic := create(t, c, 2)
	produce(t, c, topic, 1, value(0, "before"), value(1, "too"))
	reader, err := c.Open(t.Context(), topic, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := b.restart(t)
	if addr == b.addr { // the same reader goes on by itself
		for done := false; !done; {
			batch, err := reader.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			done = batch.AtEnd()
		}
	}
	reader.Close()
	b.addr = addr
	again := open(t, b)
	if n, err := again.Partitions(t.Context(), topic); err != nil || n != 2 {
		t.Fatalf("partitions after a restart: %d, %v", n, err)
	}
	produce(t, again, topic, 1, value(2, "after"))
	got := readTo(t, again, topic, 1, 0, 3)
	if len(got) != 3 || string(got[0].Value) != "before" || string(got[2].Value) != "after" {
		t.Fatalf("after a restart: %d records", len(got))
	}
}
