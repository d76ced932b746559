package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// flushAll empties the store: it looks healthy, and holds nothing.
func flushAll(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(1500); err != nil {
		return err
	}
	for round := range 2 * w.bench.rounds {
		var f *flow
		if round%2 == 1 { // once at rest, once under load
			f = w.flow(500)
		}
		if err := w.redis.Flush(w.ctx); err != nil {
			return err
		}
		w.struck()
		if f != nil {
			if err := f.wait(); err != nil {
				return err
			}
		}
		if err := w.rebuilt(); err != nil {
			return err
		}
		if err := w.right(); err != nil {
			return err
		}
	}
	return w.compareAtRest()
}

// rebuilt waits until the system has said that it rebuilds, and has done so.
func (w *world) rebuilt() error {
	err := w.until("the loss is said", patience, func() (bool, string) {
		w.seen.mu.Lock()
		defer w.seen.mu.Unlock()
		return !w.seen.said.IsZero(), "status is RUNNING, and lookups answer"
	})
	if err != nil {
		return err
	}
	if err := w.repaired(); err != nil {
		return err
	}
	return nil
}

// evict lets a person set a policy that evicts, on a server without room.
func evict(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	n := w.naively(redis.NewClient(&redis.Options{Addr: w.redis.Addr()}), "clicks")
	if err := w.begin(1000); err != nil {
		return err
	}
	for range 2 * w.bench.rounds {
		used, err := w.usedMemory()
		if err != nil {
			return err
		}
		if err := w.redis.Do(w.ctx, "CONFIG", "SET", "maxmemory-policy", "allkeys-random"); err != nil {
			return err
		}
		w.struck()
		if err := w.redis.Do(w.ctx, "CONFIG", "SET", "maxmemory", used*9/10); err != nil {
			return err
		}
		if err := w.produce(300); err != nil {
			return err
		}
		if err := w.redis.Do(w.ctx, "CONFIG", "SET", "maxmemory", 0); err != nil {
			return err
		}
		if err := w.redis.Do(w.ctx, "CONFIG", "SET", "maxmemory-policy", "noeviction"); err != nil {
			return err
		}
		if err := w.rebuilt(); err != nil {
			return err
		}
		if err := w.right(); err != nil {
			return err
		}
	}
	return n.compare()
}

func (w *world) usedMemory() (int64, error) {
	text, err := w.redis.Ask(w.ctx, "INFO", "memory")
	if err != nil {
		return 0, err
	}
	var used int64
	for line := range strings.Lines(fmt.Sprint(text)) {
		if n, _ := fmt.Sscanf(line, "used_memory:%d", &used); n == 1 {
			return used, nil
		}
	}
	return 0, fmt.Errorf("INFO says nothing of used_memory")
}

// full leaves the server no memory: writes are refused whole, the stream waits,
// and goes on by itself.
func full(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(500); err != nil {
		return err
	}
	for range 2 * w.bench.rounds {
		if err := w.redis.Do(w.ctx, "CONFIG", "SET", "maxmemory", 1<<20); err != nil {
			return err
		}
		w.struck()
		if err := w.produce(800); err != nil {
			return err
		}
		w.pause(3 * time.Second)
		if err := w.redis.Do(w.ctx, "CONFIG", "SET", "maxmemory", 0); err != nil {
			return err
		}
		if err := w.repairedRight(); err != nil {
			return err
		}
	}
	return w.compareAtRest()
}

// flushScripts makes the server forget our scripts again and again.
func flushScripts(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(300); err != nil {
		return err
	}
	for range 12 * w.bench.rounds {
		if err := w.redis.Do(w.ctx, "SCRIPT", "FLUSH"); err != nil {
			return err
		}
		w.struck()
		if err := w.produce(200); err != nil {
			return err
		}
		w.pause(time.Second)
	}
	if err := w.repaired(); err != nil {
		return err
	}
	return w.right()
}
