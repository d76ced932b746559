package worker

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// said is a store that keeps which states were set, in their order.
type said struct {
	online.Store
	mu     sync.Mutex
	states []online.State
}

func (s *said) SetState(ctx context.Context, g online.Generation, to online.State, from ...online.State) error {
	s.mu.Lock()
	s.states = append(s.states, to)
	s.mu.Unlock()
	return s.Store.SetState(ctx, g, to, from...)
}

// taken gives the states that were set since it was asked last.
func (s *said) taken() []online.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.states
	s.states = nil
	return out
}

// A store that is emptied while nothing is at rest is filled from the log alone. It
// does not answer before that is applied: while an ingester runs, and where one
// starts on it.
func TestEmptiedBeforeAnythingIsAtRest(t *testing.T) {
	p, view := newShared(t)
	var store *said
	p.configure = func(c *Config) {
		c.History = history.New(history.Options{Root: p.dir, Dir: t.TempDir()})
		store = &said{Store: c.Online}
		c.Online = store
		c.Group = p.log.Log.(logrecord.Joiner)
	}
	p.start()
	p.eventually("the view answers", func() bool { return p.state("activity", 1) == online.StateLive })
	if got := store.taken(); !slices.Equal(got, []online.State{online.StateLive}) {
		t.Errorf("with an empty log the states were %v", got)
	}
	p.some(1, 60)
	p.right(view, 1)
	again := []online.State{online.StateCatchingUp, online.StateLive}
	ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
	p.eventually("the view answers again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.right(view, 1)
	if got := store.taken(); !slices.Equal(got, again) {
		t.Errorf("after the loss the states were %v", got)
	}
	p.stop()
	ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
	p.start()
	p.eventually("the view answers again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.right(view, 1)
	if got := store.taken(); !slices.Equal(got, again) {
		t.Errorf("after the loss and a start the states were %v", got)
	}
}

// hidden is history of which nothing is at rest until the state of a view was set.
type hidden struct {
	offline.History
	store *said
}

func (h *hidden) Segments(ctx context.Context, s *definition.StreamSource) ([]offline.Segment, error) {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	if len(h.store.states) == 0 {
		return nil, nil
	}
	return h.History.Segments(ctx, s)
}

// What comes to rest while a store is found empty, and is said to be filled from the log
// alone, is not passed over: another process may have led meanwhile.
func TestSomethingComesToRestMeanwhile(t *testing.T) {
	p, view := newShared(t)
	var store *said
	hide := false
	p.configure = func(c *Config) {
		store = &said{Store: c.Online}
		c.Online = store
		if hide {
			c.History = &hidden{History: c.History, store: store}
		}
	}
	p.start()
	p.some(1, 60)
	p.right(view, 1)
	p.stop()
	ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
	hide = true
	p.start()
	p.eventually("the view answers again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.right(view, 1)
	p.stop()
	if got := store.taken(); len(got) < 2 || got[1] != online.StateBuilding {
		t.Errorf("the states were %v", got)
	}
}
