package worker

import (
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore/online"
)

// While events come in all the time, so that some lane always stands behind the newest of
// them, a view that the store has lost answers again, and a new generation takes over.
func TestViewsAreBuiltWhileEventsComeIn(t *testing.T) {
	p, view := newActivity(t)
	p.configure = func(c *Config) { c.Heartbeat = 400 * time.Millisecond }
	p.some(231, 40)
	p.start()
	p.right(view, 1)
	seed := uint64(232)
	amid := func(what string, reached func() bool) {
		t.Helper()
		p.eventually(what, func() bool {
			p.random("clicks", 0, seed, 1)
			seed++
			return reached()
		})
	}
	p.stop()
	ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
	p.start()
	amid("it answers again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.order(definitions)
	amid("the next generation takes over", func() bool { return p.live("activity") == 2 })
	p.right(view, 2)
}
