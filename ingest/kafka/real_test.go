package kafka_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestApacheKafka runs the suite on a real broker, which every subtest shares.
func TestApacheKafka(t *testing.T) {
	real := kafkatest.StartForTest(t)
	under := &broker{addr: real.Addr(), restart: func(t *testing.T) string {
		if err := real.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := real.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		return real.Addr()
	}}
	suite(t, under)
	t.Run("broker time", func(t *testing.T) { testBrokerTime(t, under) })
	t.Run("compaction", func(t *testing.T) { testCompaction(t, under) })
}

// testBrokerTime: on a topic with LogAppendTime the log time is the broker's,
// whatever a producer claims.
func testBrokerTime(t *testing.T, b *broker) {
	c := open(t, b)
	topic := topicOf(t)
	if err := c.CreateTopic(t.Context(), logrecord.TopicSpec{Name: topic, Partitions: 1, BrokerTime: true}); err != nil {
		t.Fatal(err)
	}
	produce(t, c, topic, 0, logrecord.Record{LogTime: at(1), Value: []byte("a")}, logrecord.Record{LogTime: at(2), Value: []byte("b")})
	got := readTo(t, c, topic, 0, 0, 2)
	for _, g := range got {
		if g.Origin != logrecord.OriginBroker || g.LogTime < at(1_600_000_000_000) {
			t.Errorf("log time %s by the %s", g.LogTime, g.Origin)
		}
	}
	if len(got) != 2 || got[0].LogTime != got[1].LogTime {
		t.Errorf("one batch, %d records, times differ", len(got))
	}
}

// testCompaction: what a broker's cleaner has removed is told, offset by offset.
func testCompaction(t *testing.T, b *broker) {
	c := open(t, b)
	topic := topicOf(t)
	if err := kafkatest.CreateCompacted(t.Context(), b.addr, topic); err != nil {
		t.Fatal(err)
	}
	keyed := func(key string) logrecord.Record {
		return logrecord.Record{LogTime: at(time.Now().UnixMilli()), Key: []byte(key), Value: []byte("v")}
	}
	const keys, rounds = 5, 3
	for round := range rounds {
		var records []logrecord.Record
		for k := range keys {
			records = append(records, keyed(fmt.Sprint("key ", k)))
		}
		records = append(records, keyed(fmt.Sprint("only ", round)))
		produce(t, c, topic, 0, records...)
	}
	for try := 0; ; try++ {
		end := produce(t, c, topic, 0, keyed("again and again")) + 1 // a segment is closed by its next record
		there, removed := offsetsOf(t, c, topic, end)
		all := append(slices.Clone(there), removed...)
		slices.Sort(all)
		for i, at := range all {
			if at != int64(i) {
				t.Fatalf("of %d offsets %v are there, and %v were removed", end, there, removed)
			}
		}
		if int64(len(all)) != end {
			t.Fatalf("of %d offsets %v are there, and %v were removed", end, there, removed)
		}
		if slices.Contains(removed, (rounds-1)*(keys+1)-2) { // the one but last of a key
			if !slices.Contains(there, keys) {
				t.Errorf("of a key that came once the record is gone: %v", there)
			}
			return
		}
		if try > 300 {
			t.Fatalf("the cleaner has removed %v", removed)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// offsetsOf are the offsets of a topic's records up to its end, and those that were removed.
func offsetsOf(t *testing.T, c *kafka.Client, topic string, end int64) (there, removed []int64) {
	t.Helper()
	r, err := c.Open(t.Context(), topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for at := int64(0); at < end; {
		batch, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch.Records {
			there = append(there, batch.Records[i].Offset)
		}
		for _, gone := range batch.Removed {
			for at := gone.From; at < gone.To; at++ {
				removed = append(removed, at)
			}
		}
		at = batch.Next
		batch.Release()
	}
	return there, removed
}
