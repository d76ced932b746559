package main

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// pauseOwner stops an ingester for longer than its session: the group gives its
// partitions to the other, and then it goes on as if nothing had happened.
func pauseOwner(w *world) error {
	o := usual()
	o.ingesters = 2
	if err := w.open(o); err != nil {
		return err
	}
	if err := w.begin(500); err != nil {
		return err
	}
	for round := range 2 * w.bench.rounds {
		zombie := w.project.Ingesters[round%2]
		flow := w.flow(400)
		w.pause(time.Duration(w.r.Int64N(int64(300 * time.Millisecond))))
		if err := zombie.Pause(); err != nil {
			return err
		}
		w.struck()
		if err := flow.wait(); err != nil {
			return err
		}
		if err := w.settled(); err != nil { // the other has taken over
			return err
		}
		w.mended()
		flow = w.flow(600)
		if err := zombie.Resume(); err != nil {
			return err
		}
		if err := flow.wait(); err != nil {
			return err
		}
		if err := w.right(); err != nil {
			return err
		}
	}
	return w.compareAtRest()
}

// growTopics gives topics more partitions under load: keys move to other
// partitions, and offsets begin anew there.
func growTopics(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	n := w.naively(redis.NewClient(&redis.Options{Addr: w.redis.Addr()}), "clicks")
	if err := w.begin(800); err != nil {
		return err
	}
	clicks, orders := clickPartitions, orderPartitions
	for range 2 * w.bench.rounds {
		flow := w.flow(600)
		clicks, orders = clicks+2, orders+1
		if err := w.grow("clicks", clicks); err != nil {
			return err
		}
		w.struck()
		if err := w.grow("orders", orders); err != nil {
			return err
		}
		w.struck()
		if err := flow.wait(); err != nil {
			return err
		}
		if err := w.produce(600); err != nil {
			return err
		}
		if err := w.repairedRight(); err != nil {
			return err
		}
	}
	return n.compare()
}
