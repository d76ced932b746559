package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// After a failover only some lanes may have had to be filled, and others say what
// somebody has found since: only a lane that is BUILDING is said to be filled, and it
// is said. The explorer meets this once in tens of thousands of schedules.
func TestOnlyBuildingLanesAreSaidToBeFilled(t *testing.T) {
	for _, c := range []struct{ first, second, want online.State }{
		{online.StateBuilding, online.StateBuilding, online.StateCatchingUp},
		{online.StateGap, online.StateBuilding, online.StateGap},
		{online.StateHalted, online.StateBuilding, online.StateHalted},
		{online.StateLive, online.StateBuilding, online.StateLive},
		{online.StateGap, online.StateLive, online.StateGap},
	} {
		t.Run(c.first.String()+" and "+c.second.String(), func(t *testing.T) {
			s := newMemoryStore()
			v := openView(t, activity(t), s, 2)
			lanes := generation.LaneIDs(2)
			s.lanes[lanes[0]].meta.State, s.lanes[lanes[1]].meta.State = c.first, c.second
			ok(t, new(Worker).sayFilled(t.Context(), v))
			if got := s.lanes[lanes[0]].meta.State; got != c.want {
				t.Errorf("the first lane is %s, want %s", got, c.want)
			}
			want := c.second
			if want == online.StateBuilding {
				want = online.StateCatchingUp
			}
			if got := s.lanes[lanes[1]].meta.State; got != want {
				t.Errorf("the second lane is %s, want %s", got, want)
			}
		})
	}
	s := newMemoryStore()
	v := openView(t, activity(t), s, 2)
	s.lanes[generation.LaneIDs(2)[1]].meta.State = online.StateLost
	if err := new(Worker).sayFilled(t.Context(), v); err == nil {
		t.Error("a LOST lane is said to be filled")
	}
}

// Nor is it said of lanes that a failover has taken back, or that were made anew and
// are being filled again.
func TestLanesThatStandElsewhereAreNotSaidToBeFilled(t *testing.T) {
	for name, meanwhile := range map[string]func(*memoryStore, map[online.LaneID]*memoryLane) error{
		"failover": func(s *memoryStore, half map[online.LaneID]*memoryLane) error {
			for id := range half {
				s.failover(half, id)
			}
			return nil
		},
		"made anew": func(s *memoryStore, half map[online.LaneID]*memoryLane) error {
			m := half[generation.LaneIDs(1)[0]].meta
			if err := s.Drop(t.Context(), generation, m.Lanes); err != nil {
				return err
			}
			return s.Create(t.Context(), generation, m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, view := newMemoryStore(), activity(t)
			v := openView(t, view, s, 2)
			p := newPart(t, view, partition0("clicks", 0), manyUsers(20)...)
			ok(t, v.Apply(t.Context(), p.chunk(0, p.end()/2)))
			half := s.snapshot()
			ok(t, v.Apply(t.Context(), p.chunk(p.end()/2, p.end())))
			ok(t, v.Advance(t.Context(), p.all()))
			ok(t, meanwhile(s, half))
			if err := new(Worker).sayFilled(t.Context(), v); !errors.Is(err, errLost) {
				t.Errorf("it is said: %v", err)
			}
			lanes, err := s.Lanes(t.Context(), generation, 2)
			ok(t, err)
			if filled(lanes) {
				t.Error("the lanes say that they are filled")
			}
		})
	}
}

// remade is a store of which another process makes the lanes anew, just before this
// one says what of them it has filled.
type remade struct {
	online.Store
	meta online.Meta
	done atomic.Bool
}

func (s *remade) anew(ctx context.Context, g online.Generation) error {
	if s.done.Swap(true) {
		return nil
	}
	if err := s.Store.Drop(ctx, g, s.meta.Lanes); err != nil {
		return err
	}
	return s.Store.Create(ctx, g, s.meta)
}

func (s *remade) Filled(ctx context.Context, g online.Generation, through []map[online.Partition]int64) error {
	if err := s.anew(ctx, g); err != nil {
		return err
	}
	return s.Store.Filled(ctx, g, through)
}

// Lanes that were made anew while they were filled are not said to be filled: what is
// in history alone, as that of a log which is gone, nobody would read any more.
func TestLanesMadeAnewAreFilledAgain(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 31, 40)
	p.random("clicks", 0, 30, 50)
	p.start()
	p.right(view, 1)
	p.again("clicks", 2)
	p.random("clicks", 0, 32, 20)
	_ = p.gap("activity", "clicks")
	p.accept("clicks")
	p.right(view, 1)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.stop()
	ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
	s := &remade{Store: p.store, meta: online.Meta{Definition: view.Hash, StateVersion: definition.StateVersion, Lanes: lanesOfTests, State: online.StateBuilding}}
	p.store = s
	p.start()
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	if !s.done.Load() {
		t.Fatal("the lanes were not made anew")
	}
	p.right(view, 1)
}
