package worker

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore/offline"
)

// What is applied comes to rest in its time, also of a source that never pauses, and
// beside one that does: the first of a partition at once, the rest within a while.
func TestEventsComeToRestWhileTheyFlow(t *testing.T) {
	p, view := newActivity(t)
	within := time.Second
	p.configure = func(c *Config) { c.RestWithin = within }
	p.start()
	p.produce("orders", 0, recordsOf(randomEvents(rand.New(rand.NewPCG(3, 4)), 5)...)...) // once
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	sent := 0
	go func() {
		defer close(done)
		r := rand.New(rand.NewPCG(1, 2))
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			p.produce("clicks", 0, recordsOf(randomEvents(r, 3)...)...)
			sent += 3
			<-tick.C
		}
	}()
	atRest := func(name string) int {
		for _, b := range view.Bindings {
			if b.Source.Name == name {
				return len(p.archived(b.Source)[offline.Partition{Generation: 1}])
			}
		}
		t.Fatalf("no source %q", name)
		return 0
	}
	p.eventually("the quiet source is at rest", func() bool { return atRest("orders") == 5 })
	p.eventually("the first events of the busy one are", func() bool { return atRest("clicks") > 0 })
	first := atRest("clicks")
	p.eventually("more of them are, while they flow", func() bool { return atRest("clicks") > first })
	stop()
	<-done
	p.eventually("all of them are, once none comes", func() bool { return atRest("clicks") == sent })
	p.right(view, 1)
}
