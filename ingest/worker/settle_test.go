package worker

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/freshet/freshet/featurestore/online"
)

// waiting is a store whose applies end when they are let go.
type waiting struct {
	online.Store
	leave chan struct{}
	under atomic.Int32
}

func (s *waiting) Apply(_ context.Context, batches []online.Batch) []online.Result {
	s.under.Add(1)
	<-s.leave
	s.under.Add(-1)
	out := make([]online.Result, len(batches))
	for i := range out {
		out[i] = online.Result{Outcome: online.OutcomeOK, Followed: batches[i].Lane.Lane%2 == 0}
	}
	return out
}

// As many calls are under way as have the writes of a large one together; a larger one
// is alone. All answers are there in the end, in the order of the calls.
func TestStoreCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &waiting{leave: make(chan struct{})}
		v := &View{store: s}
		calls := newStoreCalls(v)
		call := func(lane, writes int) *storeCall {
			v.written.add(online.Batch{Lane: online.LaneID{Lane: uint16(lane)}}, make([]*work, writes))
			return v.written.since(lane)
		}
		done := make(chan storeCall)
		go func() {
			for lane, writes := range []int{mostOfCall / 2, mostOfCall / 2, 1, mostOfCall + 5, 2} {
				calls.start(t.Context(), call(lane, writes))
			}
			calls.call(t.Context(), call(5, 3))
			done <- calls.wait()
		}()
		for i, want := range []int32{2, 2, 1, 1, 2, 1} {
			synctest.Wait()
			if got := s.under.Load(); got != want {
				t.Errorf("after %d answers %d calls are under way, want %d", i, got, want)
			}
			s.leave <- struct{}{}
		}
		all := <-done
		if len(all.results) != 6 || s.under.Load() != 0 || !calls.room.TryAcquire(mostOfCall) {
			t.Fatalf("%d answers, %d calls under way, or room that is not given back", len(all.results), s.under.Load())
		}
		for i, r := range all.results {
			if lane := all.batches[i].Lane.Lane; int(lane) != i || r.Outcome != online.OutcomeOK || r.Followed != (i%2 == 0) {
				t.Errorf("call %d: lane %d, %+v", i, lane, r)
			}
		}
	})
}
