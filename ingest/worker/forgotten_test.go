package worker

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// gated is a store whose settings are looked at only while the gate is open.
type gated struct {
	online.Store
	gate sync.Mutex
}

func (g *gated) Check(ctx context.Context) error {
	g.gate.Lock()
	defer g.gate.Unlock()
	return g.Store.Check(ctx)
}

// A process is told to end while it says that every view is lost, and a real server,
// which has evicted keys and was made a replica since, takes no writes. It ends soon.
// The server is started again and has forgotten what it has evicted: the next process
// builds the views anew all the same.
func TestALossIsNotForgottenAtTheEnd(t *testing.T) {
	p, server := newRedisPlant(t)
	p.physicalTTL = true
	view := p.apply(definitions).StreamView("activity")
	p.some(41, 60)
	store := &gated{Store: p.store}
	p.store = store
	p.start()
	p.right(view, 1)
	p.eventually("what was evicted until now is noted", func() bool {
		n, err := server.Ask(t.Context(), "HLEN", "{p.}:evicted")
		return err == nil && n != int64(0)
	})
	store.gate.Lock()
	evict(t, server)
	ok(t, server.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1"))
	store.gate.Unlock()
	p.eventually("the eviction is seen", func() bool { return strings.Contains(p.worker.Progress().StoreTrouble(), "evicted") })
	begun := time.Now()
	p.stop()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s to end", took)
	}
	ok(t, p.store.Close())
	ok(t, server.Do(t.Context(), "REPLICAOF", "NO", "ONE"))
	ok(t, server.Stop())
	ok(t, server.Restart(t.Context()))
	var err error
	p.store, err = redis.Open(redis.Config{Addrs: []string{server.Addr()}, Project: "p"})
	ok(t, err)
	p.start()
	p.some(42, 20)
	p.right(view, 1)
	p.eventually("it is live", func() bool { return p.state("activity", 1) == online.StateLive })
	if notes, err := p.worker.losses.remembered(); err != nil || len(notes) > 0 {
		t.Errorf("%q is noted still (%v)", notes, err)
	}
}
