package worker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// A generation that was kept long enough is gone back to and left again between the
// decision to retire it and the step: it is kept from then on, and not ended by what
// was decided on its time before.
func TestKeptAnew(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	view := p.apply(definitions).StreamView("activity")
	var late atomic.Int64
	p.configure = func(c *Config) {
		c.Now = func() featurestore.Instant { return wallClock() + featurestore.Instant(late.Load()) }
		c.KeepPrevious = 2 * time.Hour
	}
	p.start()
	p.some(1, 40)
	p.right(view, 1)
	p.order(definitions)
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	w := p.worker
	p.eventually("it knows that the first is kept", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		r := w.views[online.Generation{Project: "p", View: "activity", Number: 1}]
		return r != nil && r.state == registry.Standby
	})
	p.stop() // what it knows stays
	late.Add(3 * time.Hour.Microseconds())
	step := w.keptLongEnough()
	if step == nil || step.Number != 1 {
		t.Fatalf("kept long enough is %+v", step)
	}
	for _, back := range []uint32{1, 2} {
		ok(t, p.registry.Switch(t.Context(), []registry.Choice{{View: "activity", Number: back}}, "a person", w.c.Now()))
	}
	w.retire(t.Context(), step)
	if got := p.registered("activity", 1).State; got != registry.Standby {
		t.Errorf("it was left a moment ago, and is %s", got)
	}
}
