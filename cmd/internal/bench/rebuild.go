//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/freshet/freshet/featurestore/online"
	redisstore "github.com/freshet/freshet/featurestore/online/redis"
)

// rebuildAim is the target in events a second.
const rebuildAim = 2e6

// rebuild measures how fast a new generation is filled from the archive, by size.
func rebuild(ctx context.Context, o *options) (rows []row, err error) {
	s, err := startServices(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, s.stop()) }()
	store, err := redisstore.Open(redisstore.Config{Addrs: []string{s.server.Addr()}})
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, store.Close()) }()
	b := &streamBench{o: o, s: s, store: store, keys: userKeys()}
	for _, n := range []int{o.events / 8, o.events / 2, o.events} {
		more, err := b.rebuildOf(ctx, n)
		if err != nil {
			return rows, fmt.Errorf("%d events: %w", n, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// rebuildOf archives n events, changes the view, and times the fill of its new
// generation, from its lanes' first sight to the last that says that it is filled.
func (b *streamBench) rebuildOf(ctx context.Context, n int) (rows []row, err error) {
	topic := fmt.Sprintf("rebuild-%d", n)
	events := newStream(n, false, time.Now().Add(-8*24*time.Hour))
	if err := b.produce(ctx, topic, events); err != nil {
		return nil, err
	}
	us := &ours{services: b.s, program: b.o.freshetd, topic: topic, partitions: b.o.partitions, last: lastOffsetsOf(events, b.keys, b.o.partitions), store: b.store}
	if _, err := b.s.lap(ctx, us); err != nil { // it ends in order, so that all is archived
		return nil, err
	}
	p := us.project
	if err := p.apply(ctx, definitionsOf(topic, "  - {name: sum_2h, agg: sum(amount), window: 2h}")); err != nil {
		return nil, err
	}
	profile := make(chan error, 1)
	profile <- nil
	if b.o.profile != "" {
		if profile, err = b.profileOf(ctx, p, topic); err != nil {
			return nil, err
		}
	}
	if err := p.start(b.o.freshetd); err != nil {
		return nil, err
	}
	defer func() { err = first(err, p.stop()) }()
	begin, end, err := b.fillTime(ctx, p.process)
	if err := first(err, <-profile); err != nil {
		return nil, err
	}
	check := &checker{store: b.store, id: generationOf(2), keys: b.keys, view: p.view()}
	if err := check.check(ctx, events); err != nil {
		return nil, err
	}
	wall := end.at.Sub(begin.at).Seconds()
	client := float64((end.client.cpu - begin.client.cpu).Nanoseconds()) / float64(n)
	redis := float64(end.service.since(begin.service).redis.Nanoseconds()) / float64(n)
	cost := client + redis
	fmt.Fprintf(os.Stderr, "%d events, %d entities: filled in %.2f s, %.0f events/s, %.0f entities/s, %.0f ns of processor an event (ingester %.0f, redis %.0f)\n",
		n, check.entities, wall, float64(n)/wall, float64(check.entities)/wall, cost, client, redis)
	name := fmt.Sprintf("fill of %d events", n)
	return []row{
		limitedRate(name+", events/s", float64(n)/wall, rebuildAim),
		limited(name+", processor time of an event (two cores make 2 M/s of it)", "ns", cost, cost, 2e9/rebuildAim),
		{Case: name + ", entities/s", Opponent: "none", Ours: float64(check.entities) / wall, Unit: "1/s", Met: true},
	}, nil
}

// profileOf gives an ingester that is about to start an address to ask for its
// profile, which is written once it has started.
func (b *streamBench) profileOf(ctx context.Context, p *ingester, name string) (chan error, error) {
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	b.s.admin = admin
	err = p.settings()
	b.s.admin = "" // the next one has none
	profile := make(chan error, 1)
	go func() { profile <- writeProfile(ctx, admin, b.o.profileQuery(), beside(b.o.profile, name)) }()
	return profile, err
}

// fillTime waits for the second generation to be filled.
func (b *streamBench) fillTime(ctx context.Context, c *child) (begin, end snapshot, err error) {
	ctx, cancel := context.WithTimeout(ctx, lapPatience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	last := online.LaneID{Generation: generationOf(2), Lane: online.DefaultLanes - 1}
	for {
		state, err := b.s.redis.HGet(ctx, string(last.AppendMetaKey(nil)), "state").Result()
		switch {
		case err != nil: // not there yet
		case begin.at.IsZero():
			if begin, err = b.s.snapshot(ctx, c, 0); err != nil {
				return begin, end, err
			}
		case state != online.StateBuilding.String():
			end, err = b.s.snapshot(ctx, c, 0)
			return begin, end, err
		}
		if err := c.gone(); err != nil {
			return begin, end, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return begin, end, fmt.Errorf("the generation is not filled: %w\n%s", ctx.Err(), c.said())
		}
	}
}
