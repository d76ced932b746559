package watch

import (
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// Lanes that stand lower than they were seen have lost something, until they are
// there again; a lane that meets another partition, or a generation that is built
// anew, has not.
func TestLanesThatFell(t *testing.T) {
	clicks, orders := online.Partition{Source: "clicks", Generation: 1}, online.Partition{Source: "orders", Generation: 1}
	id := online.Generation{Project: "p", View: "v", Number: 1}
	w := &Watcher{reached: map[online.Generation]reach{}}
	state := online.StateLive
	lanes := func(offsets ...map[online.Partition]int64) []online.Lane {
		var out []online.Lane
		for _, m := range offsets {
			l := online.Lane{Meta: online.Meta{State: state}, Watermarks: map[online.Partition]online.Watermark{}}
			for p, o := range m {
				l.Watermarks[p] = online.Watermark{Offset: o}
			}
			out = append(out, l)
		}
		return out
	}
	of := func(c, o int64) map[online.Partition]int64 { return map[online.Partition]int64{clicks: c, orders: o} }
	for i, step := range []struct {
		state  online.State
		lanes  []map[online.Partition]int64
		behind bool
	}{
		{online.StateLive, []map[online.Partition]int64{{clicks: -1}, {clicks: 5}}, false},
		{online.StateLive, []map[online.Partition]int64{of(7, 0), {clicks: 9}}, false},
		{online.StateLive, []map[online.Partition]int64{of(7, 0), of(9, 3)}, false},
		{online.StateLive, []map[online.Partition]int64{of(7, 0), of(8, 3)}, true},
		{online.StateHalted, []map[online.Partition]int64{of(7, 0), {clicks: 12}}, true},
		{online.StateLive, []map[online.Partition]int64{of(7, 0), of(9, 4)}, false},
		{online.StateLive, []map[online.Partition]int64{of(7, 0), of(9, 3)}, true},
		{online.StateBuilding, []map[online.Partition]int64{{}, {clicks: 1}}, false},
		{online.StateLive, []map[online.Partition]int64{of(2, 0), of(2, 0)}, false},
	} {
		state = step.state
		if got := w.behind(id, lanes(step.lanes...)); got != step.behind {
			t.Errorf("step %d: behind is %t, want %t", i, got, step.behind)
		}
	}
	w.forget(map[online.Generation]bool{})
	if len(w.reached) > 0 {
		t.Error("a generation that does not answer is remembered")
	}
}
