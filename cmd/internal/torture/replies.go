package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/plant"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// behindProxy opens a world whose processes reach Redis through a proxy only.
func (w *world) behindProxy() (*plant.Proxy, error) {
	if err := w.openRedis(); err != nil {
		return nil, err
	}
	p, err := plant.NewProxy(w.redis.Addr(), w.r.Uint64())
	if err != nil {
		return nil, err
	}
	w.atEnd(p.Close)
	o := usual()
	o.mix.Step = 2 * featurestore.Millisecond
	o.online, o.store = fmt.Sprintf("{addrs: [%q]}", p.Addr()), redis.Config{Addrs: []string{w.redis.Addr()}}
	return p, w.open(o)
}

// loseReplies loses 5 % of Redis's answers with their connections: nobody knows
// whether what was asked has happened.
func loseReplies(w *world) error {
	p, err := w.behindProxy()
	if err != nil {
		return err
	}
	if err := w.begin(400); err != nil {
		return err
	}
	p.Drop(0.05)
	for range 4 * w.bench.rounds {
		if err := w.produce(600); err != nil {
			return err
		}
		w.pause(2 * time.Second)
	}
	w.struck()
	w.result.Injected += p.Dropped() - 1
	p.Drop(0)
	if err := w.repairedRight(); err != nil {
		return err
	}
	return w.compareAtRest()
}

const (
	slowFor = 60 * time.Second
	warm    = 20 * time.Second // until buffers and heap have the size of this load
)

// slowStore makes every answer of Redis 200 ms late under load: queues are
// bounded, so that memory stands still.
func slowStore(w *world) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the memory of a process is read from /proc, which %s does not have", runtime.GOOS)
	}
	p, err := w.behindProxy()
	if err != nil {
		return err
	}
	if err := w.begin(400); err != nil {
		return err
	}
	// States must stay as they are, so that what grows would be queues: few users,
	// and nothing that waits for its time.
	w.gen.Mix.Users, w.gen.Mix.Pages, w.gen.Mix.Plain = 3, 2, true
	p.Delay(200 * time.Millisecond)
	w.struck()
	var most [2]int64 // in the first half, and in the second
	limit := slowFor*time.Duration(w.bench.rounds) - warm
	for begin := time.Now().Add(warm); time.Since(begin) < limit; {
		if err := w.produce(1000); err != nil {
			return err
		}
		now, err := w.project.Ingesters[0].Memory()
		if err != nil {
			return err
		}
		if at := time.Since(begin); at > 0 {
			half := min(1, int(2*at/limit))
			most[half] = max(most[half], now)
		}
		w.pause(time.Second)
	}
	p.Delay(0)
	w.result.remark("the ingester held %d MiB at most in the first half of the time after warming up, %d MiB in the second", most[0]>>20, most[1]>>20)
	if most[1] > most[0]*5/4+16<<20 {
		return fmt.Errorf("the ingester's memory grew from %d to %d MiB while its store was slow", most[0]>>20, most[1]>>20)
	}
	if err := w.repaired(); err != nil {
		return err
	}
	return w.right()
}
