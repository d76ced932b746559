package watch

import (
	"maps"
	"math"

	"github.com/freshet/freshet/featurestore/online"
)

// reach is how far lanes have been seen, by partition and lane; math.MinInt64
// where a lane had not met the partition.
type reach map[online.Partition][]int64

// fell reports whether some lane stands lower than it was seen before: watermarks
// only rise, so that the store has lost acknowledged writes. Until they are applied
// again an answer may be older than one that was given. Where nothing fell, the
// lanes are what is remembered.
func (r reach) fell(lanes []online.Lane) bool {
	for p, seen := range r {
		for i := range lanes {
			if i < len(seen) && at(&lanes[i], p) < seen[i] {
				return true
			}
		}
	}
	for i := range lanes {
		for p := range lanes[i].Watermarks {
			if len(r[p]) != len(lanes) {
				r[p] = nothing(len(lanes))
			}
			r[p][i] = at(&lanes[i], p)
		}
	}
	return false
}

func at(l *online.Lane, p online.Partition) int64 {
	if m, met := l.Watermarks[p]; met {
		return m.Offset
	}
	return math.MinInt64
}

func nothing(lanes int) []int64 {
	out := make([]int64, lanes)
	for i := range out {
		out[i] = math.MinInt64
	}
	return out
}

// behind reports whether a generation has lost something that it was seen to
// have. One that does not answer is built anew: what it had is forgotten.
func (w *Watcher) behind(id online.Generation, lanes []online.Lane) bool {
	if state := online.Worst(lanes); state != online.StateLive && state != online.StateHalted {
		delete(w.reached, id)
		return false
	}
	r := w.reached[id]
	if r == nil {
		r = reach{}
		w.reached[id] = r
	}
	return r.fell(lanes)
}

// forget drops what is remembered of generations that do not answer any more.
func (w *Watcher) forget(answer map[online.Generation]bool) {
	maps.DeleteFunc(w.reached, func(id online.Generation, _ reach) bool { return !answer[id] })
}
