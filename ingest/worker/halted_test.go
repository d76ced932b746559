package worker

import (
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// A store that has forgotten a GAP, as one that failed over may, is told again:
// lookups must not take the values for complete.
func TestAGapIsSaidAgain(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 120, 25)
	p.start()
	p.right(view, 1)
	p.again("orders", 1)
	p.random("orders", 0, 121, 40)
	_ = p.gap("activity", "orders")
	ok(t, p.store.SetState(t.Context(), generation, online.StateLive))
	_ = p.gap("activity", "orders")
	p.accept("orders")
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.right(view, 1)
}

// A topic that is in a GAP, and whose records are those again that were applied,
// goes on by itself: nobody has to start the ingester again.
func TestRestoredTopicGoesOn(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 122, 25)
	p.start()
	p.right(view, 1)
	p.again("orders", 1)
	_ = p.gap("activity", "orders")
	p.logs = nil // it will be the same log
	old := p.sent[partition0("orders", 0)]
	_, err := p.log.Produce(t.Context(), "orders", 0, old)
	ok(t, err)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.random("orders", 0, 123, 10)
	p.right(view, 1)
	if halted := p.worker.Progress().Halted(); len(halted) > 0 {
		t.Errorf("still halted: %v", halted)
	}
	p.stop()
	p.wantArchived(view)
}
