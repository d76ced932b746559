package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	online "github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// downAfter is when the sentinel takes the master for down. A replica that was
// without it for ten times as long by then is not promoted, ever.
const downAfter = time.Second

// withSentinel opens a world on a master with a replica and a sentinel.
func (w *world) withSentinel(o options) (*redistest.Group, error) {
	g, err := redistest.StartSentinel(w.ctx, filepath.Join(w.dir, "redis"))
	if err != nil {
		return nil, err
	}
	w.atEnd(g.Stop)
	c := redis.NewSentinelClient(&redis.Options{Addr: g.Addr()})
	err = errors.Join(c.Set(w.ctx, redistest.MasterName, "down-after-milliseconds", fmt.Sprint(downAfter.Milliseconds())).Err(), c.Close())
	if err != nil {
		return nil, err
	}
	o.online = fmt.Sprintf("{mode: sentinel, addrs: [%q], sentinel: {master: %s}}", g.Addr(), redistest.MasterName)
	o.store = online.Config{Mode: online.Sentinel, Addrs: []string{g.Addr()}, Master: redistest.MasterName}
	return g, w.open(o)
}

func sentinelClient(g *redistest.Group) redis.UniversalClient {
	return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: redistest.MasterName, SentinelAddrs: []string{g.Addr()}})
}

// lose promotes a replica that lacks what the master acknowledged last.
func (w *world) lose(g *redistest.Group, n int) error {
	for away := 10 * downAfter; away > 7*downAfter; { // where the machine is slow, once more with another lot
		if err := w.lag(g, n); err != nil {
			return err
		}
		var err error
		if away, err = g.Away(w.ctx); err != nil {
			return err
		}
	}
	if err := g.Master.Kill(); err != nil {
		return err
	}
	w.struck()
	if err := g.Replica.Do(w.ctx, "CONFIG", "SET", "masterauth", ""); err != nil {
		return err
	}
	return g.Failover(w.ctx)
}

// lag makes the master acknowledge what its replica does not have.
func (w *world) lag(g *redistest.Group, n int) error {
	if err := g.Replica.Do(w.ctx, "CONFIG", "SET", "masterauth", ""); err != nil {
		return err
	}
	if err := g.InSync(w.ctx); err != nil {
		return err
	}
	// A password that the master does not know keeps the replica from following: of
	// a replica that is only stopped, its socket holds what comes meanwhile.
	if err := errors.Join(g.Replica.Do(w.ctx, "CONFIG", "SET", "masterauth", "none"), g.Replica.Do(w.ctx, "CLIENT", "KILL", "TYPE", "master")); err != nil {
		return err
	}
	if err := w.produce(n); err != nil {
		return err
	}
	return w.settled() // acknowledged by the master, and by nobody else
}

// failover promotes a lagging replica, again and again, also where no further
// record comes.
func failover(w *world) error {
	g, err := w.withSentinel(usual())
	if err != nil {
		return err
	}
	n := w.naively(sentinelClient(g), "clicks")
	if err := w.begin(500); err != nil {
		return err
	}
	for round := range 4 * w.bench.rounds {
		if err := w.lose(g, 200+w.r.IntN(300)); err != nil {
			return err
		}
		if round%2 == 1 {
			if err := w.produce(100); err != nil {
				return err
			}
		}
		if err := w.repairedRight(); err != nil {
			return err
		}
	}
	return n.compare()
}

// union lets two ingesters feed one view from two topics while replicas are
// promoted and an ingester dies.
func union(w *world) error {
	o := usual()
	o.ingesters = 2
	o.mix.Users = 12 // each is met by both topics all the time
	g, err := w.withSentinel(o)
	if err != nil {
		return err
	}
	n := w.naively(sentinelClient(g), "clicks", "orders")
	if err := w.begin(500); err != nil {
		return err
	}
	for round := range 3 * w.bench.rounds {
		if err := w.lose(g, 300); err != nil {
			return err
		}
		if round%3 == 2 { // and one of the two dies, too
			if err := errors.Join(w.project.Ingesters[0].Kill(), w.project.Ingesters[0].Start()); err != nil {
				return err
			}
			w.result.Injected++
		}
		if err := w.produce(300); err != nil {
			return err
		}
		if err := w.repairedRight(); err != nil {
			return err
		}
	}
	return n.compare()
}

// moveSlots moves lanes from one master of a cluster to another under load.
func moveSlots(w *world) error {
	c, err := redistest.StartCluster(w.ctx, filepath.Join(w.dir, "redis"))
	if err != nil {
		return err
	}
	w.atEnd(c.Stop)
	o := usual()
	o.online = "{mode: cluster, addrs: ["
	for i, addr := range c.Addrs() {
		if i > 0 {
			o.online += ", "
		}
		o.online += fmt.Sprintf("%q", addr)
	}
	o.online += "]}"
	o.store = online.Config{Mode: online.Cluster, Addrs: c.Addrs()}
	if err := w.open(o); err != nil {
		return err
	}
	if err := w.begin(500); err != nil {
		return err
	}
	owner := map[int]int{}
	for range 12 * w.bench.rounds {
		view := []string{"activity", "pages"}[w.r.IntN(2)]
		slot, err := c.Slot(w.ctx, fmt.Sprintf("{torture.%s.1.%d}:w", view, w.r.IntN(64)))
		if err != nil {
			return err
		}
		from, moved := owner[slot]
		if !moved {
			for from = 0; slot > 16384*(from+1)/3-1; from++ {
			}
		}
		to := (from + 1 + w.r.IntN(2)) % 3
		flow := w.flow(150)
		w.struck()
		if err := c.MoveSlot(w.ctx, slot, from, to, nil); err != nil {
			return err
		}
		owner[slot] = to
		if err := flow.wait(); err != nil {
			return err
		}
	}
	if err := w.repairedRight(); err != nil {
		return err
	}
	return w.compareAtRest()
}
