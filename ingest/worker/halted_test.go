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
