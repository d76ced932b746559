package worker

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestRealParts runs an ingester on Apache Kafka and redis-server. The server is
// killed again and again while events come in, and loses the end of its
// append-only file; at the end every value is the oracle's.
func TestRealParts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 5))
	broker := kafkatest.StartForTest(t)
	dir := t.TempDir()
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: dir})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	p := &plant{t: t, dir: t.TempDir(), brokers: broker.Addr(), sent: map[online.Partition][]logrecord.Record{}}
	p.store, err = redis.Open(redis.Config{Addrs: []string{server.Addr()}})
	ok(t, err)
	ok(t, p.store.Check(t.Context()))
	p.open()
	p.topic("clicks", 2)
	p.topic("orders", 1)
	view := p.apply(definitions).StreamView("activity")
	p.auditing()
	p.start()
	p.some(r.Uint64(), 50)
	p.right(view, 1)
	first := p.view(generation)
	for round := range 4 {
		p.some(r.Uint64(), 300)
		if r.IntN(2) == 0 {
			p.settled(view, 1) // at rest, where nothing but the heartbeat notices
		}
		ok(t, server.Kill())
		p.some(r.Uint64(), 100)
		lost := cutLog(t, dir, r)
		ok(t, server.Restart(t.Context()))
		t.Logf("round %d: killed, %d bytes lost", round, lost)
		p.right(view, 1)
	}
	counts := p.worker.ViewCounts()[generation]
	t.Logf("%+v", counts)
	if counts.Rewinds == 0 && p.view(generation) == first { // where a batch was cut off, the view is LOST and built anew
		t.Error("nothing was ever rewound or built anew: the faults did not reach the worker")
	}
	p.eventually("it is live", func() bool { return p.state("activity", 1) == online.StateLive })
	p.audited()
	p.wantNoFindings(p.worker)
	p.stop()
	p.wantArchived(view)
}

// cutLog cuts the newest append-only file at a random byte of its last part, as
// a crash of the machine would, and says how much was lost.
func cutLog(t *testing.T, dir string, r *rand.Rand) int64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	ok(t, err)
	if len(files) == 0 {
		t.Fatal("redis-server has no append-only file")
	}
	file := files[len(files)-1]
	info, err := os.Stat(file)
	ok(t, err)
	lost := r.Int64N(info.Size()/4 + 1)
	ok(t, os.Truncate(file, info.Size()-lost))
	return lost
}

// newRedisPlant is a plant whose online store is a redis-server.
func newRedisPlant(t *testing.T) (*plant, *redistest.Server) {
	t.Helper()
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	p := &plant{t: t, dir: t.TempDir(), sent: map[online.Partition][]logrecord.Record{}}
	p.store, err = redis.Open(redis.Config{Addrs: []string{server.Addr()}, Project: "p"})
	ok(t, err)
	ok(t, p.store.Check(t.Context()))
	p.open()
	p.topic("clicks", 2)
	p.topic("orders", 1)
	return p, server
}

// view is what folds into a generation now.
func (p *plant) view(id online.Generation) *View {
	p.worker.mu.Lock()
	defer p.worker.mu.Unlock()
	return p.worker.views[id].view
}

// TestEviction lets a person set a policy that evicts, on a server without room:
// entities are gone while watermarks and metadata stand. That is seen while
// running, the views are LOST and are built anew, and at the end every value is
// the oracle's.
func TestEviction(t *testing.T) {
	p, server := newRedisPlant(t)
	p.physicalTTL = true // what has a time to live may be evicted by volatile-random, and nothing else
	view := p.apply(definitions).StreamView("activity")
	p.some(41, 60)
	p.start()
	p.right(view, 1)
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "volatile-random"))
	p.eventually("the policy is said to be wrong", func() bool {
		return strings.Contains(p.worker.Progress().StoreTrouble(), "volatile-random")
	})
	before := p.view(generation)
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "1"))
	for range 20 { // each makes room
		_ = server.Do(t.Context(), "SET", "other", "x") // refused once there is nothing left to evict
	}
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "0"))
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "noeviction"))
	p.eventually("the view is opened anew", func() bool { return p.view(generation) != before })
	p.some(42, 20)
	p.right(view, 1)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.right(view, 1)
	if trouble := p.worker.Progress().StoreTrouble(); trouble != "" {
		t.Errorf("the store's trouble is still %q", trouble)
	}
}

