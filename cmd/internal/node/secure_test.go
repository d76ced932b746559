package node_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestSecureParts runs an ingester and a server on a real broker with TLS and SASL,
// by each mechanism, and a real redis-server with TLS and a user, as their settings
// say; and with each setting wrong: there is an error that says what to look at, soon
// where that does not pass by itself.
func TestSecureParts(t *testing.T) {
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		do(os.WriteFile(path, data, 0o600))
		return path
	}
	both, _ := kafkatest.Certificate(t)
	key, rest := pem.Decode(both)
	ca, private := file("ca.pem", rest), file("key.pem", pem.EncodeToMemory(key))
	foreign, _ := kafkatest.Certificate(t)
	_, rest = pem.Decode(foreign)
	other := file("other.pem", rest)
	broker := kafkatest.StartSecureForTest(t, &kafkatest.Secure{PEM: both, User: "freshet", Password: "s3cret"})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	do(err)
	safe := listener.Addr().String()
	do(listener.Close())
	_, port, _ := net.SplitHostPort(safe)
	store := t.TempDir()
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: store, Args: []string{
		"--tls-port", port, "--tls-cert-file", ca, "--tls-key-file", private, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no", "--user", "freshet", "on", ">s3cret", "~*", "+@all",
	}})
	do(err)
	t.Cleanup(func() { do(server.Stop()) })

	type how struct{ brokers, kafka, addr, redis string }
	open := func(t *testing.T, h how) (*node.Parts, error) {
		t.Helper()
		root := t.TempDir()
		text := fmt.Sprintf("project: shop\nlog: {kafka: {brokers: [%q]%s}}\nonline: {redis: {addrs: [%q]%s}}\ningest: {canary: {every: 0s}}\n", h.brokers, h.kafka, h.addr, h.redis)
		do(os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte(text), 0o600))
		s, err := settings.Load(root, settings.Source{})
		do(err)
		return node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	}
	sasl := func(mechanism, password string) string {
		return fmt.Sprintf(", tls: {ca: %q}, sasl: {mechanism: %s, username: freshet, password: %s}", ca, mechanism, password)
	}
	user := func(ca, password string) string {
		return fmt.Sprintf(", tls: {ca: %q}, username: freshet, password: %s", ca, password)
	}
	for i, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			do(server.Flush(t.Context()))
			parts, err := open(t, how{broker.SecureAddr(), sasl(mechanism, "s3cret"), safe, user(ca, "s3cret")})
			do(err)
			closeAtEnd(t, parts.Close)
			topic := fmt.Sprintf("sales%d", i)
			applyFiles(t, parts, 0, []definition.File{{Path: "d.yaml", Data: []byte(strings.Replace(salesDefinitions, "topic: sales, key: user", "topic: "+topic, 1))}})
			do(parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: topic, Partitions: 1}))
			n, err := node.Start(context.Background(), parts, node.Options{Role: node.Serve | node.Ingest, Listen: "127.0.0.1:0", Version: "test"})
			do(err)
			closeAtEnd(t, n.Stop)
			at := time.Now()
			_, err = parts.Log.Produce(t.Context(), topic, 0, []logrecord.Record{{LogTime: featurestore.LogTime(featurestore.InstantOf(at)), Value: fmt.Appendf(nil, `{"user": "ann", "amount": 1, "at": %d}`, at.UnixMilli())}})
			do(err)
			eventually(t, "a lookup sees the event", func() bool {
				if n.Backend.Watcher.Refresh(t.Context()) != nil {
					return false
				}
				return lookUp(t, n, []featurestore.Value{featurestore.StringValue("ann")}).Columns[0].Cells[0].Status == featurestore.Present
			})
		})
	}

	right := how{broker.SecureAddr(), sasl("SCRAM-SHA-512", "s3cret"), safe, user(ca, "s3cret")}
	for name, c := range map[string]struct {
		change func(h *how)
		words  []string
	}{
		"kafka: a wrong password by PLAIN":       {func(h *how) { h.kafka = sasl("PLAIN", "guess") }, []string{"SASL Authentication Failed", "next: look at log.kafka.sasl"}},
		"kafka: a wrong password by SCRAM":       {func(h *how) { h.kafka = sasl("SCRAM-SHA-256", "guess") }, []string{"SASL Authentication Failed", "next: look at log.kafka.sasl"}},
		"kafka: another authority":               {func(h *how) { h.kafka = strings.Replace(h.kafka, ca, other, 1) }, []string{"certificate", "next: look at log.kafka.tls: ca"}},
		"kafka: another name":                    {func(h *how) { h.kafka = strings.Replace(h.kafka, "tls: {", "tls: {server_name: elsewhere, ", 1) }, []string{"elsewhere", "next: look at log.kafka.tls: ca"}},
		"kafka: no login":                        {func(h *how) { h.kafka, _, _ = strings.Cut(h.kafka, ", sasl") }, []string{"EOF", "log.kafka.sasl: mechanism"}},
		"kafka: no TLS":                          {func(h *how) { h.kafka = "" }, []string{"EOF", "does this port want TLS? Then write log.kafka.tls"}},
		"kafka: TLS where there is none":         {func(h *how) { h.brokers = broker.Addr() }, []string{"does this port speak TLS? If not, remove log.kafka.tls"}},
		"redis: a wrong password":                {func(h *how) { h.redis = user(ca, "guess") }, []string{"WRONGPASS", "next: look at online.redis.username and password"}},
		"redis: another authority":               {func(h *how) { h.redis = user(other, "s3cret") }, []string{"certificate", "next: look at online.redis.tls: ca"}},
		"redis: no TLS":                          {func(h *how) { h.redis = ", username: freshet, password: s3cret" }, []string{"does this port want TLS? Then write online.redis.tls"}},
		"redis: TLS where there is none":         {func(h *how) { h.addr = server.Addr() }, []string{"does this port speak TLS? If not, remove online.redis.tls"}},
		"redis: a file that is no certificate":   {func(h *how) { h.redis = user(private, "s3cret") }, []string{"online.redis.tls.ca", "holds no certificate"}},
		"kafka: a certificate that is not there": {func(h *how) { h.kafka = strings.Replace(h.kafka, ca, "gone.pem", 1) }, []string{"log.kafka.tls.ca", "gone.pem"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a store that closes connections is waited for
			h := right
			c.change(&h)
			begun := time.Now()
			parts, err := open(t, h)
			if err == nil {
				t.Fatal(parts.Close(), "it was let in")
			}
			t.Logf("after %s: %v", time.Since(begun).Round(time.Millisecond), err)
			if took := time.Since(begun); took > 40*time.Second || took > 20*time.Second && !strings.Contains(err.Error(), "gave up after 30s") {
				t.Errorf("it took %s", took)
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "guess") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("it shows a password: %v", err)
			}
		})
	}
}
