package worker

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// paused is a store of which nobody uses the lanes while another process of the test
// makes some anew.
type paused struct {
	online.Store
	mu sync.RWMutex
}

func (s *paused) Lanes(ctx context.Context, g online.Generation, lanes uint16) ([]online.Lane, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.Store.Lanes(ctx, g, lanes)
}

func (s *paused) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.Store.Apply(ctx, batches)
}

func (s *paused) SetState(ctx context.Context, g online.Generation, to online.State, from ...online.State) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.Store.SetState(ctx, g, to, from...)
}

// A generation that was checked, and waits for another to take over with, is checked
// again where its lanes were made anew since: what is built then may be wrong.
func TestBuiltAgainIsCheckedAgain(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	first := definitions + spendingToo
	both := p.apply(first)
	bad := &corrupting{how: func(w *online.Write) bool { w.Blob = append(bytes.Clone(w.Blob), 0); return true }}
	worse := &corrupting{how: bad.how}
	gate := &paused{}
	p.configure = func(c *Config) {
		worse.Store = c.Online
		bad.Store = onlyOf{worse, "spending"}
		gate.Store = onlyOf{bad, "activity"}
		c.Online = gate
	}
	bad.number.Store(2)
	p.some(75, 60)
	p.start()
	p.right(both.StreamView("spending"), 1)
	second := p.apply(changedBoth(first)).StreamView("spending")
	of := online.Generation{Project: "p", View: "spending", Number: 2}
	checked := func() bool {
		p.worker.mu.Lock()
		defer p.worker.mu.Unlock()
		r := p.worker.views[of]
		return r != nil && r.checked
	}
	p.eventually("one is broken, the other checked", func() bool { return p.registered("activity", 2).State == registry.Broken && checked() })

	// As another ingester that leads for a while would do it.
	gate.mu.Lock()
	ok(t, p.store.Drop(t.Context(), of, lanesOfTests))
	meta := online.Meta{Definition: second.Hash, StateVersion: definition.StateVersion, Lanes: lanesOfTests, State: online.StateBuilding}
	ok(t, p.store.Create(t.Context(), of, meta))
	worse.number.Store(2)
	bad.number.Store(0) // what it waits for is mended, and comes
	gate.mu.Unlock()
	p.order(changedBoth(first))
	p.eventually("it is found to be broken, too", func() bool {
		if p.live("spending") == 2 {
			t.Fatal("it has taken over, and is wrong")
		}
		return p.registered("spending", 2).State == registry.Broken
	})
	if worse.done.Load() == 0 {
		t.Fatal("nothing was corrupted")
	}
}
