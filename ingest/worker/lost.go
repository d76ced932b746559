package worker

import (
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