// TestStoreFull fills the server: the stream waits and loses nothing, and goes on
// by itself once there is room.
func TestStoreFull(t *testing.T) {
	p, server := newRedisPlant(t)
	view := p.apply(definitions).StreamView("activity")
	p.some(43, 40)
	p.start()
	p.right(view, 1)
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "1"))
	p.some(44, 40)
	p.eventually("it says that it waits", func() bool {
		return p.worker.ViewCounts()[generation].Refused > 0 && strings.Contains(p.worker.Progress().StoreTrouble(), "maxmemory")
	})
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "0"))
	p.right(view, 1)
}

// TestLaggingReplicaIsPromoted promotes, again and again, a replica that lacks
// what the master had acknowledged last, also where no further record comes: the
// heartbeat notices, and what was lost is applied again.
func TestLaggingReplicaIsPromoted(t *testing.T) {
	g, err := redistest.StartSentinel(t.Context(), t.TempDir())
	ok(t, err)
	t.Cleanup(func() { ok(t, g.Stop()) })
	p := &plant{t: t, dir: t.TempDir(), sent: map[online.Partition][]logrecord.Record{}}
	p.store, err = redis.Open(redis.Config{Mode: redis.Sentinel, Addrs: []string{g.Addr()}, Master: redistest.MasterName})
	ok(t, err)
	p.open()
	p.topic("clicks", 2)
	p.topic("orders", 1)
	view := p.apply(definitions).StreamView("activity")
	p.start()
	rewinds := func() int64 { return p.worker.ViewCounts()[generation].Rewinds }
	for round := uint64(0); round < 3 || rewinds() == 0 && round < 12; round++ { // where the store was away, it is only read anew
		p.some(50+2*round, 50)
		p.right(view, 1)
		ok(t, g.InSync(t.Context()))
		ok(t, g.Replica.Pause())
		p.some(51+2*round, 50)
		p.right(view, 1) // acknowledged by the master, and by nobody else
		ok(t, g.Master.Kill())
		ok(t, g.Replica.Resume())
		ok(t, g.Failover(t.Context()))
		p.right(view, 1)
	}
	if rewinds() == 0 {
		t.Error("nothing was ever rewound: the replicas had everything")
	}
}

// TestDeletedEntities deletes single entities of a store whose lanes stand. The
// next record of each notices: it is not folded into nothing, but into what the
// entity was.
func TestDeletedEntities(t *testing.T) {
	p, server := newRedisPlant(t)
	view := p.apply(definitions).StreamView("activity")
	p.some(45, 80)
	p.start()
	for seed, others := range []bool{false, true} { // whether another has written since
		p.right(view, 1)
		for pattern, command := range map[string][]any{"{p.activity.1.*}:e:*": {"DEL"}, "{p.activity.1.*}:m": {"HDEL", "last"}} {
			keys, err := server.Ask(t.Context(), "KEYS", pattern)
			ok(t, err)
			for _, key := range keys.([]any) {
				if others || command[0] == "DEL" {
					ok(t, server.Do(t.Context(), slices.Insert(slices.Clone(command), 1, key)...))
				}
			}
		}
		before := p.worker.ViewCounts()[generation].Rebuilt
		p.some(uint64(46+seed), 120)
		p.right(view, 1)
		if n := p.worker.ViewCounts()[generation].Rebuilt - before; (n > 0) != others {
			t.Errorf("others have written: %t; %d entities were rebuilt", others, n)
		}
	}
}
