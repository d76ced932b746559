package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

const (
	// flushKeys is how many keys one round trip asks for, about: a caller's keys
	// are never parted.
	flushKeys = 2048
	// waitingKeys bounds the queue; beyond it a read is refused at once.
	waitingKeys = 1 << 18
)

// reader lets reads of many callers share round trips: while those in flight
// are, the next gathers. A caller waits no longer than its context allows,
// whatever becomes of the round trip.
type reader struct {
	store   *Store
	timeout time.Duration // of a round trip, with all that it is sent again
	wake    chan struct{} // has a token where something may be waiting
	done    chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex
	waiting []*read
	keys    int // of all that wait
	stopped bool
}

// read is what one caller asks for. The round trip owns what stands below the keys
// until ready is closed.
type read struct {
	keys   []entityKey
	blobs  [][]byte
	states []online.State // of the keys' lanes, where they are asked for
	err    error
	ready  chan struct{}
}

// entityKey is a Redis key; its first tag bytes are its lane's. The lane's state is
// read with it where it is asked for.
type entityKey struct {
	key   string
	tag   int
	state bool
}

func startReader(s *Store, timeout time.Duration, pipelines int) *reader {
	r := &reader{store: s, timeout: timeout, wake: make(chan struct{}, 1), done: make(chan struct{})}
	for range pipelines {
		r.wg.Go(r.work)
	}
	return r
}

// stop refuses what waits, and returns once nothing is in flight.
func (r *reader) stop() {
	r.mu.Lock()
	r.stopped = true
	left := r.waiting
	r.waiting, r.keys = nil, 0
	r.mu.Unlock()
	for _, c := range left {
		c.err = errClosed()
		close(c.ready)
	}
	close(r.done)
	r.wg.Wait()
}

func errClosed() error { return featurestore.Unavailablef("the online store is closed") }

// get reads keys; blob and state i belong to keys[i].
func (r *reader) get(ctx context.Context, keys []entityKey) (*read, error) {
	c := &read{keys: keys, blobs: make([][]byte, len(keys)), states: make([]online.State, len(keys)), ready: make(chan struct{})}
	if err := r.enqueue(c); err != nil {
		return nil, err
	}
	select {
	case <-c.ready:
		return c, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *reader) enqueue(c *read) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return errClosed()
	}
	if r.keys > 0 && r.keys+len(c.keys) > waitingKeys {
		return featurestore.Unavailablef("%d keys wait to be read: the store is too slow for this load", r.keys)
	}
	r.waiting = append(r.waiting, c)
	r.keys += len(c.keys)
	r.signal()
	return nil
}

func (r *reader) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reader) work() {
	for {
		select {
		case <-r.done:
			return
		case <-r.wake:
			r.flush(r.take())
		}
	}
}

// take removes what the next round trip carries, and wakes another worker for
// the rest.
func (r *reader) take() []*read {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, keys := 0, 0
	for n < len(r.waiting) && keys < flushKeys {
		keys += len(r.waiting[n].keys)
		n++
	}
	taken := r.waiting[:n:n]
	r.waiting = r.waiting[n:]
	r.keys -= keys
	if len(r.waiting) == 0 {
		r.waiting = nil
	} else {
		r.signal()
	}
	return taken
}

// slot is where a key's blob goes.
type slot struct {
	read *read
	at   int
}

// laneRead is what one round trip asks of one lane.
type laneRead struct {
	slots []slot
	blobs *redis.SliceCmd
	meta  *redis.MapStringStringCmd // nil where nobody asks for the lane's state
}

// flush reads for several callers in one round trip: an MGET for each lane, so
// that it could be any node's.
func (r *reader) flush(reads []*read) {
	if len(reads) == 0 {
		return
	}
	lanes, asked := map[string]*laneRead{}, make([]*laneRead, 0, len(reads))
	for _, c := range reads {
		for i, k := range c.keys {
			lane := lanes[k.key[:k.tag]]
			if lane == nil {
				lane = &laneRead{}
				lanes[k.key[:k.tag]], asked = lane, append(asked, lane)
			}
			lane.slots = append(lane.slots, slot{c, i})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout*(readRetries+1)) // callers wait by their own
	defer cancel()
	sent := make([]routed, 0, 2*len(asked))
	for _, lane := range asked {
		sent = lane.ask(ctx, sent)
	}
	r.store.send(ctx, sent, false)
	for _, lane := range asked {
		lane.deliver()
	}
	for _, c := range reads {
		close(c.ready)
	}
}

// ask appends the commands that read a lane. What it says of itself comes after the
// blobs, and again where these are read again: a store that is emptied between the two
// has no lane any more when it is asked for it. A lane that was found empty would have
// to be made anew and filled between two commands of one pipeline to look whole.
func (l *laneRead) ask(ctx context.Context, sent []routed) []routed {
	args, state := make([]any, 1, 1+len(l.slots)), false
	args[0] = "mget"
	for _, s := range l.slots {
		k := &s.read.keys[s.at]
		args, state = append(args, k.key), state || k.state
	}
	l.blobs = redis.NewSliceCmd(ctx, args...)
	first := l.slots[0].read.keys[l.slots[0].at]
	sent = append(sent, routed{cmd: l.blobs, key: first.key, paired: state})
	if state {
		meta := first.key[:first.tag] + ":m"
		l.meta = redis.NewMapStringStringCmd(ctx, "hgetall", meta)
		sent = append(sent, routed{cmd: l.meta, key: meta})
	}
	return sent
}

func (l *laneRead) deliver() {
	values, err := l.blobs.Result()
	if err == nil && len(values) != len(l.slots) {
		err = featurestore.Unavailablef("MGET of %d keys gave %d values", len(l.slots), len(values))
	}
	state := online.StateMissing
	if l.meta != nil && err == nil {
		state, err = stateOf(l.meta)
	}
	for i, s := range l.slots {
		if err != nil {
			s.read.err = err
			continue
		}
		s.read.states[s.at] = state
		if v, ok := values[i].(string); ok {
			s.read.blobs[s.at] = []byte(v)
		}
	}
}

// stateOf is what a lane says of itself; one that is damaged is LOST, as in Lanes.
func stateOf(cmd *redis.MapStringStringCmd) (online.State, error) {
	fields, err := cmd.Result()
	if err != nil {
		return online.StateMissing, err
	}
	m, err := decodeMeta(fields)
	if errors.Is(err, online.ErrDamaged) {
		return online.StateLost, nil
	}
	return m.State, err
}
