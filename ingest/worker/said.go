package worker

import (
	"slices"

	"github.com/freshet/freshet/featurestore/online"
)

// ViewCounts are the counters of every running generation, by view and number.
func (w *Worker) ViewCounts() map[online.Generation]Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[online.Generation]Counts{}
	for id, r := range w.views {
		out[id] = r.view.Counts()
	}
	return out
}

// Reading are the partitions that this process reads now, in order.
func (w *Worker) Reading() []online.Partition {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []online.Partition
	for _, p := range w.parts {
		if p.begun.Load() {
			out = append(out, p.id())
		}
	}
	slices.SortFunc(out, online.Partition.Compare)
	return out
}

// Revision is the revision that the worker has picked up.
func (w *Worker) Revision() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.revision
}
