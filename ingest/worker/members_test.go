package worker

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// newShared is a plant whose clock goes on and whose workers form a group.
func newShared(t *testing.T) (*plant, *definition.StreamView) {
	t.Helper()
	var time atomic.Int64
	time.Store(int64(base))
	p := &plant{t: t, dir: t.TempDir(), sent: map[online.Partition][]logrecord.Record{}}
	p.clock = func() featurestore.Instant { return featurestore.Instant(time.Add(1)) }
	var err error
	p.store, err = embedded.Open(embedded.Config{Dir: p.path("online"), Now: now})
	ok(t, err)
	p.open()
	p.topic("clicks", 2)
	p.topic("orders", 1)
	return p, p.apply(definitions).StreamView("activity")
}

// member starts one more worker of the group on the plant's parts.
func (p *plant) member() *Worker {
	p.t.Helper()
	c := p.config()
	c.Group = p.log.Log.(logrecord.Joiner)
	w := New(c)
	w.Start()
	p.t.Cleanup(func() { ok(p.t, w.Stop()) })
	return w
}

// feeds are how many partitions a worker reads.
func feeds(w *Worker) int { return len(w.Reading()) }

// Two ingesters share the partitions; each record counts once while they come,
// fill a new generation together and go; the archive is whole.
func TestMembersShare(t *testing.T) {
	p, view := newShared(t)
	p.auditing()
	p.worker = p.member() // its progress is shown where a wait fails
	p.some(1, 60)
	p.right(view, 1)
	p.eventually("one member reads everything", func() bool { return feeds(p.worker) == 3 })

	second := p.member()
	p.some(2, 60)
	p.eventually("both read", func() bool {
		a, b := feeds(p.worker), feeds(second)
		return a > 0 && b > 0 && a+b == 3
	})
	p.some(3, 60)
	p.right(view, 1)

	changed := p.apply(strings.Replace(definitions, "window: 10m, offset: 1m", "window: 5m", 1)).StreamView("activity")
	p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 && p.state("activity", 2) == online.StateLive })
	p.some(4, 60)
	p.right(changed, 2)

	p.wantNoFindings(p.worker, second)
	ok(t, p.worker.Stop())
	p.worker = second
	p.eventually("the other reads everything", func() bool { return feeds(second) == 3 })
	p.some(5, 60)
	p.right(changed, 2)
	ok(t, second.Stop())
	p.worker = nil
	p.wantArchived(changed)
}

// A member that leads finds lanes that are lost, makes them anew and fills them;
// the other takes part when they are filled.
func TestMembersRebuild(t *testing.T) {
	p, view := newShared(t)
	p.worker = p.member()
	second := p.member()
	p.some(1, 60)
	p.eventually("both read", func() bool { return feeds(p.worker) > 0 && feeds(second) > 0 })
	p.right(view, 1)
	ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
	p.eventually("the view is built anew", func() bool { return p.state("activity", 1) == online.StateLive })
	p.some(2, 60)
	p.right(view, 1)
	p.worker = nil
}

// Two ingesters on Apache Kafka and redis-server: one leaves and another comes
// while events flow and the server is killed; every value is the oracle's.
func TestMembersOnRealParts(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	var time atomic.Int64
	time.Store(int64(base))
	p := &plant{t: t, dir: t.TempDir(), brokers: broker.Addr(), sent: map[online.Partition][]logrecord.Record{}}
	p.clock = func() featurestore.Instant { return featurestore.Instant(time.Add(1)) }
	p.store, err = redis.Open(redis.Config{Addrs: []string{server.Addr()}})
	ok(t, err)
	p.open()
	p.topic("clicks", 2)
	p.topic("orders", 1)
	p.auditing()
	view := p.apply(definitions).StreamView("activity")
	first, second := p.member(), p.member()
	third := (*Worker)(nil)
	p.worker = first
	p.eventually("both read", func() bool { return feeds(first) > 0 && feeds(second) > 0 })
	for seed := range uint64(3) {
		p.some(seed, 200)
		switch seed {
		case 0:
			ok(t, server.Kill())
			ok(t, server.Restart(t.Context()))
		case 1:
			ok(t, first.Stop())
			p.worker = second
			third = p.member()
		}
		p.right(view, 1)
	}
	p.wantNoFindings(first, second, third)
	p.worker = nil
}
