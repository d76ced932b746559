//go:build unix

package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore/online"
)

// delays collects how long events took, many at a time.
type delays struct {
	list []delay
	n    int64
}

type delay struct {
	d time.Duration
	n int64
}

func (d *delays) add(x time.Duration, n int64) {
	d.list, d.n = append(d.list, delay{x, n}), d.n+n
}

// quantile is the delay that a share of the events did not exceed, in milliseconds.
func (d *delays) quantile(q float64) float64 {
	slices.SortFunc(d.list, func(a, b delay) int { return int(a.d - b.d) })
	left := int64(math.Ceil(q * float64(d.n)))
	for _, x := range d.list {
		if left -= x.n; left <= 0 {
			return float64(x.d.Microseconds()) / 1000
		}
	}
	return 0
}

// pending are acknowledged events of one partition that are not applied yet.
type pending struct {
	last int64
	due  time.Time
	n    int64
}

// sustain feeds a fresh ingester at a rate and measures how long after an event
// was due every lane has applied it.
func (b *streamBench) sustain(ctx context.Context, rate float64) ([]row, error) {
	name := fmt.Sprintf("sustained-%d", int(rate))
	if err := b.s.topic(ctx, name, b.o.partitions); err != nil {
		return nil, err
	}
	us := &ours{services: b.s, program: b.o.freshetd, topic: name, partitions: b.o.partitions, store: b.store}
	c, err := us.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, c.stop()) }()
	w := &sustained{pending: make([][]pending, b.o.partitions), store: b.store}
	p := &pace{rate: rate, length: b.o.sustained, partitions: b.o.partitions}
	to := newProducer(b.s, name, b.o.partitions, w.sent)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer w.end()
		return p.run(groupCtx, to.send)
	})
	group.Go(func() error { return w.watch(groupCtx, c) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	d := &w.delays
	fmt.Fprintf(os.Stderr, "%s of load at %.0f events/s: %d events, apply delay p50 %.0f ms, p99 %.0f ms; rss %d MiB, %+.0f%% over the second half\n",
		b.o.sustained, rate, d.n, d.quantile(0.5), d.quantile(0.99), w.memory.rssMax>>20, 100*w.memory.growth())
	p99, growth := d.quantile(0.99), max(0, w.memory.growth())
	flat := row{Case: "memory at the end of the load, against that of its first half", Opponent: "limit", Ours: 1 + growth, Theirs: 1.1, Unit: "times", Ratio: 1.1 / (1 + growth), WorstPair: 1.1 / (1 + growth), Target: 1, Met: growth <= 0.1}
	return []row{limited(fmt.Sprintf("apply delay p99 at %.0f events/s for %s", rate, b.o.sustained), "ms", p99, p99, 2000), flat}, nil
}

// sustained follows what is applied.
type sustained struct {
	store  online.Store
	delays delays
	memory lap

	mu      sync.Mutex
	pending [][]pending
	ended   bool
}

func (w *sustained) sent(partition int, last int64, list []due) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := last
	for i := len(list) - 1; i >= 0; i-- {
		n := int64(len(list[i].users))
		w.pending[partition] = append(w.pending[partition], pending{at, list[i].at, n})
		at -= n
	}
}

func (w *sustained) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

// watch asks for the watermarks until all that was sent is applied by every lane.
func (w *sustained) watch(ctx context.Context, c *child) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	begin := time.Now()
	for {
		lanes, err := w.store.Lanes(ctx, generationOf(1), online.DefaultLanes)
		if err != nil {
			return first(c.gone(), err)
		}
		if w.applied(lanes, time.Now()) {
			return nil
		}
		if state, err := c.usage(); err == nil {
			w.memory.events = w.delays.n
			w.memory.memory = append(w.memory.memory, memorySample{time.Since(begin), w.delays.n, state.rss})
			w.memory.rssMax = max(w.memory.rssMax, state.rss)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// applied takes down what every lane has by now; true once it is all.
func (w *sustained) applied(lanes []online.Lane, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := 0
	for number := range w.pending {
		low := int64(math.MaxInt64)
		for i := range lanes {
			at := int64(-1)
			if m, met := lanes[i].Watermarks[online.Partition{Source: "payments", Generation: 1, Number: int32(number)}]; met {
				at = m.Offset
			}
			low = min(low, at)
		}
		list, n := w.pending[number], 0
		slices.SortFunc(list, func(a, b pending) int { return int(a.last - b.last) })
		for n < len(list) && list[n].last <= low {
			w.delays.add(now.Sub(list[n].due), list[n].n)
			n++
		}
		w.pending[number] = list[n:]
		left += len(w.pending[number])
	}
	return left == 0 && w.ended
}
