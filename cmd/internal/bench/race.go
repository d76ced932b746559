//go:build unix

package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// racer consumes the topic of a race in a process of its own.
type racer interface {
	// start readies the store and starts the process.
	start(ctx context.Context) (*child, error)
	// progress is how many events are applied, and whether it is all.
	progress(ctx context.Context) (events int64, done bool, err error)
}

// lap is what one racer did, from the first batch that was seen to be applied to
// the last: what a process needs to start counts for nobody.
type lap struct {
	events  int64
	wall    time.Duration
	client  time.Duration // processor time
	service usage
	rssMax  int64
	memory  []memorySample
}

type memorySample struct {
	at     time.Duration
	events int64
	rss    int64
}

// rate is events a second by the wall's clock.
func (l *lap) rate() float64 { return float64(l.events) / l.wall.Seconds() }

// cost is the processor time of all processes for an event, in nanoseconds.
func (l *lap) cost() float64 {
	return float64((l.client + l.service.kafka + l.service.redis).Nanoseconds()) / float64(l.events)
}

func (l *lap) String() string {
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(l.events) }
	return fmt.Sprintf("%8.0f events/s  %6.0f ns/event of processor (client %.0f, redis %.0f, kafka %.0f)  rss %d MiB",
		l.rate(), l.cost(), per(l.client), per(l.service.redis), per(l.service.kafka), l.rssMax>>20)
}

// lapPatience bounds one lap.
const lapPatience = 10 * time.Minute

// pollEvery is how often progress is asked for; it is asked of Redis, and cheap.
const pollEvery = 25 * time.Millisecond

// snapshot is the processor time of everybody at a moment.
type snapshot struct {
	at      time.Time
	client  processState
	service usage
	events  int64
}

func (s *services) snapshot(ctx context.Context, c *child, events int64) (snapshot, error) {
	client, err := c.usage()
	if err != nil {
		return snapshot{}, first(c.gone(), err)
	}
	service, err := s.usage(ctx)
	return snapshot{at: time.Now(), client: client, service: service, events: events}, err
}

// lap runs a racer over the whole topic.
func (s *services) lap(ctx context.Context, r racer) (_ *lap, err error) {
	ctx, cancel := context.WithTimeout(ctx, lapPatience)
	defer cancel()
	c, err := r.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, c.stop()) }()
	var begin snapshot
	out := &lap{}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		events, done, err := r.progress(ctx)
		if err != nil {
			return nil, first(c.gone(), err)
		}
		switch {
		case events == 0 && !done:
		case begin.at.IsZero():
			if begin, err = s.snapshot(ctx, c, events); err != nil {
				return nil, err
			}
		default:
			state, err := c.usage()
			if err != nil {
				return nil, first(c.gone(), err)
			}
			out.memory = append(out.memory, memorySample{time.Since(begin.at), events, state.rss})
			out.rssMax = max(out.rssMax, state.rss)
		}
		if done {
			end, err := s.snapshot(ctx, c, events)
			if err != nil {
				return nil, err
			}
			out.events, out.wall, out.client = end.events-begin.events, end.at.Sub(begin.at), end.client.cpu-begin.client.cpu
			out.service = end.service.since(begin.service)
			if out.events <= 0 {
				return nil, fmt.Errorf("all events were applied at once: take more of them")
			}
			return out, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d events are applied after %s: %w\n%s", events, lapPatience, ctx.Err(), c.said())
		}
	}
}

// race runs ours and theirs, A B B A.
type race struct {
	ours, theirs []*lap
}

func (s *services) race(ctx context.Context, pairs int, ours, theirs racer, say func(string, *lap)) (*race, error) {
	out := &race{}
	run := func(name string, r racer, to *[]*lap) error {
		l, err := s.lap(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		say(name, l)
		*to = append(*to, l)
		return nil
	}
	for i := range pairs {
		a := func() error { return run("ours", ours, &out.ours) }
		b := func() error { return run("theirs", theirs, &out.theirs) }
		if i%2 == 1 {
			a, b = b, a
		}
		if err := a(); err != nil {
			return nil, err
		}
		if err := b(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// rows are the rates, and the processor times, of a race.
func (r *race) rows(name, opponent string, target float64) []row {
	rates, costs := r.ratios(func(l *lap) float64 { return l.rate() }), r.ratios(func(l *lap) float64 { return 1 / l.cost() })
	return []row{
		{
			Case: name + ", events/s", Opponent: opponent, Ours: medianOf(r.ours, (*lap).rate), Theirs: medianOf(r.theirs, (*lap).rate), Unit: "1/s",
			Ratio: median(rates), WorstPair: slices.Min(rates), Target: target, Met: median(rates) >= target,
		},
		{
			Case: name + ", processor time of all processes", Opponent: opponent, Ours: medianOf(r.ours, (*lap).cost), Theirs: medianOf(r.theirs, (*lap).cost), Unit: "ns",
			Ratio: median(costs), WorstPair: slices.Min(costs), Target: target, Met: median(costs) >= target,
		},
	}
}

// ratios are ours by theirs, pair by pair.
func (r *race) ratios(of func(*lap) float64) []float64 {
	var out []float64
	for i := range r.ours {
		out = append(out, of(r.ours[i])/of(r.theirs[i]))
	}
	return out
}

func medianOf(laps []*lap, of func(*lap) float64) float64 {
	var all []float64
	for _, l := range laps {
		all = append(all, of(l))
	}
	return median(all)
}
