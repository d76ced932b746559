package worker

import (
	"context"
	"sync"

	"github.com/freshet/freshet/featurestore/online"
)

// storeCalls are the applies of a chunk. One is under way while the next is
// folded, and no more: a call that waits in the store for others of a large chunk
// would run into its time limit, and what is then unknown is done again.
type storeCalls struct {
	view  *View
	group sync.WaitGroup
	calls []*storeCall
}

// storeCall is an apply: a batch a lane, and the works of each.
type storeCall struct {
	batches []online.Batch
	works   [][]*work
	results []online.Result
}

// start applies while the caller goes on, once the call before is answered.
func (c *storeCalls) start(ctx context.Context, call *storeCall) {
	c.group.Wait()
	c.calls = append(c.calls, call)
	c.group.Go(func() { call.results = c.view.send(ctx, call.batches) })
}

// call applies in this goroutine.
func (c *storeCalls) call(ctx context.Context, call *storeCall) {
	c.group.Wait()
	c.calls = append(c.calls, call)
	call.results = c.view.send(ctx, call.batches)
}

// wait gives all calls as one, once they are answered.
func (c *storeCalls) wait() (all storeCall) {
	c.group.Wait()
	for _, call := range c.calls {
		all.batches = append(all.batches, call.batches...)
		all.works = append(all.works, call.works...)
		all.results = append(all.results, call.results...)
	}
	return all
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
