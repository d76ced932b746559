package kafka_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/kafka/embedded"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestSASL: each mechanism lets the right password in and says so of a wrong
// one, without showing it.
func TestSASL(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, "user", "right"))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		cfg := kafka.Config{
			Brokers: cluster.ListenAddrs(), Clock: clock, RetryFor: time.Second,
			SASL: kafka.SASL{Mechanism: mechanism, User: "user", Password: "right"},
		}
		c, err := kafka.Open(t.Context(), cfg)
		if err != nil {
			t.Fatalf("%s: %v", mechanism, err)
		}
		c.Close()
		cfg.SASL.Password = "wr0ng"
		if _, err := kafka.Open(t.Context(), cfg); err == nil || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s with a wrong password: %v", mechanism, err)
		}
		if text := fmt.Sprintf("%v %+v %#v %s", cfg.SASL, cfg.SASL, cfg.SASL, cfg.SASL); strings.Contains(text, "wr0ng") {
			t.Errorf("the password shows: %s", text)
		}
	}
	if _, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{"x:1"}, Clock: clock, SASL: kafka.SASL{Mechanism: "GSSAPI"}}); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("GSSAPI: %v", err)
	}
}

// TestNoBroker: a cluster that is not there is ErrUnavailable, in bounded time,
// and the message names it.
func TestNoBroker(t *testing.T) {
	_, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{"127.0.0.1:1"}, Clock: clock, RetryFor: 100 * time.Millisecond})
	if !errors.Is(err, featurestore.ErrUnavailable) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("%v", err)
	}
	for _, cfg := range []kafka.Config{{Clock: clock}, {Brokers: []string{"x:1"}}, {Brokers: []string{"x:1"}, Clock: clock, MaxWait: time.Minute}} {
		if _, err := kafka.Open(t.Context(), cfg); !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// TestNothingLeft: a closed reader, client and broker leave no goroutine.
func TestNothingLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	b, err := embedded.Start(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{b.Addr()}, Clock: clock, MaxWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "t", Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		r, err := c.Open(t.Context(), "t", p, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.Close()
		r.Close()
		if _, err := r.Next(t.Context()); !errors.Is(err, featurestore.ErrUnavailable) {
			t.Errorf("a closed reader: %v", err)
		}
	}
	c.Close()
	b.Close()
	goleak.VerifyNone(t, before)
}
