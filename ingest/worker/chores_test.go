package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// failingDrop drops half and fails, as a process does that ends meanwhile.
type failingDrop struct {
	online.Store
	left atomic.Int64
}

func (f *failingDrop) Drop(ctx context.Context, g online.Generation, lanes uint16) error {
	if f.left.Add(-1) >= 0 {
		return errors.Join(f.Store.Drop(ctx, g, lanes/2), featurestore.Unavailablef("the process has ended"))
	}
	return f.Store.Drop(ctx, g, lanes)
}

// lanesOf counts the lanes that a store holds of a generation.
func (p *plant) lanesOf(number uint32) (n int) {
	p.t.Helper()
	lanes, err := p.store.Lanes(p.t.Context(), online.Generation{Project: "p", View: "activity", Number: number}, lanesOfTests)
	ok(p.t, err)
	for _, l := range lanes {
		if l.Meta.State != online.StateMissing {
			n++
		}
	}
	return n
}

// A generation that was taken over from is kept for its time, then retired, and
// its keys are dropped from a real redis-server; the live one's stay. A process
// that ended in between leaves nothing behind.
func TestOldGenerationsAreDropped(t *testing.T) {
	p, server := newRedisPlant(t)
	var late atomic.Int64 // how far the wall's clock is ahead
	f := &failingDrop{}
	f.left.Store(1)
	p.configure = func(c *Config) {
		c.Now = func() featurestore.Instant { return wallClock() + featurestore.Instant(late.Load()) }
		f.Store, c.Online = c.Online, f
	}
	view := p.apply(definitions).StreamView("activity")
	p.some(101, 60)
	p.start()
	p.right(view, 1)
	p.order(definitions)
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.some(102, 20)
	p.right(view, 1)
	p.right(view, 2)
	if got := p.registered("activity", 1).State; got != registry.Standby {
		t.Fatalf("the first is %s", got)
	}
	late.Add(time.Hour.Microseconds()) // what the plant keeps one for
	p.eventually("the first is retired", func() bool { return p.registered("activity", 1).State == registry.Retired })
	p.some(103, 20)
	p.right(view, 2)
	if n := p.lanesOf(1); n != lanesOfTests {
		t.Fatalf("%d lanes are left before servers can know", n)
	}
	late.Add(2 * time.Minute.Microseconds())
	p.eventually("a drop has failed", func() bool { return f.left.Load() < 1 })
	p.stop()
	if retired, err := p.registry.Retired(t.Context()); err != nil || len(retired) != 1 {
		t.Fatalf("retired are %v, %v", retired, err)
	}
	p.start()
	p.eventually("it is dropped", func() bool {
		retired, err := p.registry.Retired(t.Context())
		return err == nil && len(retired) == 0
	})
	answer, err := server.Ask(t.Context(), "KEYS", "*")
	ok(t, err)
	keys, _ := answer.([]any)
	for _, key := range keys {
		if strings.HasPrefix(fmt.Sprint(key), "{p.activity.1.") {
			t.Errorf("%q is left", key)
		}
	}
	if n := p.lanesOf(2); n != lanesOfTests || len(keys) == 0 {
		t.Errorf("of the live generation %d lanes are left", n)
	}
	p.some(104, 20)
	p.right(view, 2)
}
