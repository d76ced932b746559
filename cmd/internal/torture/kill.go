package main

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// killIngester kills the only ingester again and again while events flow, and
// starts it anew: progress stands in the store, so that nothing is lost and
// nothing counts twice.
func killIngester(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	n := w.naively(redis.NewClient(&redis.Options{Addr: w.redis.Addr()}), "clicks")
	if err := w.begin(500); err != nil {
		return err
	}
	ingester := w.project.Ingesters[0]
	for range 4 * w.bench.rounds {
		flow := w.flow(300 + w.r.IntN(600))
		w.pause(time.Duration(w.r.Int64N(int64(700 * time.Millisecond))))
		if err := ingester.Kill(); err != nil {
			return err
		}
		n.restart()
		w.struck()
		if err := flow.wait(); err != nil {
			return err
		}
		if err := ingester.Start(); err != nil {
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

// begin produces a first lot, waits until the system has it, compares, and starts
// to sample.
func (w *world) begin(n int) error {
	if err := w.produce(n); err != nil {
		return err
	}
	if err := w.right(); err != nil {
		return err
	}
	w.watch()
	return nil
}

// flow produces in the background.
func (w *world) flow(n int) *flow {
	f := &flow{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = w.produce(n)
	}()
	return f
}

type flow struct {
	done chan struct{}
	err  error
}

func (f *flow) wait() error {
	<-f.done
	return f.err
}

// pause lets time pass: faults come at random moments.
func (w *world) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ctx.Done():
	}
}
