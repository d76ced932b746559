package kafka_test

import (
	"testing"

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
