package worker

import (
	"context"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// gone reports whether the log that a partition was read from is no longer there:
// what was applied of it and is not at rest is lost to whatever is folded again.
func (w *Worker) gone(p online.Partition) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, read := w.logs[p.Source]
	return read && p.Generation < now
}

// lost gives, of the partitions whose log is gone, the last offset at rest, where
// more than that was applied.
func (w *Worker) lost(ctx context.Context, s *definition.StreamSource, through map[online.Partition]int64) (map[online.Partition]int64, error) {
	gone := map[online.Partition]int64{}
	for p, to := range through {
		if w.gone(p) {
			gone[p] = to
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	reached, err := w.atRest(ctx, s, gone)
	for p, to := range gone {
		if reached[p] >= to {
			delete(reached, p)
		}
	}
	return reached, err
}

// beyond reports whether an entity has records that nothing else has any more: it
// cannot be judged, and is right as far as anybody knows.
func (x *examination) beyond(s *storedEntity) bool {
	for _, a := range s.state.Applied {
		if p, ok := x.partition(a.PartitionID); ok {
			if rest, lost := x.lost[p]; lost && a.Offset > rest {
				return true
			}
		}
	}
	return false
}
