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
	entered chan struct{}
	leave   chan struct{}
	under   atomic.Int32
}

func (s *waiting) Apply(_ context.Context, batches []online.Batch) []online.Result {
	s.under.Add(1)
	s.entered <- struct{}{}
	<-s.leave
	s.under.Add(-1)
	out := make([]online.Result, len(batches))
	for i := range out {
		out[i] = online.Result{Outcome: online.OutcomeOK, Followed: batches[i].Lane.Lane%2 == 0}
	}
	return out
}

// A store has the next call at hand while it works on one, and not a third; all answers
// are there in the end, in the order of the calls.
func TestStoreCalls(t *testing.T) {
	s := &waiting{entered: make(chan struct{}, 8), leave: make(chan struct{})}
	calls := newStoreCalls(&View{store: s})
	call := func(lane uint16) *storeCall {
		return &storeCall{batches: []online.Batch{{Lane: online.LaneID{Lane: lane}}}, works: [][]*work{nil}}
	}
	calls.start(t.Context(), call(0))
	calls.start(t.Context(), call(1))
	<-s.entered
	<-s.entered
	third := make(chan struct{})
	go func() {
		calls.start(t.Context(), call(2))
		close(third)
	}()
	select {
	case <-third:
		t.Fatal("a third call is under way")
	case <-s.entered:
		t.Fatal("a third call has come to the store")
	case s.leave <- struct{}{}:
	}
	<-third
	<-s.entered
	go func() {
		for range 3 {
			s.leave <- struct{}{}
		}
	}()
	calls.call(t.Context(), call(3))
	all := calls.wait()
	if len(all.results) != 4 || s.under.Load() != 0 {
		t.Fatalf("%d answers, %d calls under way", len(all.results), s.under.Load())
	}
	for i, r := range all.results {
		if lane := all.batches[i].Lane.Lane; int(lane) != i || r.Outcome != online.OutcomeOK || r.Followed != (i%2 == 0) {
			t.Errorf("call %d: lane %d, %+v", i, lane, r)
		}
	}
}

// However many calls are started, the store has two at once, and a third only of the
// caller itself.
func TestStoreCallsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &waiting{entered: make(chan struct{}, 8), leave: make(chan struct{})}
		calls := newStoreCalls(&View{store: s})
		go func() {
			for lane := range uint16(5) {
				calls.start(t.Context(), &storeCall{batches: []online.Batch{{Lane: online.LaneID{Lane: lane}}}, works: [][]*work{nil}})
			}
			calls.call(t.Context(), &storeCall{batches: []online.Batch{{Lane: online.LaneID{Lane: 5}}}, works: [][]*work{nil}})
		}()
		for _, want := range []int32{2, 2, 2, 3, 2, 1} {
			synctest.Wait()
			if got := s.under.Load(); got != want {
				t.Errorf("%d calls are under way, want %d", got, want)
			}
			s.leave <- struct{}{}
		}
		synctest.Wait()
	})
}
