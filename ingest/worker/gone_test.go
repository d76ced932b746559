package worker

import (
	"errors"
	"testing"
)

// Entities whose keys somebody has deleted are rebuilt, each of them, also where a
// chunk ends before: at one that does not decode and is not cached, and then at the
// first that is gone. It goes to the store in several calls, and what those behind
// must find is not forgotten.
func TestDeletedEntitiesAreAllRebuilt(t *testing.T) {
	view, s := activity(t), newMemoryStore()
	p := newPart(t, view, partition0("clicks", 0), append(manyUsers(1), manyUsers(2)...)...)
	v, err := OpenView(t.Context(), ViewConfig{View: view, ID: generation, Lanes: lanesOfTests, Store: s, CacheBytes: 1 << 20, stepwise: true})
	ok(t, err)
	half := p.end() / 2
	ok(t, v.Apply(t.Context(), p.chunk(0, half)))
	deleted, rotten := 0, false
	for _, id := range generation.LaneIDs(lanesOfTests) {
		l := s.lanes[id]
		l.last = 0 // another has written: what is cached is compared
		for key := range l.blobs {
			if !rotten { // the first entity of the first lane that has one
				v.cache.forget(id.Lane, []byte(key))
				l.blobs[key], rotten = []byte("rotten"), true
				continue
			}
			deleted++
			delete(l.blobs, key)
			delete(l.closed, key)
		}
	}
	met := 0
	for err := v.Apply(t.Context(), p.chunk(half, p.end())); err != nil; err = v.Apply(t.Context(), p.all()) {
		var damaged *damagedError
		if !errors.As(err, &damaged) {
			t.Fatal(err)
		}
		met += len(damaged.found)
		ok(t, v.rebuild(t.Context(), damaged.found, replayParts(view, p)))
	}
	if deleted < 2 || met != deleted+1 || v.Counts().Rebuilt != int64(deleted+1) {
		t.Errorf("of %d deleted entities and a rotten one %d were met and %d rebuilt", deleted, met, v.Counts().Rebuilt)
	}
	ok(t, v.Advance(t.Context(), p.all()))
	sameStates(t, s, undisturbed(t, view, lanesOfTests, p))
}
