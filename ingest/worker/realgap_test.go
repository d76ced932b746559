package worker

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestGapsOnRealParts takes a topic away from an ingester on Apache Kafka and
// redis-server: deleted and made anew while it runs and while it does not, and
// with records that expire before they were applied, at rest and not; and gives it back.
// Each time the views go on to the oracle's values, by themselves or once a person accepts.
func TestGapsOnRealParts(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	dir := t.TempDir()
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: dir})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	p := &plant{t: t, dir: t.TempDir(), brokers: broker.Addr(), sent: map[online.Partition][]logrecord.Record{}, logs: map[string]uint32{}}
	p.store, err = redis.Open(redis.Config{Addrs: []string{server.Addr()}})
	ok(t, err)
	ok(t, p.store.Check(t.Context()))
	p.open()
	p.topic("clicks", 2)
	p.topic("orders", 1)
	view := p.apply(definitions).StreamView("activity")
	live := func() { p.eventually("it is live", func() bool { return p.state("activity", 1) == online.StateLive }) }

	p.random("clicks", 0, 70, 200) // partition 1 is empty
	p.random("orders", 0, 71, 100)
	p.start()
	p.right(view, 1)
	live()

	// Other records come, and then the old ones again: it goes on by itself.
	p.again("orders", 1)
	_, err = p.log.Produce(t.Context(), "orders", 0, recordsOf(randomEvents(rand.New(rand.NewPCG(79, 3)), 150)...))
	ok(t, err)
	_ = p.gap("activity", "orders")
	p.again("orders", 1)
	delete(p.logs, "orders")
	began := time.Now()
	_, err = p.log.Produce(t.Context(), "orders", 0, p.sent[partition0("orders", 0)])
	ok(t, err)
	live()
	t.Logf("goes on %s after it was restored", time.Since(began))
	p.random("orders", 0, 80, 10)
	p.right(view, 1)

	began = time.Now()
	p.again("clicks", 2)
	p.random("clicks", 1, 72, 100)
	p.random("clicks", 0, 73, 300)
	_ = p.gap("activity", "clicks")
	t.Logf("noticed %s after it was deleted", time.Since(began))
	p.accept("clicks")
	p.right(view, 1)
	live()

	p.stop()
	p.again("clicks", 1)
	p.random("clicks", 0, 74, 400)
	p.start()
	_ = p.gap("activity", "clicks")
	p.accept("clicks")
	p.right(view, 1)
	live()

	// What has expired is at rest: an older state of the store takes it from there.
	p.stop()
	ok(t, server.Kill())
	older := filepath.Join(t.TempDir(), "older")
	appendOnly := filepath.Join(dir, "appendonlydir")
	ok(t, os.CopyFS(older, os.DirFS(appendOnly)))
	ok(t, server.Restart(t.Context()))
	p.random("clicks", 0, 75, 100)
	p.random("orders", 0, 76, 100)
	p.start()
	p.right(view, 1)
	p.stop()
	ok(t, server.Kill())
	ok(t, os.RemoveAll(appendOnly))
	ok(t, os.Rename(older, appendOnly))
	ok(t, server.Restart(t.Context()))
	p.expire("clicks", 0, 450)
	p.expire("orders", 0, 210)
	p.start()
	p.right(view, 1)
	live()
	refilled := int64(0)
	for _, s := range p.worker.Progress().Statuses() {
		refilled += s.Refilled
	}
	if refilled != 200 {
		t.Errorf("%d offsets came from history, not 200", refilled)
	}

	// What has expired is nowhere: a person accepts.
	p.stop()
	p.random("clicks", 0, 77, 50)
	p.expire("clicks", 0, 520)
	p.start()
	_ = p.gap("activity", "clicks")
	lost := online.Partition{Source: "clicks", Generation: p.logs["clicks"], Number: 0}
	p.moveTo(lost, 500, 520)
	p.logs["clicks"]++
	p.accept("clicks")
	p.random("clicks", 0, 78, 20)
	p.right(view, 1)
	live()
	p.stop()
	p.wantArchived(view)
}
