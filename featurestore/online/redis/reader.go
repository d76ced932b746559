package redis

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
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

// read is what one caller asks for. The round trip owns blobs and err until
// ready is closed.
type read struct {
	keys  []entityKey
	blobs [][]byte
	err   error
	ready chan struct{}
}

// entityKey is a Redis key; its first tag bytes are its lane's.
type entityKey struct {
	key string
	tag int
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

// get reads keys; blob i belongs to keys[i].
func (r *reader) get(ctx context.Context, keys []entityKey) ([][]byte, error) {
	c := &read{keys: keys, blobs: make([][]byte, len(keys)), ready: make(chan struct{})}
	if err := r.enqueue(c); err != nil {
		return nil, err
	}
	select {
	case <-c.ready:
		return c.blobs, c.err
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

// flush reads for several callers in one round trip: an MGET for each lane, so
// that it could be any node's.
func (r *reader) flush(reads []*read) {
	if len(reads) == 0 {
		return
	}
	lanes := map[string][]slot{}
	for _, c := range reads {
		for i, k := range c.keys {
			tag := k.key[:k.tag]
			lanes[tag] = append(lanes[tag], slot{c, i})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout*(readRetries+1)) // callers wait by their own
	defer cancel()
	sent := make([]routed, 0, len(lanes))
	cmds := make([]*redis.SliceCmd, 0, len(lanes))
	slots := make([][]slot, 0, len(lanes))
	for _, lane := range lanes {
		cmd := redis.NewSliceCmd(ctx, mget(lane)...)
		cmds, sent = append(cmds, cmd), append(sent, routed{cmd, lane[0].read.keys[lane[0].at].key})
		slots = append(slots, lane)
	}
	r.store.send(ctx, sent, false)
	for i, cmd := range cmds {
		deliver(slots[i], cmd)
	}
	for _, c := range reads {
		close(c.ready)
	}
}

// mget is the command that reads slots of one lane.
func mget(slots []slot) []any {
	args := make([]any, 1, 1+len(slots))
	args[0] = "mget"
	for _, s := range slots {
		args = append(args, s.read.keys[s.at].key)
	}
	return args
}

func deliver(slots []slot, cmd *redis.SliceCmd) {
	values, err := cmd.Result()
	if err == nil && len(values) != len(slots) {
		err = featurestore.Unavailablef("MGET of %d keys gave %d values", len(slots), len(values))
	}
	for i, s := range slots {
		if err != nil {
			s.read.err = err
		} else if v, ok := values[i].(string); ok {
			s.read.blobs[s.at] = []byte(v)
		}
	}
}
