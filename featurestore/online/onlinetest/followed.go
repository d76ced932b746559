package onlinetest

import (
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// testFollowed holds when a store may leave lists uncompared: those that are Known,
// and only while the lane's last batch is the one that is named. Stores that do not
// note batches compare everything.
func testFollowed(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	named := func(b online.Batch, id, after uint64) online.Batch {
		b.ID, b.After = id, after
		return b
	}
	known := func(w online.Write) online.Write {
		w.Known = true
		return w
	}
	apply := func(b online.Batch, want online.Outcome) bool {
		t.Helper()
		r := f.s.Apply(f.ctx, []online.Batch{b})[0]
		if r.Outcome != want || r.Followed && want != online.OutcomeOK {
			t.Fatalf("%v, followed %t (%v); want %v", r.Outcome, r.Followed, r.Err, want)
		}
		return r.Followed
	}
	one, two, three := Blob("1", nil), Blob("2", nil), Blob("3", nil)
	if apply(named(f.step(-1, 0, write("a", nil, one), write("b", nil, one)), 0x0a, 0), online.OutcomeOK) {
		t.Error("the first batch follows one")
	}
	notes := apply(named(f.step(0, 1, known(write("a", one, two))), 0xff00000a, 0x0a), online.OutcomeOK)
	apply(named(f.step(1, 2), 0, 0xff00000a), online.OutcomeOK) // a watermark alone is no batch of the lane's
	stale := known(write("a", one, three))                      // "a" is two by now
	if notes {
		if !apply(named(f.step(2, 3, stale, write("b", one, two)), 3, 0xff00000a), online.OutcomeOK) {
			t.Error("a batch behind its own watermark does not follow")
		}
		f.wantBlob("a", three)
		apply(named(f.step(3, 4, known(write("a", one, two)), write("b", one, three)), 4, 3), online.OutcomeVersion) // "b" is compared
		f.wantBlob("a", three)
	} else {
		apply(named(f.step(2, 3, stale), 3, 0xff00000a), online.OutcomeVersion)
		apply(named(f.step(2, 3, known(write("a", two, three)), write("b", one, two)), 3, 0xff00000a), online.OutcomeOK)
	}
	if apply(named(f.step(3, 4, write("b", two, three)), 4, 0), online.OutcomeOK) { // another writer's
		t.Error("who knows no batch follows one")
	}
	apply(named(f.step(4, 5, known(write("a", one, two))), 5, 3), online.OutcomeVersion)
	if apply(named(f.step(4, 5, known(write("a", three, two))), 5, 3), online.OutcomeOK) {
		t.Error("another's batch lies between")
	}
	apply(f.step(5, 6, write("a", two, one)), online.OutcomeOK) // one without a name
	apply(named(f.step(6, 7, known(write("a", two, three))), 7, 5), online.OutcomeVersion)
	f.wantBlob("a", one)
	if err := s.Drop(f.ctx, f.g, 1); err != nil {
		t.Fatal(err)
	}
	f.create()
	apply(named(f.step(-1, 0, known(write("a", one, two))), 8, 7), online.OutcomeVersion)
}
