package canary

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/ingest/kafka"
	embeddedlog "github.com/freshet/freshet/ingest/kafka/embedded"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/transforms/window"
)

// patience bounds every wait.
const patience = 60 * time.Second

// world is a log and an online store, with canaries on them.
type world struct {
	t     *testing.T
	addr  string
	log   logrecord.Log
	store online.Store
	told  *lines
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wall() featurestore.Instant { return featurestore.InstantOf(time.Now()) }

// inProcess is a world of the broker and the store that run in the process.
func inProcess(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	broker, err := embeddedlog.Start(filepath.Join(dir, "log"), embeddedlog.Options{})
	ok(t, err)
	t.Cleanup(func() { ok(t, broker.Close()) })
	store, err := embedded.Open(embedded.Config{Dir: filepath.Join(dir, "online"), Now: wall})
	ok(t, err)
	t.Cleanup(func() { ok(t, store.Close()) })
	return on(t, broker.Addr(), store)
}

func on(t *testing.T, addr string, store online.Store) *world {
	t.Helper()
	client, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{addr}, Clock: wall, MaxWait: 20 * time.Millisecond})
	ok(t, err)
	t.Cleanup(func() { ok(t, client.Close()) })
	return &world{t: t, addr: addr, log: client, store: store, told: &lines{t: t}}
}

// canary starts one; it ends with the test. change may be nil.
func (w *world) canary(change func(*Config)) *Canary {
	w.t.Helper()
	c := Config{
		Project: "shop", Partitions: 2, Every: 200 * time.Millisecond, Log: w.log, Online: w.store,
		Logger: slog.New(slog.NewTextHandler(w.told, nil)), Now: wall, Heartbeat: 50 * time.Millisecond, Poll: 50 * time.Millisecond,
	}
	if change != nil {
		change(&c)
	}
	started, err := New(c)
	ok(w.t, err)
	started.Start()
	w.t.Cleanup(started.Stop)
	return started
}

// applied reports whether every lane has applied all that a partition of the topic holds.
func (w *world) applied(c *Canary, partition int32) bool {
	w.t.Helper()
	bounds, err := w.log.Bounds(w.t.Context(), "freshet.shop.canary", partition)
	ok(w.t, err)
	lanes, err := w.store.Lanes(w.t.Context(), c.generation, probes)
	ok(w.t, err)
	for _, l := range lanes {
		for p, mark := range l.Watermarks {
			if p.Number == partition && mark.Offset < bounds.End-1 {
				return false
			}
		}
	}
	return true
}

// until waits for a status.
func until(t *testing.T, c *Canary, what string, is func(*Status) bool) Status {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if s := c.Status(); is(&s) {
			return s
		}
	}
	t.Fatalf("%s: it never was: %+v", what, c.Status())
	return Status{}
}

// goesOn waits for some more rounds that are served.
func goesOn(t *testing.T, c *Canary) Status {
	t.Helper()
	before := c.Status().Served
	return until(t, c, "more records are served", func(s *Status) bool {
		return s.State == StateRunning && s.Served >= before+4*probes
	})
}

func wantNoFindings(t *testing.T, s Status) {
	t.Helper()
	if s.Losses+s.Doubles > 0 || s.Wrong > 0 {
		t.Errorf("findings where nothing is wrong: %+v", s)
	}
}

// key gives the entity of a probe of a canary's newest series in a partition.
func key(t *testing.T, c *Canary, partition int32, lane uint16) online.EntityID {
	t.Helper()
	var began featurestore.Instant
	for _, p := range until(t, c, "the partition is written", func(s *Status) bool { return len(s.Partitions) == 2 && s.Partitions[partition].Number > 1 }).Partitions {
		if p.Partition == partition {
			var err error
			began, err = featurestore.ParseInstant(p.Series)
			ok(t, err)
		}
	}
	s, err := newSeries(partition, int64(began))
	ok(t, err)
	k, err := codec.AppendKey(nil, keyTypes, s.key(s.probes[lane]))
	ok(t, err)
	return online.EntityID{LaneID: online.LaneID{Generation: c.generation, Lane: lane}, Key: k, Split: true}
}

// takeBack makes an entity forget that it has applied its newest record, but not
// what that did to its values, and moves its lane back: what a store does that
// keeps one half of a write and loses the other. The record is applied again.
func (w *world) takeBack(c *Canary, id online.EntityID, partition int32) {
	w.t.Helper()
	view := c.project.StreamView(View)
	part := online.Partition{Source: Source, Generation: 1, Number: partition}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		lanes, err := w.store.Lanes(w.t.Context(), c.generation, probes)
		ok(w.t, err)
		parts, err := w.store.Get(w.t.Context(), []online.EntityID{id})
		ok(w.t, err)
		h := codec.Header{Definition: view.Hash, Key: id.Key}
		var s window.State
		ok(w.t, codec.DecodeEntity(parts[0].Open, parts[0].Closed, h, view.Plan, &s))
		expect, err := codec.AppliedPrefix(parts[0].Open)
		ok(w.t, err)
		mark := lanes[id.Lane].Watermarks[part]
		from := mark.Offset
		s.Applied[0].Offset -= probes
		mark.Offset = s.Applied[0].Offset
		open, closed := codec.AppendEntity(nil, nil, h, view.Plan, &s)
		r := w.store.Apply(w.t.Context(), []online.Batch{{
			Lane: id.LaneID, Definition: view.Hash, Partition: part, From: from, To: mark,
			Writes: []online.Write{{Key: id.Key, Expect: bytes.Clone(expect), Blob: open, Closed: closed}},
		}})
		if r[0].Outcome == online.OutcomeOK {
			return
		}
	}
	w.t.Fatal("the entity was always being written")
}

// lines is what a canary has logged.
type lines struct {
	t    *testing.T
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Logf("%s", b)
	return l.text.Write(b)
}

func (l *lines) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}

// forgetful is a store that has lost one entity.
type forgetful struct {
	online.Store
	mu   sync.Mutex
	lost string // its key
}

func (f *forgetful) forget(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = key
}

func (f *forgetful) Get(ctx context.Context, ids []online.EntityID) ([]online.Parts, error) {
	parts, err := f.Store.Get(ctx, ids)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range parts {
		if f.lost != "" && string(ids[i].Key) == f.lost {
			parts[i].Open, parts[i].Closed = nil, nil
		}
	}
	return parts, err
}
