package worker

import "github.com/freshet/freshet/featurestore/online"

// Rereading is how far fields are read again for a generation.
type Rereading struct {
	Files, OfFiles int
	Rows, OfRows   int64
}

// sayRereading notes how far fields are read again for a generation; nil is not at all.
func (w *Worker) sayRereading(id online.Generation, at *Rereading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.views[id]; ok {
		r.rereading = at
	}
}

// Rereading says for which generations fields are being read again.
func (w *Worker) Rereading() map[online.Generation]Rereading {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[online.Generation]Rereading{}
	for id, r := range w.views {
		if r.rereading != nil {
			out[id] = *r.rereading
		}
	}
	return out
}
