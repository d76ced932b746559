package kafka_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestSecureBroker: records go through a real broker's listener with TLS and SASL,
// by each mechanism; a wrong password, an unknown authority and plaintext do not.
func TestSecureBroker(t *testing.T) {
	keys, roots := kafkatest.Certificate(t)
	_, others := kafkatest.Certificate(t)
	b := kafkatest.StartSecureForTest(t, &kafkatest.Secure{PEM: keys, User: "freshet", Password: "s3cret"})
	config := func(mechanism, password string, c *tls.Config) kafka.Config {
		return kafka.Config{
			Brokers: []string{b.SecureAddr()}, Clock: clock, RetryFor: 5 * time.Second, TLS: c,
			SASL: kafka.SASL{Mechanism: mechanism, User: "freshet", Password: password},
		}
	}
	for i, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		c, err := kafka.Open(t.Context(), config(mechanism, "s3cret", &tls.Config{RootCAs: roots}))
		if err != nil {
			t.Fatalf("%s: %v", mechanism, err)
		}
		if i == 0 {
			if err := c.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "safe", Partitions: 1}); err != nil {
				t.Fatal(err)
			}
		}
		at, err := c.Produce(t.Context(), "safe", 0, []logrecord.Record{{LogTime: 1000, Value: []byte(mechanism)}})
		if err != nil {
			t.Fatalf("%s: %v", mechanism, err)
		}
		batch, err := c.Peek(t.Context(), "safe", 0, int64(i))
		if err != nil || len(batch.Records) == 0 || string(batch.Records[0].Value) != mechanism {
			t.Errorf("%s: offset %v gave %+v, %v", mechanism, at, batch, err)
		}
		c.Close()
	}
	for what, wrong := range map[string]kafka.Config{
		"a wrong password":     config("SCRAM-SHA-512", "guess", &tls.Config{RootCAs: roots}),
		"an unknown authority": config("PLAIN", "s3cret", &tls.Config{RootCAs: others}),
		"no password":          {Brokers: []string{b.SecureAddr()}, Clock: clock, RetryFor: 2 * time.Second, TLS: &tls.Config{RootCAs: roots}},
		"plaintext":            {Brokers: []string{b.SecureAddr()}, Clock: clock, RetryFor: 2 * time.Second},
	} {
		if c, err := kafka.Open(t.Context(), wrong); err == nil {
			c.Close()
			t.Errorf("%s was let in", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
}
