package kafka_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestRights asks a real broker what a user may do, as one right after the other is
// given; asking makes and writes nothing.
func TestRights(t *testing.T) {
	keys, roots := kafkatest.Certificate(t)
	b := kafkatest.StartSecureForTest(t, &kafkatest.Secure{PEM: keys, User: "freshet", Password: "s3cret", Restricted: true})
	open := func(c kafka.Config) *kafka.Client {
		t.Helper()
		c.Clock, c.RetryFor = clock, 5*time.Second
		client, err := kafka.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	admin := open(kafka.Config{Brokers: []string{b.Addr()}})
	user := open(kafka.Config{Brokers: []string{b.SecureAddr()}, TLS: &tls.Config{RootCAs: roots}, SASL: kafka.SASL{Mechanism: "SCRAM-SHA-256", User: "freshet", Password: "s3cret"}})
	spec := logrecord.TopicSpec{Name: "t", Partitions: 3}
	allow := func(operations ...kafkatest.Operation) {
		t.Helper()
		for _, o := range operations {
			if err := kafkatest.Allow(t.Context(), b.Addr(), "freshet", kafkatest.Right{Resource: kafkatest.TopicResource, Name: "t", Operation: o}); err != nil {
				t.Fatal(err)
			}
		}
	}
	in := func(what string, met func() error) { // a right that is given is known a moment later
		t.Helper()
		var err error
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			if err = met(); err == nil {
				return
			}
		}
		t.Fatalf("%s: %v", what, err)
	}
	rights := func(want kafka.Rights) func() error {
		return func() error {
			r, err := user.Rights(t.Context(), "t")
			if err == nil && r != want {
				return fmt.Errorf("%+v", r)
			}
			return err
		}
	}
	if err := user.MayCreate(t.Context(), spec); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("without rights: %v", err)
	}
	allow(kafkatest.Create)
	in("with the right", func() error { return user.MayCreate(t.Context(), spec) })
	if _, err := admin.Rights(t.Context(), "t"); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("nothing was to be made: %v", err)
	}
	if err := admin.CreateTopic(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if r, err := admin.Rights(t.Context(), "t"); err != nil || !r.Read || !r.Write {
		t.Errorf("who may do everything: %+v, %v", r, err)
	}
	allow(kafkatest.Describe)
	in("to describe", rights(kafka.Rights{}))
	allow(kafkatest.Read)
	in("to read", rights(kafka.Rights{Read: true}))
	allow(kafkatest.Write)
	in("to write", rights(kafka.Rights{Read: true, Write: true}))
}
