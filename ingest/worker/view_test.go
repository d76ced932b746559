package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
)

const lanesOfTests = 4

// base is an instant, in seconds, that lies on no edge of a day.
const base = 1_700_000_000 * micros

func user(name string, v, second int64) event {
	return event{user: name, v: v, at: base + second*micros, a: base + second*micros}
}

// folder is an embedded store and the folder behind it.
type folder struct {
	online.Store // swapped by restore
	dir          string
	clock        featurestore.Instant
}

func openFolder(t *testing.T) *folder {
	t.Helper()
	f := &folder{dir: filepath.Join(t.TempDir(), "store"), clock: base}
	f.open(t)
	t.Cleanup(func() { ok(t, f.Store.Close()) })
	return f
}

func (f *folder) open(t *testing.T) {
	t.Helper()
	s, err := embedded.Open(embedded.Config{Dir: f.dir, Now: func() featurestore.Instant { return f.clock }})
	ok(t, err)
	f.Store = s
}

// copyTo closes the store, copies its folder and opens it again.
func (f *folder) copyTo(t *testing.T, to string) {
	t.Helper()
	ok(t, f.Store.Close())
	ok(t, os.CopyFS(to, os.DirFS(f.dir)))
	f.open(t)
}

// restore puts an older copy in the store's place.
func (f *folder) restore(t *testing.T, from string) {
	t.Helper()
	ok(t, f.Store.Close())
	ok(t, os.RemoveAll(f.dir))
	ok(t, os.CopyFS(f.dir, os.DirFS(from)))
	f.open(t)
}

func wantRewind(t *testing.T, err error, offset int64) {
	t.Helper()
	var r *rewindError
	if !errors.As(err, &r) || r.Offset != offset {
		t.Fatalf("error %v, want a rewind to after %d", err, offset)
	}
}

// blindStore finds no entity, whatever it holds.
type blindStore struct{ *memoryStore }

func (s blindStore) Get(_ context.Context, ids []online.EntityID) ([]online.Parts, error) {
	return make([]online.Parts, len(ids)), nil
}

// A store that does not compare what it gives to be read keeps no chunk for ever.
func TestConflictsEnd(t *testing.T) {
	view, s := activity(t), blindStore{newMemoryStore()}
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("a", 3, 2))
	ok(t, openView(t, view, s, lanesOfTests).Apply(t.Context(), p.chunk(0, 1)))
	v := openView(t, view, s, lanesOfTests)
	if err := v.Apply(t.Context(), p.all()); !errors.Is(err, featurestore.ErrUnavailable) || v.Counts().Conflicts != mostConflicts {
		t.Errorf("%v after %d conflicts", err, v.Counts().Conflicts)
	}
}

// WM: another writer of the same partition was faster. Nothing counts twice, and
// the slower one goes on where the store stands.
func TestAnotherWriterMovedTheWatermark(t *testing.T) {
	view, s := activity(t), openFolder(t)
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 2, 1), user("a", 3, 2), user("c", 4, 3))
	slow, fast := openView(t, view, s, lanesOfTests), openView(t, view, s, lanesOfTests)
	ok(t, slow.Apply(t.Context(), p.chunk(0, 1)))
	ok(t, fast.Reload(t.Context()))
	ok(t, fast.Apply(t.Context(), p.chunk(0, 4)))
	ok(t, fast.Advance(t.Context(), p.chunk(0, 4)))
	wantRewind(t, slow.Apply(t.Context(), p.chunk(1, 4)), 3)
	if n := slow.Counts(); n.Rewinds != 1 || n.Unknown != 0 {
		t.Errorf("counts %+v", n)
	}
	if low := slow.Lowest(p.id); low != 3 {
		t.Errorf("the slow writer stands at %d, want 3", low)
	}
	ok(t, slow.Apply(t.Context(), p.all())) // all of it again: skipped
	expect(t, view, p).check(t, s, generation, lanesOfTests)
}

// VER: an entity was changed by the owner of another partition, here of another
// topic. It is read and folded again, and counts exactly once.
func TestAnotherWriterChangedTheEntity(t *testing.T) {
	view, s := activity(t), openFolder(t)
	clicks := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("a", 3, 2), user("a", 5, 4))
	orders := newPart(t, view, partition0("orders", 0), user("a", 20, 1), user("b", 30, 3))
	one, other := openView(t, view, s, lanesOfTests), openView(t, view, s, lanesOfTests)
	ok(t, one.Apply(t.Context(), clicks.chunk(0, 1)))
	ok(t, other.Apply(t.Context(), orders.chunk(0, 2)))
	ok(t, one.Apply(t.Context(), clicks.chunk(1, 2)))
	if n := one.Counts(); n.Conflicts != 1 || n.Rewinds != 0 {
		t.Errorf("counts %+v, want one conflict", n)
	}
	ok(t, one.Apply(t.Context(), clicks.chunk(2, 3)))
	if n := one.Counts(); n.Conflicts != 1 {
		t.Errorf("counts %+v: what was read again conflicts again", n)
	}
	expect(t, view, clicks, orders).check(t, s, generation, lanesOfTests)
}

