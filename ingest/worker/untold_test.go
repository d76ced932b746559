package worker

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// untold is a registry that cannot be written when it is told that a generation is
// live, for the first times.
type untold struct {
	registry.Store
	times *atomic.Int32
}

func (u untold) SetState(ctx context.Context, steps ...registry.Step) error {
	if steps[0].State == registry.Live && steps[0].Number > 1 && u.times.Add(-1) >= 0 {
		return featurestore.Unavailablef("the registry is locked")
	}
	return u.Store.SetState(ctx, steps...)
}

// Lanes that say LIVE of a generation that the registry calls BUILDING: whoever
// made it live was killed, or not heard, between the two. It takes over all the
// same, also where others read some of its partitions.
func TestTheRegistryWasNotTold(t *testing.T) {
	p, view := newShared(t)
	var times atomic.Int32
	times.Store(3)
	p.configure = func(c *Config) { c.Registry = untold{c.Registry, &times} }
	p.worker = p.member()
	second := p.member()
	p.some(1, 60)
	p.eventually("both read", func() bool { return feeds(p.worker) > 0 && feeds(second) > 0 })
	p.right(view, 1)

	changed := p.apply(strings.Replace(definitions, "window: 10m, offset: 1m", "window: 5m", 1)).StreamView("activity")
	p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 && p.state("activity", 2) == online.StateLive })
	if times.Load() >= 0 {
		t.Errorf("the registry has been told at once")
	}
	p.some(2, 60)
	p.right(changed, 2)
	p.worker = nil
}
