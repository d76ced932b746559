package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
)

// cutFile kills redis-server under load and cuts its append-only file at a random
// byte, as a crash of the machine would: inside a command, too.
func cutFile(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	n := w.naively(redis.NewClient(&redis.Options{Addr: w.redis.Addr()}), "clicks")
	if err := w.begin(400); err != nil {
		return err
	}
	for round := range 5 * w.bench.rounds {
		flow := w.flow(200 + w.r.IntN(400))
		w.pause(time.Duration(w.r.Int64N(int64(600 * time.Millisecond))))
		if round%3 == 2 { // the ingester dies with it
			if err := w.project.Ingesters[0].Kill(); err != nil {
				return err
			}
		}
		if err := w.redis.Kill(); err != nil {
			return err
		}
		w.struck()
		if err := w.cutLog(); err != nil {
			return err
		}
		if err := w.redis.Restart(w.ctx); err != nil {
			return err
		}
		if round%3 == 2 {
			if err := w.project.Ingesters[0].Start(); err != nil {
				return err
			}
		}
		if err := flow.wait(); err != nil {
			return err
		}
		if err := w.repaired(); err != nil {
			return err
		}
	}
	if err := w.right(); err != nil {
		return err
	}
	if err := n.compare(); err != nil {
		return err
	}
	return w.compareAtRest()
}

// cutLog cuts up to a quarter of the newest append-only file.
func (w *world) cutLog() error {
	files, err := filepath.Glob(filepath.Join(w.dir, "redis", "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("redis-server has no append-only file (%w)", err)
	}
	file := files[len(files)-1]
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	return os.Truncate(file, info.Size()-w.r.Int64N(info.Size()/4+1))
}
