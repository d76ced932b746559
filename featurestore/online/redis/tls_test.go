package redis_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/onlinetest"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
)

// secured is TLS for servers that ask for a certificate, and what a client needs that
// has one: the servers', which is its own authority.
func secured(t *testing.T) *redistest.TLS {
	t.Helper()
	both, roots := kafkatest.Certificate(t)
	key, cert := pem.Decode(both)
	pair, err := tls.X509KeyPair(cert, both)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &redistest.TLS{CA: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), Client: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	s.Cert = s.CA
	for path, data := range map[string][]byte{s.Cert: cert, s.Key: pem.EncodeToMemory(key)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestMutualTLS: a server that asks for a certificate lets in who shows one of its
// authority; who shows none or another is told so at once, and nothing reads as lost.
func TestMutualTLS(t *testing.T) {
	safe := secured(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	srv, err := redistest.Start(ctx, redistest.Options{Dir: t.TempDir(), TLS: safe})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop() })
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}, TLS: safe.Client})
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	create(t, s)
	apply(t, s, step(-1, 0), online.OutcomeOK)
	none := &tls.Config{RootCAs: safe.Client.RootCAs}
	foreign := none.Clone()
	foreign.Certificates = secured(t).Client.Certificates
	named := safe.Client.Clone()
	named.ServerName = "elsewhere"
	for name, c := range map[string]struct {
		client *tls.Config
		says   string
	}{
		"no certificate":      {none, "certificate required"},
		"another's":           {foreign, "unknown certificate"},
		"another name":        {named, "elsewhere"},
		"another's authority": {secured(t).Client, "unknown authority"},
		"plaintext":           {nil, ""},
	} {
		s := open(t, redis.Config{Addrs: []string{srv.Addr()}, TLS: c.client})
		begun := time.Now()
		err := s.Check(t.Context())
		if !errors.Is(err, featurestore.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if lanes, err := s.Lanes(t.Context(), generation, 2); !errors.Is(err, featurestore.ErrUnavailable) {
			t.Errorf("%s: lanes %+v, %v", name, lanes, err)
		}
		t.Logf("%s, after %s: %v", name, time.Since(begun).Round(time.Millisecond), err)
	}
}

// TestSentinelTLS: the sentinel and both servers speak mutual TLS only; the store
// finds the master, and the next one after its end.
func TestSentinelTLS(t *testing.T) {
	safe := secured(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	g, err := redistest.StartSentinelTLS(ctx, t.TempDir(), safe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Stop() })
	c := sentinelConfig(g)
	if err := open(t, c).Check(ctx); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("plaintext: %v", err)
	}
	c.TLS = safe.Client
	s := open(t, c)
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	create(t, s)
	apply(t, s, step(-1, 0), online.OutcomeOK)
	if err := g.InSync(ctx); err != nil {
		t.Fatal(err)
	}
	if err := g.Failover(ctx); err != nil {
		t.Fatal(err)
	}
	if got := settledOffset(t, s); got != 0 {
		t.Fatalf("watermark at %d, want 0", got)
	}
	applySettled(t, s, 0)
}

// TestClusterTLS: every node speaks mutual TLS only, to clients and to each other;
// the store works in each lane, and follows slots that move.
func TestClusterTLS(t *testing.T) {
	const lanes = 8 // on every master
	safe := secured(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c, err := redistest.StartClusterTLS(ctx, t.TempDir(), safe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	cfg := clusterConfig(c)
	if err := open(t, cfg).Check(ctx); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("plaintext: %v", err)
	}
	cfg.Addrs, cfg.TLS = cfg.Addrs[:1], safe.Client // the others are learnt
	s := open(t, cfg)
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(ctx, generation, onlinetest.Meta(1, lanes)); err != nil {
		t.Fatal(err)
	}
	count := func(from int64) {
		t.Helper()
		for n := range uint16(lanes) {
			b := step(from, 0)
			b.Lane = lane(n)
			if r := s.Apply(ctx, []online.Batch{b})[0]; r.Outcome != online.OutcomeOK {
				t.Fatalf("lane %d: %v (%v)", n, r.Outcome, r.Err)
			}
		}
	}
	count(-1)
	slot, err := c.Slot(ctx, string(lane(0).AppendMetaKey(nil)))
	if err != nil {
		t.Fatal(err)
	}
	from := 0
	for slot > 16384*(from+1)/3-1 {
		from++
	}
	err = c.MoveSlot(ctx, slot, from, (from+1)%3, func() error { // asked for, where it is new
		_, err := s.Get(ctx, []online.EntityID{{LaneID: lane(0), Key: []byte("new")}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	count(0)
	stored, err := s.Lanes(ctx, generation, lanes)
	if err != nil {
		t.Fatal(err)
	}
	for n := range stored {
		if got := stored[n].Watermarks[online.Partition{}].Offset; got != 1 {
			t.Errorf("lane %d stands at %d, want 1", n, got)
		}
	}
}
