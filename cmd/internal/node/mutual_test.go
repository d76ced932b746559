package node_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
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

// TestMutualParts runs an ingester and a server on a real broker and a real
// redis-server that ask for certificates, as the settings say; and with another
// certificate: at once there is an error that says what to look at.
func TestMutualParts(t *testing.T) {
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	write := func(name string, life time.Duration) (both []byte, cert, key string) {
		both, _ = kafkatest.CertificateOf(t, name, life)
		private, public := pem.Decode(both)
		cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
		do(os.WriteFile(cert, public, 0o600))
		do(os.WriteFile(key, pem.EncodeToMemory(private), 0o600))
		return both, cert, key
	}
	theirs, ca, serverKey := write("server", time.Hour)
	ours, cert, key := write("ingester", time.Hour)
	_, foreign, foreignKey := write("foreign", time.Hour)
	old, oldCert, oldKey := write("old", -time.Minute)
	_, public := pem.Decode(ours)
	_, past := pem.Decode(old)
	trusted := filepath.Join(dir, "clients.pem")
	do(os.WriteFile(trusted, append(append([]byte{}, public...), past...), 0o600))
	broker := kafkatest.StartSecureForTest(t, &kafkatest.Secure{PEM: theirs, Clients: public})
	pair, err := tls.LoadX509KeyPair(cert, key)
	do(err)
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir(), TLS: &redistest.TLS{
		CA: trusted, Cert: ca, Key: serverKey, Client: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}},
	}})
	do(err)
	t.Cleanup(func() { do(server.Stop()) })
	open := func(t *testing.T, kafka, redis string) (*node.Parts, error) {
		t.Helper()
		root := t.TempDir()
		text := fmt.Sprintf("project: shop\nlog: {kafka: {brokers: [%q], tls: {ca: %q%s}}}\nonline: {redis: {addrs: [%q], tls: {ca: %[2]q%[5]s}}}\ningest: {canary: {every: 0s}}\n", broker.SecureAddr(), ca, kafka, server.Addr(), redis)
		do(os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte(text), 0o600))
		s, err := settings.Load(root, settings.Source{})
		do(err)
		return node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	}
	shows := func(cert, key string) string { return fmt.Sprintf(", cert: %q, key: %q", cert, key) }
	right := shows(cert, key)

	for name, c := range map[string]struct {
		kafka, redis string
		words        []string
	}{
		"kafka: no certificate":        {"", right, []string{"bad certificate", "next: the server asks for a certificate: write log.kafka.tls: cert and key"}},
		"kafka: another's certificate": {shows(foreign, foreignKey), right, []string{"unknown certificate", "next: look at log.kafka.tls: cert"}},
		"redis: no certificate":        {right, "", []string{"certificate required", "next: the server asks for a certificate: write online.redis.tls: cert and key"}},
		"redis: another's certificate": {right, shows(foreign, foreignKey), []string{"unknown certificate authority", "next: look at online.redis.tls: cert"}},
		"redis: an old certificate":    {right, shows(oldCert, oldKey), []string{"expired", "next: renew the certificate in online.redis.tls: cert, which was good until 2"}},
		"redis: another's key":         {right, shows(cert, foreignKey), []string{"online.redis.tls", foreignKey, "does not match"}},
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			parts, err := open(t, c.kafka, c.redis)
			if err == nil {
				t.Fatal(parts.Close(), "it was let in")
			}
			t.Logf("after %s: %v", time.Since(begun).Round(time.Millisecond), err)
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v does not say %q", err, w)
				}
			}
		})
	}

	parts, err := open(t, right, right)
	do(err)
	closeAtEnd(t, parts.Close)
	applyFiles(t, parts, 0, []definition.File{{Path: "d.yaml", Data: []byte(salesDefinitions)}})
	do(parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "sales", Partitions: 1}))
	n, err := node.Start(context.Background(), parts, node.Options{Role: node.Serve | node.Ingest, Listen: "127.0.0.1:0", Version: "test"})
	do(err)
	closeAtEnd(t, n.Stop)
	at := time.Now()
	_, err = parts.Log.Produce(t.Context(), "sales", 0, []logrecord.Record{{LogTime: featurestore.LogTime(featurestore.InstantOf(at)), Value: fmt.Appendf(nil, `{"user": "ann", "amount": 1, "at": %d}`, at.UnixMilli())}})
	do(err)
	eventually(t, "a lookup sees the event", func() bool {
		if n.Backend.Watcher.Refresh(t.Context()) != nil {
			return false
		}
		return lookUp(t, n, []featurestore.Value{featurestore.StringValue("ann")}).Columns[0].Cells[0].Status == featurestore.Present
	})
}
