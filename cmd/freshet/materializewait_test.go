//go:build duckdb_arrow

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
	"github.com/freshet/freshet/ingest/logrecord"
)

// heard is what a command says, and who waits for some of it.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
	word string
	said chan struct{} // closed once the word was
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := strings.Contains(h.text.String(), h.word)
	n, err := h.text.Write(b)
	if !before && strings.Contains(h.text.String(), h.word) {
		close(h.said)
	}
	return n, err
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// project is one whose online store is a real Redis, so that several processes have it.
type waitingProject struct {
	t   *testing.T
	dir string
}

// run runs a verb as a person does; what it says goes to a writer.
func (p *waitingProject) run(says *heard, args ...string) error {
	app := &App{App: &cli.App{Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: says, Getenv: func(string) string { return "" }}}
	root := app.Root("freshet", "")
	app.AddCommon(root)
	root.AddCommand(app.materializeCommand())
	root.SetArgs(append([]string{"-C", p.dir}, args...))
	return root.ExecuteContext(context.Background())
}

func (p *waitingProject) must(args ...string) {
	p.t.Helper()
	says := newHeard()
	if err := p.run(says, args...); err != nil {
		p.t.Fatalf("%v: %s%v", args, says, err)
	}
}

func newHeard() *heard { return &heard{word: "waiting up to", said: make(chan struct{})} }

func (p *waitingProject) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// ingest runs an ingester; the function it gives ends it.
func (p *waitingProject) ingest() (end func()) {
	p.t.Helper()
	s, err := settings.Load(p.dir, settings.Source{})
	if err != nil {
		p.t.Fatal(err)
	}
	parts, err := node.Open(p.t.Context(), s, node.StoredClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := parts.Log.CreateTopic(p.t.Context(), logrecord.TopicSpec{Name: "clicks", Partitions: 1, Retention: logrecord.Forever}); err != nil {
		p.t.Fatal(err)
	}
	n, err := node.Start(p.t.Context(), parts, node.Options{Role: node.Ingest, Version: "test"})
	if err != nil {
		p.t.Fatal(err)
	}
	return func() {
		p.t.Helper()
		if err := n.Stop(); err != nil {
			p.t.Error(err)
		}
		if err := parts.Close(); err != nil {
			p.t.Error(err)
		}
	}
}

// live are the live generations.
func (p *waitingProject) live() map[string]registry.Generation {
	p.t.Helper()
	r, err := sqlite.Open(p.t.Context(), filepath.Join(p.dir, ".freshet", "registry.db"), online.DefaultLanes)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = r.Close() }() // what it holds was looked at
	list, err := r.Generations(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return registry.LiveOf(list)
}

// becomes waits until these generations are live.
func (p *waitingProject) becomes(b, v uint32) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		if live := p.live(); live["b"].Number == b && live["v"].Number == v {
			return
		} else if time.Now().After(deadline) {
			p.t.Fatalf("live are %d and %d, want %d and %d", live["b"].Number, live["v"].Number, b, v)
		}
	}
}

// TestMaterializeWaits: a run of a batch view that changed with a stream view waits for
// the ingester that fills it: for as long as it was told to, and then the revision before
// goes on; and no longer than it must.
func TestMaterializeWaits(t *testing.T) {
	redis, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := redis.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := &waitingProject{t, t.TempDir()}
	p.write("freshet.yaml", fmt.Sprintf("project: shop\nonline: {redis: {addrs: [%q]}}\n", redis.Addr()))
	p.write("people.csv", "at,user,age\n2026-01-01T00:00:00Z,ann,40\n")
	p.write("d.yaml", settling)
	p.must("apply", "--yes")
	p.must("materialize", "b")
	end := p.ingest()
	p.becomes(1, 1)
	end()
	p.write("d.yaml", strings.Replace(strings.Replace(settling, "1h", "2h", 1), "{name: age, type: int64}", "{name: years, type: int64, column: age}", 1))
	p.must("apply", "--yes")

	says, begun := newHeard(), time.Now()
	const wait = 700 * time.Millisecond
	err = p.run(says, "materialize", "b", "--wait", wait.String())
	if took := time.Since(begun); err == nil || took < wait || took > 20*time.Second ||
		!strings.Contains(err.Error(), `generation 2 of view "b" is written, and does not take over: no ingester has filled v,`) || !strings.Contains(err.Error(), "--wait 0s") {
		t.Errorf("nobody fills it, after %s: %v", took, err)
	}
	if got := says.String(); strings.Count(got, "waiting up to 700ms for an ingester to fill v") != 1 {
		t.Errorf("it said: %s", got)
	}
	p.becomes(1, 1)

	says, done := newHeard(), make(chan error, 1)
	go func() { done <- p.run(says, "materialize", "b", "--wait", "1m") }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %s%v", says, err)
	case <-says.said:
	}
	p.becomes(1, 1)
	end = p.ingest()
	defer end()
	if err := <-done; err != nil {
		t.Fatalf("once there is an ingester: %s%v", says, err)
	}
	p.becomes(2, 2)
}
