package kafka_test

import (
	"crypto/tls"
	"encoding/pem"
	"strings"
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

// TestMutualTLS: a real broker's listener that asks for a certificate lets in who shows
// one of its authority, alone and with SASL on top; the right is the certificate's name's. Who
// shows none, or another's, is told soon that it was the certificate.
func TestMutualTLS(t *testing.T) {
	keys, roots := kafkatest.Certificate(t)
	show := func(name string) (public []byte, c *tls.Config) {
		t.Helper()
		both, _ := kafkatest.CertificateOf(t, name, time.Hour)
		_, public = pem.Decode(both)
		pair, err := tls.X509KeyPair(public, both)
		if err != nil {
			t.Fatal(err)
		}
		return public, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
	}
	public, client := show("ingester")
	_, foreign := show("ingester")
	for _, secure := range []kafkatest.Secure{
		{PEM: keys, Clients: public, Restricted: true},
		{PEM: keys, Clients: public, User: "freshet", Password: "s3cret"},
	} {
		b := kafkatest.StartSecureForTest(t, &secure)
		config := func(c *tls.Config) kafka.Config {
			out := kafka.Config{Brokers: []string{b.SecureAddr()}, Clock: clock, TLS: c}
			if secure.User != "" {
				out.SASL = kafka.SASL{Mechanism: "SCRAM-SHA-512", User: secure.User, Password: secure.Password}
			}
			return out
		}
		if secure.Restricted {
			for _, o := range []kafkatest.Operation{kafkatest.Create, kafkatest.Read, kafkatest.Write} {
				if err := kafkatest.Allow(t.Context(), b.Addr(), "CN=ingester", kafkatest.Right{Resource: kafkatest.TopicResource, Name: "safe", Operation: o}); err != nil {
					t.Fatal(err)
				}
			}
		}
		c, err := kafka.Open(t.Context(), config(client))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "safe", Partitions: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Produce(t.Context(), "safe", 0, []logrecord.Record{{LogTime: 1000, Value: []byte("by certificate")}}); err != nil {
			t.Fatal(err)
		}
		if batch, err := c.Peek(t.Context(), "safe", 0, 0); err != nil || len(batch.Records) != 1 {
			t.Errorf("%+v, %v", batch, err)
		}
		for what, wrong := range map[string]*tls.Config{"no certificate": {RootCAs: roots}, "another's": foreign} {
			begun := time.Now()
			refused, err := kafka.Open(t.Context(), config(wrong))
			if err == nil {
				refused.Close()
				t.Errorf("%s was let in", what)
				continue
			}
			took := time.Since(begun)
			t.Logf("%s, after %s: %v", what, took.Round(time.Millisecond), err)
			if took > 10*time.Second || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%s: after %s: %v", what, took, err)
			}
		}
	}
}