// DEF: the lanes are another definition's, or gone. The view stops and writes
// nothing more.
func TestAnotherDefinition(t *testing.T) {
	view, s := activity(t), openFolder(t)
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 2, 1))
	v := openView(t, view, s, lanesOfTests)
	ok(t, v.Apply(t.Context(), p.chunk(0, 1)))
	ok(t, s.Drop(t.Context(), generation, lanesOfTests))
	if err := v.Apply(t.Context(), p.chunk(1, 2)); !errors.Is(err, errLost) {
		t.Fatalf("lanes that are gone: %v", err)
	}
	if err := v.Audit(t.Context()); !errors.Is(err, errLost) {
		t.Fatalf("lanes that are gone, audited: %v", err)
	}
	changed := load(t, strings.Replace(definitions, "window: 1h", "window: 2h", 1)).StreamView("activity")
	openView(t, changed, s, lanesOfTests)
	if err := v.Apply(t.Context(), p.all()); !errors.Is(err, errStale) {
		t.Fatalf("another definition: %v", err)
	}
	if err := v.Reload(t.Context()); !errors.Is(err, errStale) {
		t.Fatalf("another definition, reloaded: %v", err)
	}
	if _, err := OpenView(t.Context(), ViewConfig{View: view, ID: generation, Lanes: lanesOfTests, Store: s}); !errors.Is(err, featurestore.ErrInvalid) {
		t.Fatalf("another definition, opened: %v", err)
	}
}

// An unknown outcome is settled by the watermark, whichever way it went, and
// what was cached of the lane is read again.
func TestUnknownOutcome(t *testing.T) {
	for name, f := range map[string]fate{"applied": answerLost, "not applied": batchLost, "applied later": arrivesLate} {
		t.Run(name, func(t *testing.T) {
			view, s := activity(t), newMemoryStore()
			p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("a", 2, 1), user("a", 4, 2))
			v := openView(t, view, s, 1)
			ok(t, v.Apply(t.Context(), p.chunk(0, 1)))
			s.fate = func(*online.Batch) fate { return f }
			stands := int64(0)
			if f == answerLost {
				stands = 1
			}
			wantRewind(t, v.Apply(t.Context(), p.chunk(1, 2)), stands)
			if v.Counts().Unknown != 1 || v.cache.len() != 0 {
				t.Errorf("counts %+v, %d entities are cached", v.Counts(), v.cache.len())
			}
			s.fate = nil
			if f == arrivesLate {
				s.arriveLate()
				wantRewind(t, v.Apply(t.Context(), p.chunk(1, 3)), 1)
			}
			ok(t, v.Apply(t.Context(), p.chunk(v.Lowest(p.id)+1, 3)))
			sameStates(t, s, undisturbed(t, view, 1, p))
			expect(t, view, p).check(t, s, generation, 1)
		})
	}
}

// A view that learns by one partition that the store has lost something does not
// let the other partitions go on as if nothing had happened.
func TestOnePartitionsRewindStopsTheOthers(t *testing.T) {
	view, s := activity(t), newMemoryStore()
	clicks := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 2, 1), user("a", 3, 2))
	orders := newPart(t, view, partition0("orders", 0), user("a", 10, 0), user("b", 20, 1), user("c", 30, 2))
	v := openView(t, view, s, lanesOfTests)
	ok(t, v.Apply(t.Context(), clicks.chunk(0, 1)))
	old := s.snapshot()
	ok(t, v.Apply(t.Context(), orders.chunk(0, 2)))
	ok(t, v.Apply(t.Context(), clicks.chunk(1, 2)))
	for id := range old {
		s.failover(old, id)
	}
	wantRewind(t, v.Audit(t.Context()), -1) // by the owner of clicks
	wantRewind(t, v.Apply(t.Context(), orders.chunk(2, 3)), -1)
	wantRewind(t, v.Advance(t.Context(), orders.chunk(0, 2)), -1)
	for _, p := range []*part{clicks, orders} {
		ok(t, v.Apply(t.Context(), p.all()))
		ok(t, v.Advance(t.Context(), p.all()))
	}
	sameStates(t, s, undisturbed(t, view, lanesOfTests, clicks, orders))
}

