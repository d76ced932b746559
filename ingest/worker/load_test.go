package worker

import (
	"context"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// asking is a store that counts the entities that are read.
type asking struct {
	*memoryStore
	asked int
}

func (s *asking) Get(ctx context.Context, ids []online.EntityID) ([]online.Parts, error) {
	s.asked += len(ids)
	return s.memoryStore.Get(ctx, ids)
}

// Of lanes that are being filled and were empty nothing is read, as long as all that
// they come to hold is cached; what another has written is found all the same.
func TestEmptyLanesAreNotRead(t *testing.T) {
	view := activity(t)
	clicks := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 2, 1), user("c", 3, 2), user("a", 4, 3))
	orders := newPart(t, view, partition0("orders", 0), user("a", 20, 1), user("d", 30, 3), user("c", 40, 5))
	want := undisturbed(t, view, lanesOfTests, clicks, orders)
	apply := func(v *View, parts ...*part) {
		t.Helper()
		for _, p := range parts {
			ok(t, v.Apply(t.Context(), p.all()))
			ok(t, v.Advance(t.Context(), p.all()))
		}
	}
	for _, test := range []struct {
		name  string
		fill  func(v *View, s online.Store)
		asked int
	}{
		{"alone", func(v *View, _ online.Store) { apply(v, clicks, orders) }, 0},
		{"begun anew in the midst", func(v *View, s online.Store) {
			apply(v, clicks)
			apply(openView(t, view, s, lanesOfTests), orders)
		}, 3},
		{"dropped from the cache", func(v *View, _ online.Store) {
			apply(v, clicks)
			v.cache.clear()
			apply(v, orders)
		}, 2}, // the lane of d had nothing to drop
		{"another was there first", func(v *View, s online.Store) {
			apply(openView(t, view, s, lanesOfTests), orders)
			apply(v, clicks)
		}, 3}, // all of the lanes of a and c, in whose writes it is found
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &asking{memoryStore: newMemoryStore()}
			v := openView(t, view, s, lanesOfTests)
			test.fill(v, s)
			sameStates(t, s.memoryStore, want)
			if s.asked != test.asked {
				t.Errorf("%d entities were read, want %d", s.asked, test.asked)
			}
		})
	}
	if openView(t, view, want, lanesOfTests).cache.isWhole(0) {
		t.Error("a lane that holds something is taken for empty")
	}
}
