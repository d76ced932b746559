package worker

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/freshet/freshet/featurestore/online"
)

// storeCalls are the applies of a chunk. Small ones are under way together, so that the
// store has the next at hand when it has done one; of large ones each waits for the one
// before. A call that waits in the store for much else would run into its time limit, and
// what is then unknown is done again. They are of different lanes, so that their order
// does not matter.
type storeCalls struct {
	view  *View
	group sync.WaitGroup
	calls []*storeCall
	room  *semaphore.Weighted // writes under way: all together have as many as one may have, at most
}

func newStoreCalls(v *View) *storeCalls {
	return &storeCalls{view: v, room: semaphore.NewWeighted(mostOfCall)}
}

// enter waits until a call may be under way. Those that are end by themselves where
// their context does.
func (c *storeCalls) enter(call *storeCall) {
	_ = c.room.Acquire(context.Background(), call.weight()) // there is no other error
	c.calls = append(c.calls, call)
}

func (c *storeCalls) send(ctx context.Context, call *storeCall) {
	defer c.room.Release(call.weight())
	call.results = c.view.send(ctx, call.batches)
}

// storeCall is an apply: a batch a lane, and the works of each.
type storeCall struct {
	batches []online.Batch
	works   [][]*work
	results []online.Result
}

// weight is how many entities it writes; one that is larger than most is alone.
func (c *storeCall) weight() int64 {
	n := 0
	for _, works := range c.works {
		n += len(works)
	}
	return int64(min(n, mostOfCall))
}

// written is the memory of what is sent of a chunk, which is used again for the next:
// for a small one it would be most of what is left to the garbage collector.
type written struct {
	batches []online.Batch
	works   [][]*work
	writes  []online.Write
	keys    []byte
	prints  []online.Fingerprint
	results []online.Result
}

// mostWritten is of how many writes the memory is kept; those of a large chunk beyond
// have their own.
const mostWritten = 1 << 12

// averageKey is about how long keys are, in bytes.
const averageKey = 32

// reset gives up what was sent.
func (m *written) reset() {
	clear(m.batches)
	clear(m.writes)
	m.batches, m.works, m.writes, m.keys, m.prints = m.batches[:0], m.works[:0], m.writes[:0], m.keys[:0], m.prints[:0]
}

// add adds a lane's batch.
func (m *written) add(b online.Batch, works []*work) {
	m.batches, m.works = append(m.batches, b), append(m.works, works)
}

// since is a call of what was added since there were so many batches.
func (m *written) since(n int) *storeCall {
	return &storeCall{batches: m.batches[n:len(m.batches):len(m.batches)], works: m.works[n:len(m.works):len(m.works)]}
}

// room is for so many writes.
func (m *written) room(n int) []online.Write {
	start := len(m.writes)
	if start+n > mostWritten {
		return make([]online.Write, n)
	}
	m.writes = append(m.writes, make([]online.Write, n)...)
	return m.writes[start:len(m.writes):len(m.writes)]
}

// printRoom is for the fingerprints of a lane's watermark.
func (m *written) printRoom() []online.Fingerprint {
	const most = maxPrints + 1
	start := len(m.prints)
	m.prints = slices.Grow(m.prints, most)[:start+most]
	return m.prints[start : start : start+most]
}

// key is an entity's key in bytes.
func (m *written) key(key string) []byte {
	if len(m.keys) > mostWritten*averageKey {
		return []byte(key)
	}
	start := len(m.keys)
	m.keys = append(m.keys, key...)
	return m.keys[start:len(m.keys):len(m.keys)]
}

// start applies while the caller goes on, once it may be under way.
func (c *storeCalls) start(ctx context.Context, call *storeCall) {
	c.enter(call)
	c.group.Go(func() { c.send(ctx, call) })
}

// call applies in this goroutine.
func (c *storeCalls) call(ctx context.Context, call *storeCall) {
	c.enter(call)
	c.send(ctx, call)
}

// wait gives all calls as one, once they are answered: they are what was written since
// that was reset, in this order.
func (c *storeCalls) wait() storeCall {
	c.group.Wait()
	m := &c.view.written
	clear(m.results)
	m.results = m.results[:0]
	for _, call := range c.calls {
		m.results = append(m.results, call.results...)
	}
	return storeCall{batches: m.batches, works: m.works, results: m.results}
}

// settle acts on the store's answers, lane by lane: again says that some lanes
// must be folded once more, on fresh blobs.
func (v *View) settle(ctx context.Context, c *Chunk, call *storeCall) (again bool, err error) {
	lost := map[uint16]bool{}
	var refused error
	for i, r := range call.results {
		lane, works := call.batches[i].Lane.Lane, call.works[i]
		switch r.Outcome {
		case online.OutcomeOK:
			v.counts.Batches++
			v.lanes.set(lane, c.Partition, call.batches[i].To, len(works) > 0)
			v.acknowledge(&call.batches[i], works, r)
		case online.OutcomeVersion:
			if v.holds(lane) { // the rows of what it holds are gone
				lost[lane], v.cache.left[lane] = true, true
				v.forget(works)
				continue
			}
			v.remember(c, works)
			v.forget(works)
			again = true
		case online.OutcomeDefinition:
			// The lanes say whether they are gone or another definition's. What the
			// others have answered is not taken over.
			v.cache.clear()
			return false, v.rewind(ctx, c.Partition)
		case online.OutcomeWatermark, online.OutcomeUnknown:
			// The fate of the lane is read from the store; what was cached of it is not trusted.
			lost[lane] = true
			v.forget(works)
			if r.Outcome == online.OutcomeUnknown {
				v.counts.Unknown++
			}
		case online.OutcomeRefused:
			// Nothing has changed there; what was folded for it is not stored.
			v.counts.Refused++
			refused = r.Err
			v.forget(works)
		}
	}
	switch {
	case len(lost) > 0:
		v.cache.dropLanes(lost)
		return false, v.rewind(ctx, c.Partition)
	case refused != nil:
		return false, refused // the caller waits before it begins again
	}
	return again, nil
}

// rewind takes the store's watermarks for true and asks for the partition from
// the lowest of them. Errors of the store stay errors: the caller waits and
// tries again from the start.
func (v *View) rewind(ctx context.Context, p online.Partition) error {
	v.counts.Rewinds++
	delete(v.fed, p)
	if err := v.reload(ctx); err != nil {
		return err
	}
	return &rewindError{Offset: v.lanes.lowest(p)}
}
