package worker

import (
	"context"
	"maps"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// watchful is a store that looks whether a generation is said to be live while one of
// its lanes has applied nothing.
type watchful struct {
	*memoryStore
	t     *testing.T
	after bool // the beginning, when there is no history: guarded by mu
}

func (s *watchful) SetState(ctx context.Context, g online.Generation, state online.State, from ...online.State) error {
	err := s.memoryStore.SetState(ctx, g, state, from...)
	s.mu.Lock()
	defer s.mu.Unlock()
	live, empty := true, false
	for id, l := range s.lanes {
		if id.Generation == g {
			live, empty = live && l.meta.State == online.StateLive, empty || len(l.marks) == 0
		}
	}
	if live && empty && s.after {
		s.t.Errorf("all lanes are LIVE, and one of them is empty")
	}
	return err
}

// mix gives the lanes of a generation two states in turn, as who dies between the
// writes of two lanes does. One that is BUILDING, LOST or gone is empty, or half so.
func (s *watchful) mix(a, b online.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range generation.LaneIDs(lanesOfTests) {
		state := []online.State{a, b}[i%2]
		l := s.lanes[id].clone()
		if l.meta.State = state; state == online.StateMissing {
			l.meta = online.Meta{}
		}
		switch {
		case state != online.StateMissing && state != online.StateBuilding && state != online.StateLost:
		case i%4 < 2:
			clear(l.marks)
			clear(l.blobs)
			clear(l.closed)
		default: // a part of it was filled: one partition
			for p := range maps.Keys(l.marks) {
				if p.Source == "orders" {
					delete(l.marks, p)
				}
			}
		}
		s.lanes[id] = l
	}
}

// Whatever the lanes of a generation say after somebody died between the writes of
// two of them, they are LIVE in the end, with the right values, and not before.
func TestMixturesOfStates(t *testing.T) {
	states := []online.State{
		online.StateMissing, online.StateBuilding, online.StateLive, online.StateLost, online.StateGap, online.StateHalted, online.StateCatchingUp,
	}
	p, view := newActivity(t)
	ok(t, p.store.Close())
	s := &watchful{memoryStore: newMemoryStore(), t: t}
	p.store = s
	p.some(26, 40)
	p.start()
	live := func() bool { return p.state("activity", 1) == online.StateLive }
	p.right(view, 1)
	p.eventually("it is live", live)
	ok(t, p.worker.Flush())
	s.mu.Lock()
	s.after = true
	s.mu.Unlock()
	for i, a := range states {
		for _, b := range states[i:] {
			for _, running := range []bool{true, false} {
				if !running {
					p.stop()
				}
				s.mix(a, b)
				if !running {
					p.start()
				}
				p.eventually("it is live again after "+a.String()+" and "+b.String(), live)
				p.right(view, 1)
			}
		}
	}
}
