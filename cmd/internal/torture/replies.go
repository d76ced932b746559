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
	warm       = 10 * time.Second // until buffers and heap begin to have the size of this load
	stretch    = 15 * time.Second
	stretches  = 16 // within so many it must stand still
	mostMemory = 1 << 30
)

// slowStore makes every answer of Redis 200 ms late under load: queues are
// bounded, so that memory comes to stand still. What has a size of its own, such as
// the buffers of a chunk, may take that in steps before.
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
	w.gen.Mix.Users, w.gen.Mix.Pages, w.gen.Mix.Plain = 20, 4, true
	p.Delay(200 * time.Millisecond)
	w.struck()
	if _, err := w.loaded(warm); err != nil {
		return err
	}
	var most []int64 // MiB
	for still := 0; still < 2*w.bench.rounds; {
		now, err := w.loaded(stretch)
		if err != nil {
			return err
		}
		// A queue that keeps what comes would take some 20 MiB a stretch.
		if n := len(most); n > 0 && now <= most[n-1]+most[n-1]/20+8 {
			still++
		} else {
			still = 0
		}
		if most = append(most, now); len(most) > stretches*w.bench.rounds || now > mostMemory>>20 {
			return fmt.Errorf("the ingester's memory grew while its store was slow, in stretches of %s, to %d MiB", stretch, most)
		}
	}
	p.Delay(0)
	w.result.remark("the ingester held %d MiB at most, in stretches of %s", most, stretch)
	if err := w.repaired(); err != nil {
		return err
	}
	return w.right()
}

// loaded produces about 1,000 events a second for a while, and gives the most
// memory, in MiB, that the ingester held meanwhile.
func (w *world) loaded(d time.Duration) (most int64, err error) {
	for begin := time.Now(); time.Since(begin) < d; {
		next := time.Now().Add(time.Second)
		if err := w.produce(1000); err != nil {
			return 0, err
		}
		now, err := w.project.Ingesters[0].Memory()
		if err != nil {
			return 0, err
		}
		most = max(most, now>>20)
		w.pause(time.Until(next))
	}
	return most, nil
}