// Advance moves the lanes that had nothing to apply, with the times and
// fingerprints of the end; it never passes what was not fed.
func TestAdvance(t *testing.T) {
	view, s := activity(t), openFolder(t)
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 5), user("a", 2, 3), user("a", 3, 9))
	v := openView(t, view, s, lanesOfTests)
	wantRewind(t, v.Advance(t.Context(), p.chunk(0, 2)), -1)
	ok(t, v.Apply(t.Context(), p.chunk(0, 2)))
	wantRewind(t, v.Advance(t.Context(), p.chunk(2, 3)), 1)
	c := p.chunk(0, 2)
	c.FetchTime = base + 77
	ok(t, v.Advance(t.Context(), c))
	if low, high := v.Lowest(p.id), v.Highest(p.id); low != 1 || high != 1 {
		t.Errorf("lanes stand at %d to %d, want 1", low, high)
	}
	lanes, err := s.Lanes(t.Context(), generation, lanesOfTests)
	ok(t, err)
	for i, l := range lanes {
		w := l.Watermarks[p.id]
		if w.Offset != 1 || w.LogTime != base+5*micros || w.FetchTime != base+77 || len(w.Prints) != 1 || w.Prints[0].Offset != 1 {
			t.Errorf("lane %d: %+v", i, w)
		}
	}
	other := newPart(t, view, partition0("orders", 0))
	unknown := other.all()
	unknown.Partition.Source = "nobody reads it"
	ok(t, v.Apply(t.Context(), unknown))
	ok(t, v.Advance(t.Context(), unknown))
}

// Begin is about a log whose start is gone before anybody met it, and only then.
func TestBegin(t *testing.T) {
	view, s := activity(t), openFolder(t)
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 2, 1), user("a", 3, 2))
	v := openView(t, view, s, lanesOfTests)
	wantRewind(t, v.Apply(t.Context(), p.chunk(1, 2)), -1)
	ok(t, v.Begin(t.Context(), p.id, everyLane(0)))
	if v.Met(p.id) {
		t.Error("where a log begins is taken for a record")
	}
	ok(t, v.Apply(t.Context(), p.chunk(1, 3)))
	ok(t, v.Begin(t.Context(), p.id, everyLane(99)))
	if low := v.Lowest(p.id); low > 2 || !v.Met(p.id) {
		t.Errorf("the lanes were moved to %d behind records that were met", low)
	}
}

// everyLane is one offset for every lane.
func everyLane(offset int64) []int64 { return slices.Repeat([]int64{offset}, lanesOfTests) }

// An older copy of the store's folder is noticed by the audit, also where no
// record comes, and everything is applied again.
func TestAuditNoticesALostSuffix(t *testing.T) {
	view, s := activity(t), openFolder(t)
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 2, 1), user("a", 3, 2), user("c", 4, 3))
	v := openView(t, view, s, lanesOfTests)
	ok(t, v.Apply(t.Context(), p.chunk(0, 2)))
	ok(t, v.Advance(t.Context(), p.chunk(0, 2)))
	ok(t, v.Audit(t.Context()))
	backup := filepath.Join(t.TempDir(), "copy")
	s.copyTo(t, backup)
	ok(t, v.Apply(t.Context(), p.chunk(2, 4)))
	ok(t, v.Audit(t.Context()))
	s.restore(t, backup)
	wantRewind(t, v.Audit(t.Context()), -1)
	if low := v.Lowest(p.id); low != 1 {
		t.Errorf("the store is believed to stand at %d, it stands at 1", low)
	}
	wantRewind(t, v.Advance(t.Context(), p.chunk(0, 4)), 1)
	ok(t, v.Apply(t.Context(), p.chunk(2, 4)))
	ok(t, v.Audit(t.Context()))
	expect(t, view, p).check(t, s, generation, lanesOfTests)
}

// Every entity lies in the lane of its key, and lanes stand apart.
func TestLanes(t *testing.T) {
	view, s := activity(t), newMemoryStore()
	var events []event
	for i := range 200 {
		events = append(events, user("u"+strings.Repeat("x", i), 1, int64(i)))
	}
	p := newPart(t, view, partition0("clicks", 0), events...)
	v := openView(t, view, s, 16)
	ok(t, v.Apply(t.Context(), p.all()))
	found := 0
	for id, l := range s.lanes {
		for key := range l.blobs {
			found++
			if lane := codec.Lane([]byte(key), 16); lane != id.Lane {
				t.Errorf("key %q lies in lane %d, not in %d", key, id.Lane, lane)
			}
		}
		if len(l.blobs) == 0 || len(l.blobs) > 40 {
			t.Errorf("lane %d holds %d of 200 entities", id.Lane, len(l.blobs))
		}
	}
	if found != 200 {
		t.Errorf("%d entities are stored", found)
	}
}

