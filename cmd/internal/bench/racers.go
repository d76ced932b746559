//go:build unix

package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	redisstore "github.com/freshet/freshet/featurestore/online/redis"
)

// ours is the product's ingester, a process of its own.
type ours struct {
	services   *services
	program    string
	topic      string
	partitions int
	last       *lastOffsets
	store      *redisstore.Store
	project    *ingester // of the last start
}

func (o *ours) start(ctx context.Context) (*child, error) {
	if err := o.services.wipe(ctx); err != nil {
		return nil, err
	}
	var err error
	if o.project, err = newIngester(ctx, o.services, o.topic); err != nil {
		return nil, err
	}
	if err := o.project.start(o.program); err != nil {
		return nil, err
	}
	return o.project.process, nil
}

// progress goes by the watermarks. It is all once each lane has what it shall have;
// until the first has, it alone is asked: to ask all costs Redis time.
func (o *ours) progress(ctx context.Context) (events int64, done bool, err error) {
	if events, done, err = o.lanes(ctx, 1); done {
		return o.lanes(ctx, online.DefaultLanes)
	}
	return events, done, err
}

// lanes says how far some of the lanes are.
func (o *ours) lanes(ctx context.Context, n uint16) (events int64, done bool, err error) {
	lanes, err := o.store.Lanes(ctx, generationOf(1), n)
	if err != nil {
		return 0, false, err
	}
	done = true
	for number := range o.partitions {
		p := online.Partition{Source: "payments", Generation: 1, Number: int32(number)}
		through := int64(-1)
		for lane := range lanes {
			at := int64(-1)
			if w, met := lanes[lane].Watermarks[p]; met {
				at = w.Offset
			}
			through = max(through, at)
			done = done && at >= o.last.offsets[number][lane]
		}
		events += through + 1
	}
	return events, done, nil
}

// lastOffsets are the last offset of each lane in each partition, and the ends.
type lastOffsets struct {
	offsets [][]int64
	ends    []int64
}

func lastOffsetsOf(s *stream, keys [][]byte, partitions int) *lastOffsets {
	l := &lastOffsets{offsets: make([][]int64, partitions), ends: make([]int64, partitions)}
	for p := range l.offsets {
		l.offsets[p] = make([]int64, online.DefaultLanes)
		for i := range l.offsets[p] {
			l.offsets[p][i] = -1
		}
	}
	for _, user := range s.users {
		p := partitionOf(user, partitions)
		l.offsets[p][codec.Lane(keys[user], online.DefaultLanes)] = l.ends[p]
		l.ends[p]++
	}
	return l
}

// layout is an opponent: this program, run as a process that reads the same topic
// and lays its state out in another way.
type layout struct {
	services   *services
	name       string
	topic      string
	partitions int
	events     int64 // at which it ends
	whole      bool  // they are all that the topic has
	blob       int   // bytes of what it writes for a key, where it writes blobs
}

func (l *layout) start(ctx context.Context) (*child, error) {
	if err := l.services.wipe(ctx); err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	share := l.events/int64(l.partitions) + 1
	if l.whole {
		share = math.MaxInt64
	}
	return startChild(program, layoutCommand, l.name, l.services.broker.Addr(), l.services.server.Addr(), l.topic, strconv.Itoa(l.partitions), strconv.FormatInt(share, 10), strconv.Itoa(l.blob))
}

func (l *layout) progress(ctx context.Context) (events int64, done bool, err error) {
	at, err := l.services.redis.HGetAll(ctx, layoutProgress).Result()
	if err != nil {
		return 0, false, err
	}
	for _, text := range at {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, false, fmt.Errorf("progress %q: %w", text, err)
		}
		events += n
	}
	return events, events >= l.events, nil
}
