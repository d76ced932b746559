//go:build unix

package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// pace is an open loop: events are due evenly, whether those before have arrived
// or not. Every event's time counts from when it was due.
type pace struct {
	rate       float64 // events a second
	length     time.Duration
	partitions int
	probeEvery int // one event in so many is a probe; 0: none
}

// tick is how often the events that are due go out. At a high rate that is seldomer, as
// with Kafka's own producer, which gathers for 5 ms where nothing else is said: to send
// each few events takes the broker and whoever sends more than the events do.
func (p *pace) tick() time.Duration {
	if p.rate > 10_000 {
		return 4 * time.Millisecond
	}
	return 2 * time.Millisecond
}

// due are the events of one tick and partition.
type due struct {
	at     time.Time
	users  []int32
	probes []int32 // of those users, the ones that are probes
}

// probeUsers are the users of probes; their numbers follow those of the others.
const probeUsers = 2000

// run calls send for what is due, in order for each partition; a partition that
// is behind sends what has gathered, one tick after the other.
func (p *pace) run(ctx context.Context, send func(ctx context.Context, partition int, d []due) error) error {
	queues := make([]dueQueue, p.partitions)
	group, ctx := errgroup.WithContext(ctx)
	for i := range queues {
		queues[i].wake = make(chan struct{}, 1)
		group.Go(func() error {
			for {
				list, ended := queues[i].take(ctx)
				if len(list) == 0 && ended {
					return ctx.Err()
				}
				if len(list) > 0 {
					if err := send(ctx, i, list); err != nil {
						return err
					}
				}
			}
		})
	}
	group.Go(func() error {
		p.schedule(ctx, queues)
		return nil
	})
	return group.Wait()
}

// schedule draws the events of each tick, then ends the queues.
func (p *pace) schedule(ctx context.Context, queues []dueQueue) {
	r := rand.New(rand.NewPCG(6, uint64(p.rate)))
	every := p.tick()
	timer := time.NewTimer(0) // a ticker that was late once would be early ever after
	defer timer.Stop()
	<-timer.C
	begin, sent, probes := time.Now(), 0, 0
	for at := begin; at.Sub(begin) < p.length && ctx.Err() == nil; {
		at = at.Add(every)
		if wait := time.Until(at); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		list := make([]due, len(queues))
		for n := int(p.rate * at.Sub(begin).Seconds()); sent < n; sent++ {
			user := int32(r.IntN(eventKeys))
			probe := p.probeEvery > 0 && sent%p.probeEvery == p.probeEvery/2
			if probe {
				user = int32(eventKeys + probes%probeUsers)
				probes++
			}
			d := &list[partitionOf(user, len(queues))]
			d.at = at
			d.users = append(d.users, user)
			if probe {
				d.probes = append(d.probes, user)
			}
		}
		for i := range list {
			if len(list[i].users) > 0 {
				queues[i].put(list[i])
			}
		}
	}
	for i := range queues {
		queues[i].end()
	}
}

// dueQueue holds what is due and not sent. It has no bound: an open loop does not
// wait; it ends with the pace.
type dueQueue struct {
	mu    sync.Mutex
	list  []due
	ended bool
	wake  chan struct{}
}

func (q *dueQueue) put(d due) {
	q.mu.Lock()
	q.list = append(q.list, d)
	q.mu.Unlock()
	q.signal()
}

func (q *dueQueue) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.signal()
}

func (q *dueQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *dueQueue) take(ctx context.Context) (list []due, ended bool) {
	select {
	case <-q.wake:
	case <-ctx.Done():
		return nil, true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	list, q.list = q.list, nil
	if q.ended {
		q.signal()
	}
	return list, q.ended
}

// producer sends what is due to a topic. What it needs for that it uses again: who makes
// the load has the processors together with what is measured.
type producer struct {
	services *services
	topic    string
	sent     func(partition int, last int64, d []due) // once it is acknowledged
	buffers  []sendBuffer                             // of each partition
}

type sendBuffer struct {
	records    []logrecord.Record
	text, when []byte
}

func (p *producer) send(ctx context.Context, partition int, list []due) error {
	n := 0
	for i := range list {
		n += len(list[i].users)
	}
	b := &p.buffers[partition]
	b.records, b.text = b.records[:0], slices.Grow(b.text[:0], n*eventBytes)
	for i := range list {
		at := list[i].at.UnixMilli()
		b.when = appendTime(b.when[:0], at)
		for k, user := range list[i].users {
			start := len(b.text)
			e := eventFields{user: user, amount: int32(k), at: at, when: b.when}
			b.text = e.appendJSON(b.text)
			b.records = append(b.records, logrecord.Record{LogTime: featurestore.LogTime(at * 1000), Value: b.text[start:]})
		}
	}
	base, err := p.services.log.Produce(ctx, p.topic, int32(partition), b.records)
	if err == nil {
		p.sent(partition, base+int64(n)-1, list)
	}
	return err
}

// newProducer sends to a topic of so many partitions; sent is told what stands there.
func newProducer(s *services, topic string, partitions int, sent func(partition int, last int64, d []due)) *producer {
	return &producer{services: s, topic: topic, sent: sent, buffers: make([]sendBuffer, partitions)}
}
