package main

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/cmd/internal/torture/naive"
)

// beside runs the naive protocol on the same topics and the same Redis.
type beside struct {
	world    *world
	consumer *naive.Consumer
	redis    redis.UniversalClient
	sources  []string
}

// naively starts the naive protocol beside the system.
func (w *world) naively(client redis.UniversalClient, sources ...string) *beside {
	c := naive.Config{Kafka: w.kafka, Redis: client, Group: w.name, Topics: map[string]string{}}
	for _, s := range sources {
		c.Topics[s] = w.topic(s)
	}
	n := &beside{world: w, consumer: naive.New(c), redis: client, sources: sources}
	n.consumer.Start()
	w.atEnd(func() error {
		n.consumer.Stop()
		return client.Close()
	})
	return n
}

// restart ends it at once, as a crash would, and starts it anew.
func (n *beside) restart() {
	n.consumer.Stop()
	n.consumer.Start()
}

// naivePatience bounds the wait for the naive protocol, which may never arrive.
const naivePatience = 15 * time.Second

// compare waits until the group has committed everything, and compares both
// values of every user with a plain sum.
func (n *beside) compare() error {
	w := n.world
	if err := w.until("the naive protocol has read everything", naivePatience, n.arrived); err != nil {
		w.result.remark("the naive protocol did not read to the end: %v", err)
	}
	type sums struct{ count, sum int64 }
	want := map[string]*sums{}
	for _, p := range w.ledger.Partitions() {
		for _, source := range n.sources {
			if p.Source != source {
				continue
			}
			for _, e := range w.ledger.Events(p) {
				if e.Poison != "" || e.User == "" {
					continue
				}
				s := want[e.User]
				if s == nil {
					s = &sums{}
					want[e.User] = s
				}
				s.count++
				if !e.NullN && !e.Bare {
					s.sum += e.N
				}
			}
		}
	}
	r := &naiveResult{}
	for user, s := range want {
		got, err := naive.Read(w.ctx, n.redis, w.name, user)
		if err != nil {
			return err
		}
		r.Compared += 2
		if got.Count != s.count {
			r.Mismatches++
		}
		if got.Sum != s.sum {
			r.Mismatches++
		}
	}
	w.result.Naive = r
	return nil
}

func (n *beside) arrived() (bool, string) {
	w := n.world
	for _, p := range w.ledger.Partitions() {
		for _, source := range n.sources {
			if p.Source != source || p.Generation != w.lives[source] {
				continue
			}
			next, err := w.kafka.Next(w.ctx, w.name, w.topic(source), p.Number)
			if end := w.ledger.End(p); err != nil || next < end {
				return false, fmt.Sprintf("%v stands at %d of %d (%v)", p, next, end, err)
			}
		}
	}
	return true, ""
}
