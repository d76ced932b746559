package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.all.String(), text)
}

// looking is a server on a Redis, as a user of it.
type looking struct {
	t    *testing.T
	n    *node.Node
	said lines
}

func newLooking(t *testing.T, redis *redistest.Server, user string) *looking {
	t.Helper()
	root := t.TempDir()
	text := fmt.Sprintf("project: shop\nonline: {redis: {addrs: [%q], username: %s, password: pw}}\n", redis.Addr(), user)
	if err := os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(root, settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	l := &looking{t: t}
	parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.NewTextHandler(&l.said, nil)), node.NeedOnline)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, parts.Close)
	l.n, err = node.Start(t.Context(), parts, node.Options{Role: node.Serve, Listen: "127.0.0.1:0", Version: "test", LookEvery: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, l.n.Stop)
	return l
}

func (l *looking) store() string {
	l.t.Helper()
	var s node.Status
	code, text := ask(l.t, l.n.Server.Addr(), "/v1/status")
	if err := json.Unmarshal([]byte(text), &s); err != nil || code != 200 {
		l.t.Fatalf("%d %s", code, text)
	}
	return s.Store
}

// metric is the value of online_store_ok; "" where there is none.
func (l *looking) metric() string {
	l.t.Helper()
	_, text := ask(l.t, l.n.Server.Addr(), "/metrics")
	for line := range strings.Lines(text) {
		if value, is := strings.CutPrefix(line, "freshet_online_store_ok "); is {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// TestAServerLooksAtTheStore: while it runs, a server says that the store's settings
// have become unfit, as an ingester does: in its status, its log, once, and a metric.
// What its user may not ask for it does not say.
func TestAServerLooksAtTheStore(t *testing.T) {
	redis, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, redis.Stop)
	do := func(args ...any) {
		t.Helper()
		if err := redis.Do(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	const reader = "+mget +hgetall +hello +auth +ping +select"
	for user, rules := range map[string]string{"all": "+@all", "reader": reader + " +info", "blind": reader + " +info"} {
		args := []any{"ACL", "SETUSER", user, "on", ">pw", "resetkeys", "~{*", "-@all"}
		for _, rule := range strings.Fields(rules) {
			args = append(args, rule)
		}
		do(args...)
	}
	all, looks, blind := newLooking(t, redis, "all"), newLooking(t, redis, "reader"), newLooking(t, redis, "blind")
	for _, l := range []*looking{all, looks, blind} {
		eventually(t, "it has looked", func() bool { return l.metric() == "1" })
		if got := l.store(); got != "" {
			t.Errorf("it says %q", got)
		}
	}
	do("ACL", "SETUSER", "blind", "-info")
	eventually(t, "it may not ask any more", func() bool { return blind.metric() == "" })

	do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	const wrong = `maxmemory-policy is "allkeys-lru": state would be evicted in silence`
	for _, l := range []*looking{all, looks} {
		eventually(t, "the policy is told", func() bool { return strings.Contains(l.store(), wrong) && l.metric() == "0" })
	}
	do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	for _, l := range []*looking{all, looks} {
		eventually(t, "it is right again", func() bool { return l.store() == "" && l.metric() == "1" })
		if n := l.said.count("the online store is not as it must be"); n != 1 {
			t.Errorf("the log says it %d times", n)
		}
	}

	do("CONFIG", "SET", "appendonly", "no") // the test's server keeps no snapshots
	eventually(t, "the lost persistence is told", func() bool { return strings.Contains(all.store(), "nothing is written to disk") })
	do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	eventually(t, "both are told", func() bool {
		s := all.store()
		return strings.Contains(s, wrong) && strings.Contains(s, "nothing is written to disk")
	})
	eventually(t, "the policy is told", func() bool { return strings.Contains(looks.store(), wrong) })
	if got := looks.store(); strings.Contains(got, "append-only") || strings.Contains(got, "disk") {
		t.Errorf("a user who may not ask for CONFIG says %q", got)
	}
	if got := blind.store(); got != "" || blind.metric() != "" || blind.said.count("not as it must be") > 0 {
		t.Errorf("a user who may not ask for INFO says %q", got)
	}
}