// A stored entity lives for its time after its last write; the marks stay.
func TestTimeToLive(t *testing.T) {
	view, s := activity(t), openFolder(t)
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 1, 0), user("a", 3, 100))
	v, err := OpenView(t.Context(), ViewConfig{View: view, ID: generation, Lanes: 1, Store: s, TTL: time.Hour, CacheBytes: 1 << 20})
	ok(t, err)
	ok(t, v.Apply(t.Context(), p.chunk(0, 2)))
	s.clock += featurestore.Instant(2 * time.Hour / time.Microsecond)
	key := []byte(nil)
	for k := range expect(t, view, newPart(t, view, p.id, user("a", 1, 0))).rows {
		key = []byte(k)
	}
	id := online.EntityID{LaneID: online.LaneID{Generation: generation}, Key: key}
	if got, err := s.Get(t.Context(), []online.EntityID{id}); err != nil || got[0].Open != nil {
		t.Fatalf("after its time: %v, %v", got, err)
	}
	ok(t, v.Audit(t.Context()))
	c := p.chunk(2, 3)
	c.ReadTime = s.clock
	ok(t, v.Apply(t.Context(), c)) // the cached state is of an entity that is gone
	if n := v.Counts(); n.Conflicts != 1 {
		t.Errorf("counts %+v", n)
	}
	blobs, err := s.Get(t.Context(), []online.EntityID{id})
	ok(t, err)
	if list, err := codec.AppliedOf(blobs[0].Open); err != nil || len(list) != 1 || list[0].Offset != 2 {
		t.Errorf("applied %v, %v", list, err)
	}
}

// What does not reach an entity is counted, moves the lanes all the same, and
// harms nothing around it.
func TestCounts(t *testing.T) {
	view, s := activity(t), openFolder(t)
	late, pending, again := user("a", 1, 0), user("a", 2, 30), user("a", 1, 3)
	late.at -= 61 * micros
	pending.a = base
	dropped, nobody, long := user("a", 1, 1), user("", 1, 1), user(longKey, 1, 1)
	dropped.drop = true
	first := user("a", 1, 3)
	first.id, again.id = "k", "k"
	p := newPart(t, view, partition0("clicks", 0), late, pending, dropped, nobody, long, first, again, user("a", 0, 4))
	v := openView(t, view, s, lanesOfTests)
	ok(t, v.Apply(t.Context(), p.all()))
	want := Counts{Folded: 2, Pending: 1, Duplicate: 1, Late: 1, Filtered: 1, NullKey: 1, LongKey: 1, FailedExpr: 1, Batches: 1}
	if got := v.Counts(); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	expect(t, view, p).check(t, s, generation, lanesOfTests)
}

// A store that is down changes nothing of what a view believes.
func TestStoreDown(t *testing.T) {
	view, s := activity(t), newMemoryStore()
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 2, 1), user("a", 3, 2))
	v := openView(t, view, s, lanesOfTests)
	ok(t, v.Apply(t.Context(), p.chunk(0, 1)))
	s.down = true
	for name, err := range map[string]error{
		"read":    v.Apply(t.Context(), p.chunk(1, 2)),
		"write":   v.Apply(t.Context(), p.chunk(2, 3)),
		"audit":   v.Audit(t.Context()),
		"advance": v.Advance(t.Context(), p.chunk(0, 1)),
	} {
		var r *rewindError
		if !errors.Is(err, featurestore.ErrUnavailable) && !errors.As(err, &r) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.down = false
	ok(t, v.Reload(t.Context()))
	ok(t, v.Apply(t.Context(), p.all()))
	ok(t, v.Advance(t.Context(), p.all()))
	sameStates(t, s, undisturbed(t, view, lanesOfTests, p))
}

// A chunk that was applied in part may leave every lane beyond what was fed: what
// lies between is not missing.
func TestFedBehindTheLanes(t *testing.T) {
	v := openView(t, load(t, definitions).StreamViews[0], newMemoryStore(), lanesOfTests)
	p := partition0("clicks", 0)
	v.fed[p] = 0
	for lane := range v.lanes.marks {
		v.lanes.set(uint16(lane), p, online.Watermark{Offset: 3}, false)
	}
	if got := v.through(p); got != 3 {
		t.Errorf("nothing is missing up to %d, want 3", got)
	}
}

// A store that fails over may bring back some lanes from before they were filled,
// among others that say HALTED: the view is to be filled all the same.
func TestUnfilledAmongHalted(t *testing.T) {
	s := newMemoryStore()
	v := openView(t, load(t, definitions).StreamViews[0], s, lanesOfTests)
	ok(t, v.setState(t.Context(), online.StateHalted))
	if !v.isFilled() {
		t.Error("lanes that have halted were filled")
	}
	s.lanes[online.LaneID{Generation: generation, Lane: 1}].meta.State = online.StateBuilding
	ok(t, v.Audit(t.Context()))
	if v.isFilled() || v.laneState() != online.StateHalted {
		t.Errorf("filled: %t, and the worst is %v", v.isFilled(), v.laneState())
	}
	ok(t, v.refresh(t.Context()))
	if v.isFilled() {
		t.Error("a lane is BUILDING")
	}
}
