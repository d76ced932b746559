package embedded_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/online/onlinetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// clock is a clock that a test moves.
type clock struct{ now featurestore.Instant }

func (c *clock) read() featurestore.Instant { return c.now }

func config(dir string) embedded.Config {
	return embedded.Config{Dir: dir, Now: (&clock{now: 1}).read}
}

func open(t testing.TB, cfg embedded.Config) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSuite(t *testing.T) {
	onlinetest.Run(t, func(t *testing.T) online.Store { return open(t, config(t.TempDir())) })
}

func TestReopen(t *testing.T) {
	for _, sync := range []bool{false, true} {
		onlinetest.RunDurable(t, func(t *testing.T) (online.Store, onlinetest.Restart) {
			cfg := config(t.TempDir())
			cfg.Sync = sync
			s := open(t, cfg)
			return s, func() online.Store {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, cfg)
				return s
			}
		})
	}
}

func TestTimeToLive(t *testing.T) {
	c := &clock{now: 1000}
	s := open(t, embedded.Config{Dir: t.TempDir(), Now: c.read})
	g := online.Generation{Project: "p", View: "v", Number: 1}
	lane := online.LaneID{Generation: g, Lane: 0}
	meta := onlinetest.Meta(1, 1)
	if err := s.Create(t.Context(), g, meta); err != nil {
		t.Fatal(err)
	}
	blob := onlinetest.Blob("1", []byte("x"))
	apply := func(from int64, ttl time.Duration, writes ...online.Write) online.Outcome {
		r := s.Apply(t.Context(), []online.Batch{{Lane: lane, Definition: meta.Definition, From: from, To: online.Watermark{Offset: from + 1}, Writes: writes, TTL: ttl}})
		return r[0].Outcome
	}
	present := func(key string) bool {
		blobs, err := s.Get(t.Context(), []online.EntityID{{LaneID: lane, Key: []byte(key)}})
		if err != nil {
			t.Fatal(err)
		}
		return blobs[0].Open != nil
	}
	a, b := online.Write{Key: []byte("a"), Blob: blob}, online.Write{Key: []byte("b"), Blob: blob}
	if got := apply(-1, time.Millisecond, a, b); got != online.OutcomeOK {
		t.Fatal(got)
	}
	if got := apply(0, 0, online.Write{Key: []byte("kept"), Blob: blob}); got != online.OutcomeOK {
		t.Fatal(got)
	}
	if c.now = 1999; !present("a") || apply(1, 0, a) != online.OutcomeVersion {
		t.Error("the entity is gone a microsecond before its time")
	}
	if c.now = 2000; present("a") || !present("kept") {
		t.Error("after 1 ms the entity is still there, or one without a time is gone")
	}
	if c.now = 1500; present("a") {
		t.Error("a read did not remove what it found expired")
	}
	c.now = 2000
	if n, err := s.Purge(t.Context(), g); n != 1 || err != nil {
		t.Errorf("purged %d entities (%v), want b alone", n, err)
	}
	if c.now = 1500; present("b") || !present("kept") {
		t.Error("purging left an expired entity, or took another")
	}
	if got := apply(1, 0, a); got != online.OutcomeOK {
		t.Errorf("an expired entity is not absent: %v", got)
	}
}

// TestClosedPartsExpireWithTheirEntity: a closed part is there as long as its
// entity, goes with it, and is not taken over by the next of the same key.
func TestClosedPartsExpireWithTheirEntity(t *testing.T) {
	c := &clock{now: 1000}
	s := open(t, embedded.Config{Dir: t.TempDir(), Now: c.read})
	g := online.Generation{Project: "p", View: "v", Number: 1}
	lane := online.LaneID{Generation: g, Lane: 0}
	meta := onlinetest.Meta(1, 1)
	if err := s.Create(t.Context(), g, meta); err != nil {
		t.Fatal(err)
	}
	blob := onlinetest.Blob("1", nil)
	apply := func(from int64, w online.Write) {
		t.Helper()
		b := online.Batch{Lane: lane, Definition: meta.Definition, From: from, To: online.Watermark{Offset: from + 1}, Writes: []online.Write{w}, TTL: time.Millisecond}
		if r := s.Apply(t.Context(), []online.Batch{b}); r[0].Outcome != online.OutcomeOK {
			t.Fatal(r)
		}
	}
	closed := func(key string) string {
		t.Helper()
		parts, err := s.Get(t.Context(), []online.EntityID{{LaneID: lane, Key: []byte(key), Split: true}})
		if err != nil {
			t.Fatal(err)
		}
		return string(parts[0].Closed)
	}
	key, other := []byte("a"), []byte("b}:e:b")
	apply(-1, online.Write{Key: key, Blob: blob, Closed: []byte("closed")})
	c.now = 1500
	apply(0, online.Write{Key: key, Expect: onlinetest.Prefix(blob), Blob: blob, Renew: true})
	if c.now = 2400; closed("a") != "closed" {
		t.Error("a write did not renew the closed part")
	}
	c.now = 2500 // expired, and nobody has looked yet
	apply(1, online.Write{Key: key, Blob: blob})
	if got := closed("a"); got != "" {
		t.Errorf("a new entity has taken over %q", got)
	}
	apply(2, online.Write{Key: other, Blob: blob, Closed: []byte("closed")})
	if c.now = 9000; closed("b}:e:b") != "" {
		t.Error("the closed part outlives its entity")
	}
	if n, err := s.Purge(t.Context(), g); err != nil || n != 1 {
		t.Errorf("purged %d (%v)", n, err)
	}
	if c.now = 2501; closed("a") != "" || closed("b}:e:b") != "" {
		t.Error("something is left of what was purged")
	}
}

func TestFolderOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	_, err := embedded.Open(config(dir))
	if !errors.Is(err, featurestore.ErrUnavailable) || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), dir) {
		t.Errorf("opening twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, config(dir))
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for cfg, kind := range map[*embedded.Config]error{
		{}:                 featurestore.ErrInvalid,
		{Dir: t.TempDir()}: featurestore.ErrInvalid,
		{Dir: t.TempDir(), Now: (&clock{}).read, Memory: 1 << 20}: featurestore.ErrInvalid,
		{Dir: file, Now: (&clock{}).read}:                         featurestore.ErrUnavailable,
	} {
		if _, err := embedded.Open(*cfg); !errors.Is(err, kind) {
			t.Errorf("opening %q: %v, want kind %q", cfg.Dir, err, kind)
		}
	}
}

func BenchmarkStore(b *testing.B) {
	onlinetest.Benchmark(b, func(b *testing.B) online.Store { return open(b, config(b.TempDir())) })
}
