package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// A topic that was deleted and made anew between two runs is another log: its
// views halt in a GAP, whether it is shorter now or longer, and nothing of it is
// applied.
func TestTopicMadeAnew(t *testing.T) {
	for name, n := range map[string]int{"empty": 0, "shorter": 10, "longer": 100} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			p.some(20, 50)
			p.start()
			p.right(view, 1)
			p.stop()
			p.closeLog()
			p.wipe("log")
			p.openLog()
			p.topic("clicks", 2)
			p.topic("orders", 1)
			if n > 0 {
				_, err := p.log.Produce(t.Context(), "orders", 0, recordsOf(randomEvents(rand.New(rand.NewPCG(21, 3)), n)...))
				ok(t, err)
			}
			p.start()
			p.eventually("a GAP", func() bool { return p.state("activity", 1) == online.StateGap })
			var gap *GapError
			if err := p.worker.Progress().Wait(t.Context(), partition0("orders", 0), 1000); !errors.As(err, &gap) || !strings.Contains(err.Error(), "GAP") {
				t.Errorf("who waits is told %v", err)
			}
			expect(t, view, p.parts(view)...).check(t, p.store, generation, lanesOfTests)
			p.stop()
			p.wantArchived(view)
			p.start() // a restart heals nothing by itself
			p.eventually("a GAP again", func() bool {
				err := p.worker.Progress().Wait(t.Context(), partition0("orders", 0), 1000)
				return errors.As(err, &gap)
			})
			if got := p.state("activity", 1); got != online.StateGap {
				t.Errorf("after a restart the state is %v", got)
			}
		})
	}
}

// A failover that takes back the state LIVE, and nothing else, leaves the view
// REBUILDING only until the next look.
func TestLostStateIsSetAgain(t *testing.T) {
	p, view := newActivity(t)
	p.some(26, 20)
	p.start()
	p.right(view, 1)
	ok(t, p.store.SetState(t.Context(), generation, online.StateBuilding))
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.right(view, 1)
}

// Lanes that are gone are LOST: the view is built anew from the archive and the
// log, answers REBUILDING meanwhile, and is live again with the same values.
func TestLostLanesAreRebuilt(t *testing.T) {
	p, view := newActivity(t)
	p.some(22, 50)
	p.start()
	p.right(view, 1)
	ok(t, p.worker.Flush())
	p.some(23, 10)
	p.settled(view, 1)
	ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
	p.right(view, 1)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })

	p.stop() // and while nobody looks
	ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
	p.start()
	p.right(view, 1)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.stop()
	p.wantArchived(view)
}

// forgetful loses the lanes that are made, some times.
type forgetful struct {
	online.Store
	left atomic.Int32
}

func (s *forgetful) Create(ctx context.Context, g online.Generation, m online.Meta) error {
	err := s.Store.Create(ctx, g, m)
	if err == nil && s.left.Add(-1) >= 0 {
		err = s.Store.Drop(ctx, g, m.Lanes)
	}
	return err
}

// A store that evicts may lose lanes while they are made anew. The ingester goes
// on making them, and does not end.
func TestLanesLostWhileMade(t *testing.T) {
	p, view := newActivity(t)
	p.some(47, 30)
	s := &forgetful{Store: p.store}
	s.left.Store(3)
	p.store = s
	p.start()
	p.right(view, 1)
	p.eventually("it is live", func() bool { return p.state("activity", 1) == online.StateLive })
	if s.left.Load() >= 0 {
		t.Error("nothing was ever lost")
	}
}

// overtaken is a store of which another process says LOST just before this one
// writes a state.
type overtaken struct {
	online.Store
	by      online.State
	done    atomic.Bool
	dropped atomic.Int32
}

func (s *overtaken) overtake(ctx context.Context, g online.Generation, state online.State) error {
	if state != s.by || s.done.Swap(true) {
		return nil
	}
	return s.Store.SetState(ctx, g, online.StateLost)
}

func (s *overtaken) SetState(ctx context.Context, g online.Generation, state online.State, from ...online.State) error {
	if err := s.overtake(ctx, g, state); err != nil {
		return err
	}
	return s.Store.SetState(ctx, g, state, from...)
}

func (s *overtaken) Filled(ctx context.Context, g online.Generation, through []map[online.Partition]int64) error {
	if err := s.overtake(ctx, g, online.StateCatchingUp); err != nil {
		return err
	}
	return s.Store.Filled(ctx, g, through)
}

func (s *overtaken) Drop(ctx context.Context, g online.Generation, lanes uint16) error {
	s.dropped.Add(1)
	return s.Store.Drop(ctx, g, lanes)
}

// What another process has found to be lost is built anew, whatever this one was
// about to say of it.
func TestLostStaysLost(t *testing.T) {
	for _, by := range []online.State{online.StateLive, online.StateCatchingUp, online.StateHalted} {
		t.Run(by.String(), func(t *testing.T) {
			p, view := newActivity(t)
			p.some(48, 20)
			p.start()
			p.right(view, 1)
			ok(t, p.worker.Flush())
			p.stop()
			s := &overtaken{Store: p.store, by: by}
			if by != online.StateHalted {
				ok(t, p.store.Drop(t.Context(), generation, lanesOfTests)) // it is filled, and made live
			}
			p.store = s
			p.start()
			if by == online.StateHalted {
				p.right(view, 1)
				p.produce("orders", 0, slices.Repeat([]logrecord.Record{{LogTime: base, Value: []byte("{")}}, 150)...)
			}
			p.eventually("it is built anew", func() bool { return s.dropped.Load() > 0 })
			if by != online.StateHalted {
				p.eventually("it is live", func() bool { return p.state("activity", 1) == online.StateLive })
				p.right(view, 1)
			}
		})
	}
}

// Lanes that are made anew from history have fingerprints of what is at rest: a topic
// that was replaced meanwhile is noticed; also where everything is lost while the
// view is in its GAP, and nobody starts anew.
func TestTopicMadeAnewWhileLost(t *testing.T) {
	for name, n := range map[string]int{"empty": 0, "shorter": 10, "longer": 100} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			p.some(20, 50)
			p.start()
			p.right(view, 1)
			p.stop()
			p.again("orders", 1)
			if n > 0 {
				p.random("orders", 0, 49, n)
			}
			ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
			p.start()
			_ = p.gap("activity", "orders")
			ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
			p.eventually("the lanes are made anew", func() bool { return p.state("activity", 1) != online.StateMissing })
			_ = p.gap("activity", "orders")
			p.accept("orders")
			p.right(view, 1)
			p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
			p.stop()
			p.wantArchived(view)
		})
	}
}
