package embedded

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/onlinetest"
)

// TestPowerCut cuts the power at many moments, with any part of what was not
// synced on the disk: the store opens, every state agrees with its watermark,
// all lanes are at one step, and with Sync, as for rows, nothing is missing.
func TestPowerCut(t *testing.T) {
	for seed := range int64(30) {
		for _, sync := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed=%d,sync=%v", seed, sync), func(t *testing.T) { cutPower(t, seed, sync) })
		}
	}
}

func cutPower(t *testing.T, seed int64, sync bool) {
	fs := vfs.NewCrashableMem()
	rng := rand.New(rand.NewPCG(uint64(seed), 1))
	cfg := Config{Dir: "store", Now: func() featurestore.Instant { return 1 }, Sync: sync, fs: fs}
	s := mustOpen(t, cfg)
	g := online.Generation{Project: "p", View: "v", Number: 1}
	meta := onlinetest.Meta(1, 3)
	if err := s.Create(t.Context(), g, meta); err != nil {
		t.Fatal(err)
	}
	steps := 20 + rng.Int64N(60)
	for n := range steps {
		applyStep(t, s, g, n)
		if n%20 == 10 || n == steps-3 { // a new log begins while the old one is still needed
			if _, err := s.db.AsyncFlush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows := rng.IntN(2) == 0
	if rows {
		putRow(t, s, g)
	}
	cfg.fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, cfg)
	got := stepOfAll(t, again, g)
	if got > steps-1 || (sync || rows) && got != steps-1 {
		t.Errorf("of %d steps the last is %d", steps, got)
	}
	if blobs := mustGet(t, again, g, "row"); rows && blobs == nil {
		t.Error("a row that was written is gone")
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustGet(t *testing.T, s *Store, g online.Generation, key string) []byte {
	t.Helper()
	blobs, err := s.Get(t.Context(), []online.EntityID{{LaneID: online.LaneID{Generation: g}, Key: []byte(key)}})
	if err != nil {
		t.Fatal(err)
	}
	return blobs[0].Open
}

// applyStep writes the step's number to an entity of each lane.
func applyStep(t *testing.T, s *Store, g online.Generation, n int64) {
	t.Helper()
	var batches []online.Batch
	for lane := range uint16(3) {
		w := online.Write{Key: []byte("a"), Blob: onlinetest.Blob(fmt.Sprint(n), make([]byte, 300))}
		if n > 0 {
			w.Expect = onlinetest.Prefix(onlinetest.Blob(fmt.Sprint(n-1), nil))
		}
		batches = append(batches, online.Batch{
			Lane: online.LaneID{Generation: g, Lane: lane}, Definition: onlinetest.Meta(1, 3).Definition,
			From: n - 1, To: online.Watermark{Offset: n}, Writes: []online.Write{w},
		})
	}
	for _, r := range s.Apply(t.Context(), batches) {
		if r.Outcome != online.OutcomeOK {
			t.Fatalf("step %d: %v (%v)", n, r.Outcome, r.Err)
		}
	}
}

// putRow stores a row in the one lane of a generation of its own making.
func putRow(t *testing.T, s *Store, g online.Generation) {
	t.Helper()
	n, err := s.PutRows(t.Context(), g, 1, []online.Row{{Key: []byte("row"), Blob: onlinetest.RowBlob("1", nil)}}, 0)
	if n != 1 || err != nil {
		t.Fatalf("wrote %d rows (%v)", n, err)
	}
}

// stepOfAll is the step of every lane and entity; they must agree.
func stepOfAll(t *testing.T, s *Store, g online.Generation) int64 {
	t.Helper()
	lanes, err := s.Lanes(t.Context(), g, 3)
	if err != nil {
		t.Fatal(err)
	}
	step := int64(-1)
	if w, ok := lanes[0].Watermarks[online.Partition{}]; ok {
		step = w.Offset
	}
	for i, l := range lanes {
		w, ok := l.Watermarks[online.Partition{}]
		if ok != (step >= 0) || ok && w.Offset != step || l.Meta != onlinetest.Meta(1, 3) {
			t.Fatalf("lane %d is %+v, lane 0 at %d", i, l, step)
		}
	}
	want := ""
	if step >= 0 {
		want = string(onlinetest.Blob(fmt.Sprint(step), make([]byte, 300)))
	}
	if got := string(mustGet(t, s, g, "a")); got != want {
		t.Fatalf("the entity is of another step than its watermark, %d", step)
	}
	return step
}
