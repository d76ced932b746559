package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// countingStore counts how often each key is written.
type countingStore struct {
	*memoryStore
	writes map[string]int
}

func (s *countingStore) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	for i := range batches {
		for _, w := range batches[i].Writes {
			s.writes[string(w.Key)]++
		}
	}
	return s.memoryStore.Apply(ctx, batches)
}

// openStepwise opens a View whose runs have one chunk each.
func openStepwise(t *testing.T, view *definition.StreamView, s online.Store, cacheBytes int) *View {
	t.Helper()
	v, err := OpenView(t.Context(), ViewConfig{View: view, ID: generation, Lanes: lanesOfTests, Store: s, CacheBytes: cacheBytes, stepwise: true})
	ok(t, err)
	return v
}

// fillInRuns fills with runs of so many events, until none is left or one fails. After
// each run it does what between says.
func fillInRuns(t *testing.T, v *View, p *part, each int64, between func(run int)) error {
	t.Helper()
	from, n := int64(0), int64(len(p.events))
	laid := layOut(t.Context(), v, "clicks", func() (*Chunk, error) {
		if from >= n {
			return nil, nil
		}
		c := p.chunk(from, min(n, from+each))
		c.From = 0 // as of what history gives
		from += each
		return c, nil
	})
	defer laid.Close()
	defer v.endFill()
	held := int64(-1)
	for run := 0; ; run++ {
		r, err := laid.Next()
		ok(t, err)
		if r == nil {
			return nil
		}
		if held, err = v.applyRun(t.Context(), r, held); err != nil {
			return err
		}
		laid.Done(r)
		between(run)
	}
}

// manyClicks are events of five users in turn.
func manyClicks(t *testing.T, view *definition.StreamView, n int64) *part {
	t.Helper()
	var events []event
	for i := range n {
		events = append(events, user(fmt.Sprint("user ", i%5), i, i))
	}
	return newPart(t, view, partition0("clicks", 0), events...)
}

// A fill writes an entity once for many runs, and more often where the cache is too small
// for them: the store holds the same in the end.
func TestRunsAreHeld(t *testing.T) {
	view := activity(t)
	for _, test := range []struct{ runs, cache, most int }{
		{1, 1 << 20, 1}, {2, 1 << 20, 1}, {3, 1 << 20, 1}, {4, 1 << 20, 2}, {9, 1 << 20, 3}, {6, 1, 3},
	} {
		t.Run(fmt.Sprintf("%d runs, cache of %d bytes", test.runs, test.cache), func(t *testing.T) {
			p := manyClicks(t, view, int64(test.runs)*10)
			s := &countingStore{newMemoryStore(), map[string]int{}}
			v := openStepwise(t, view, s, test.cache)
			ok(t, fillInRuns(t, v, p, 10, func(int) {}))
			ok(t, v.Advance(t.Context(), p.all()))
			sameStates(t, s.memoryStore, undisturbed(t, view, lanesOfTests, p))
			if len(s.writes) != 5 {
				t.Errorf("%d entities were written", len(s.writes))
			}
			for key, n := range s.writes {
				if n != test.most {
					t.Errorf("%q was written %d times, want %d", key, n, test.most)
				}
			}
		})
	}
}

// What comes between the runs that a fill holds ends it: who goes on from what the
// store has loses nothing of them.
func TestWhatIsHeldIsGivenUp(t *testing.T) {
	view := activity(t)
	p := manyClicks(t, view, 30)
	// Of the same log, a partition whose one event is of an entity that is held.
	q := newPart(t, view, partition0("clicks", 1), user("user 2", 7, 5))
	for name, between := range map[string]func(*testing.T, *View, *memoryStore){
		"the lanes are read anew": func(t *testing.T, v *View, _ *memoryStore) { ok(t, v.refresh(t.Context())) },
		"another applies what is held": func(t *testing.T, _ *View, s *memoryStore) {
			ok(t, openView(t, view, s, lanesOfTests).Apply(t.Context(), p.chunk(0, 20)))
		},
		"another writes an entity that is held": func(t *testing.T, _ *View, s *memoryStore) {
			ok(t, openView(t, view, s, lanesOfTests).Apply(t.Context(), q.all()))
		},
		"the stream goes on": func(t *testing.T, v *View, _ *memoryStore) {
			ok(t, v.Apply(t.Context(), q.all()))
			for _, lane := range v.cache.byKey {
				for key, e := range lane {
					if !strings.HasSuffix(key, "user 2") || e.held != nil {
						t.Errorf("%q is cached with what the store lacks", key)
					}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMemoryStore()
			v := openStepwise(t, view, s, 1<<20)
			err := fillInRuns(t, v, p, 10, func(run int) {
				if run == 1 {
					between(t, v, s)
				}
			})
			if !errors.As(err, new(*rewindError)) {
				t.Fatalf("%v, want a rewind", err)
			}
			ok(t, fillInRuns(t, v, p, 10, func(int) {}))
			ok(t, v.Advance(t.Context(), p.all()))
			ok(t, v.Apply(t.Context(), q.all()))
			ok(t, v.Advance(t.Context(), q.all()))
			sameStates(t, s, undisturbed(t, view, lanesOfTests, p, q))
		})
	}
}

// A lane that has lost its watermarks, and not its entities, looks as if it were empty: who
// fills it finds out once, and reads them then.
func TestALaneThatOnlySeemsEmptyIsFilled(t *testing.T) {
	view := activity(t)
	p := manyClicks(t, view, 30)
	s := newMemoryStore()
	ok(t, openView(t, view, s, lanesOfTests).Apply(t.Context(), p.chunk(0, 15)))
	for _, l := range s.lanes {
		clear(l.marks)
	}
	v := openStepwise(t, view, s, 1<<20)
	err := error(&rewindError{})
	for tries := 0; errors.As(err, new(*rewindError)); tries++ {
		if tries > lanesOfTests {
			t.Fatalf("it was begun %d times", tries)
		}
		err = fillInRuns(t, v, p, 10, func(int) {})
	}
	ok(t, err)
	ok(t, v.Advance(t.Context(), p.all()))
	sameStates(t, s, undisturbed(t, view, lanesOfTests, p))
}

// No lane passes what a fill only holds.
func TestHeldRunsMoveNoLane(t *testing.T) {
	view := activity(t)
	p := manyClicks(t, view, 30)
	s := newMemoryStore()
	v := openStepwise(t, view, s, 1<<20)
	ok(t, fillInRuns(t, v, p, 10, func(run int) {
		if run < 2 {
			wantRewind(t, v.Advance(t.Context(), p.chunk(0, 10)), -1)
		}
	}))
	ok(t, v.Advance(t.Context(), p.all()))
	sameStates(t, s, undisturbed(t, view, lanesOfTests, p))
}

// A fill that fails leaves nothing held behind, and nothing of it written.
func TestAFillThatFailsHoldsNothing(t *testing.T) {
	view := activity(t)
	p := manyClicks(t, view, 30)
	s := newMemoryStore()
	v := openStepwise(t, view, s, 1<<20)
	err := fillInRuns(t, v, p, 10, func(run int) { s.down = run == 1 })
	if err == nil || v.held.some || v.cache.len() > 0 {
		t.Fatalf("%v; held %+v, %d entities cached", err, v.held, v.cache.len())
	}
	s.down = false
	ok(t, fillInRuns(t, v, p, 10, func(int) {}))
	ok(t, v.Advance(t.Context(), p.all()))
	sameStates(t, s, undisturbed(t, view, lanesOfTests, p))
}
