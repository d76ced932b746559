package redis_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/onlinetest"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

func startCluster(t testing.TB) *redistest.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := redistest.StartCluster(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func clusterConfig(c *redistest.Cluster) redis.Config {
	return redis.Config{Mode: redis.Cluster, Addrs: c.Addrs(), Timeout: 5 * time.Second}
}

// TestSuiteOnCluster runs the suite on six processes.
func TestSuiteOnCluster(t *testing.T) {
	c := startCluster(t)
	onlinetest.Run(t, func(t *testing.T) online.Store {
		for _, s := range c.Masters() {
			do(t, s, "FLUSHALL")
		}
		return open(t, clusterConfig(c))
	})
}

// TestSlotsMove moves the slots of every lane from server to server, with keys
// here and there in between, while writers count in each lane and readers look:
// each step is applied once, nobody sees an error, a mixed entity or an old one.
func TestSlotsMove(t *testing.T) {
	const lanes = 4
	c := startCluster(t)
	s := open(t, clusterConfig(c))
	if err := s.Create(t.Context(), generation, onlinetest.Meta(1, lanes)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	steps := make([]int64, lanes)
	for n := range uint16(lanes) {
		group.Go(func() { steps[n] = countUntil(t, s, n, done) })
	}
	group.Go(func() { lookUntil(t, s, lanes, done) })
	at := map[uint16]int{}
	for round := range 3 {
		for n := range uint16(lanes) {
			tag := string(lane(n).AppendMetaKey(nil))
			slot, err := c.Slot(t.Context(), tag)
			if err != nil {
				t.Fatal(err)
			}
			from, known := at[n]
			if !known {
				from = min(slot*3/16384, 2)
				for ; slot > 16384*(from+1)/3-1; from++ {
				}
			}
			to := (from + 1 + round%2) % 3
			if err := c.MoveSlot(t.Context(), slot, from, to, nil); err != nil {
				t.Fatal(err)
			}
			at[n] = to
		}
	}
	close(done)
	group.Wait()
	stored, err := s.Lanes(t.Context(), generation, lanes)
	if err != nil {
		t.Fatal(err)
	}
	for n := range stored {
		if got := stored[n].Watermarks[online.Partition{}].Offset; got != steps[n] || got < 10 {
			t.Errorf("lane %d stands at %d after %d steps", n, got, steps[n])
		}
	}
}

// countUntil applies steps to a lane, each with an entity that stays, one that is
// new, and a closed part; it gives the last.
func countUntil(t *testing.T, s *redis.Store, n uint16, done <-chan struct{}) int64 {
	last := int64(-1)
	for {
		select {
		case <-done:
			return last
		default:
		}
		b := step(last, 50)
		b.Lane = lane(n)
		b.Writes[0].Closed = fmt.Append(nil, last+1)
		if last%10 == 0 {
			b.Writes = append(b.Writes, online.Write{Key: fmt.Append(nil, "new", last+1), Blob: onlinetest.Blob("1", nil)})
		}
		r := s.Apply(context.Background(), []online.Batch{b})[0]
		if r.Outcome != online.OutcomeOK {
			t.Errorf("lane %d, step %d: %v (%v)", n, last+1, r.Outcome, r.Err)
			return last
		}
		last++
	}
}

func lookUntil(t *testing.T, s *redis.Store, lanes uint16, done <-chan struct{}) {
	newest := map[uint16]string{}
	for n := uint16(0); ; n = (n + 1) % lanes {
		select {
		case <-done:
			return
		default:
		}
		parts, err := s.Get(context.Background(), []online.EntityID{{LaneID: lane(n), Key: []byte("a"), Split: true, State: true}})
		if err != nil {
			t.Errorf("lane %d: %v", n, err)
			return
		}
		if parts[0].Lane != online.StateLive {
			t.Errorf("lane %d says %q while its slot moves", n, parts[0].Lane)
		}
		if parts[0].Open == nil {
			continue
		}
		list, closed := string(onlinetest.Prefix(parts[0].Open)[2:]), string(parts[0].Closed)
		if list != closed {
			t.Errorf("lane %d: the open part of step %s with the closed one of %s", n, list, closed)
		}
		if before := newest[n]; len(list) < len(before) || len(list) == len(before) && list < before {
			t.Errorf("lane %d went back from %s to %s", n, before, list)
		}
		newest[n] = list
	}
}

// TestTornSlot leaves a slot half moved: a batch waits for it and loses nothing,
// and a context that ends ends the waiting too, without a write.
func TestTornSlot(t *testing.T) {
	c := startCluster(t)
	s := open(t, clusterConfig(c))
	create(t, s)
	apply(t, s, step(-1, 0), online.OutcomeOK)
	slot, err := c.Slot(t.Context(), string(lane(0).AppendMetaKey(nil)))
	if err != nil {
		t.Fatal(err)
	}
	from := 0
	for slot > 16384*(from+1)/3-1 {
		from++
	}
	var wait sync.WaitGroup
	err = c.MoveSlot(t.Context(), slot, from, (from+1)%3, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		r := s.Apply(ctx, []online.Batch{step(0, 0)})[0]
		if r.Outcome == online.OutcomeOK || !errors.Is(r.Err, featurestore.ErrUnavailable) {
			t.Errorf("half of the keys are away: %v (%v)", r.Outcome, r.Err)
		}
		wait.Go(func() {
			if r := s.Apply(context.Background(), []online.Batch{step(0, 0)})[0]; r.Outcome != online.OutcomeOK {
				t.Errorf("after the move: %v (%v)", r.Outcome, r.Err)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	if got := offset(t, s); got != 1 {
		t.Errorf("watermark at %d, want 1", got)
	}
}

// TestSuiteOnSentinel runs the suite on the master that a sentinel names.
func TestSuiteOnSentinel(t *testing.T) {
	g := startSentinel(t)
	onlinetest.Run(t, func(t *testing.T) online.Store {
		do(t, g.Master, "FLUSHALL")
		return open(t, sentinelConfig(g))
	})
}

func startSentinel(t testing.TB) *redistest.Group {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	g, err := redistest.StartSentinel(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func sentinelConfig(g *redistest.Group) redis.Config {
	return redis.Config{Mode: redis.Sentinel, Addrs: []string{g.Addr()}, Master: redistest.MasterName, Timeout: 5 * time.Second}
}

// TestFailover kills the master again and again: the store finds the next one,
// and what it says of each batch is true.
func TestFailover(t *testing.T) {
	g := startSentinel(t)
	s := open(t, sentinelConfig(g))
	create(t, s)
	if err := g.InSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := int64(-1)
	for range 2 {
		for range 10 {
			apply(t, s, step(last, 0), online.OutcomeOK)
			last++
		}
		if err := g.Failover(t.Context()); err != nil {
			t.Fatal(err)
		}
		stored := settledOffset(t, s)
		if stored > last {
			t.Fatalf("watermark at %d, only %d was written", stored, last)
		}
		last = stored
	}
	applySettled(t, s, last)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for err := s.Check(ctx); err != nil; err = s.Check(ctx) { // it may still ask the one before, which was made a replica
		if !errors.Is(err, featurestore.ErrUnavailable) || ctx.Err() != nil {
			t.Fatalf("the new master: %v", err)
		}
	}
}

// applySettled takes the step from an offset, as a writer does: a connection that it
// still had to a server which has ended leaves the fate of a batch unknown, and the
// watermark says it.
func applySettled(t *testing.T, s *redis.Store, from int64) {
	t.Helper()
	b := step(from, 0)
	for {
		r := s.Apply(t.Context(), []online.Batch{b})[0]
		if r.Outcome == online.OutcomeOK {
			return
		}
		if r.Outcome != online.OutcomeUnknown || t.Context().Err() != nil {
			t.Fatalf("outcome %v (%v), want OK", r.Outcome, r.Err)
		}
		if stored := settledOffset(t, s); stored == b.To.Offset {
			return
		} else if stored != from {
			t.Fatalf("watermark at %d, want %d", stored, from)
		}
	}
}

// settledOffset reads the watermark once there is a master again.
func settledOffset(t *testing.T, s *redis.Store) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		lanes, err := s.Lanes(ctx, generation, 2)
		if err == nil {
			if w, ok := lanes[0].Watermarks[online.Partition{}]; ok {
				return w.Offset
			}
			return -1
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// TestSuiteOnValkey runs the suite on Valkey.
func TestSuiteOnValkey(t *testing.T) {
	cache, err := redistest.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	program, err := redistest.FindValkey(ctx, cache)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := redistest.Start(ctx, redistest.Options{Dir: t.TempDir(), Program: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	onlinetest.Run(t, func(t *testing.T) online.Store {
		do(t, srv, "FLUSHALL")
		return open(t, redis.Config{Addrs: []string{srv.Addr()}})
	})
}
