package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
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
