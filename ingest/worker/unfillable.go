package worker

import (
	"cmp"

	"github.com/freshet/freshet/featurestore/online"
)

// Unfillable are the generations that history cannot fill, with this revision
// and this process: waiting for them is in vain. The log says why.
func (w *Worker) Unfillable() []online.Generation {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []online.Generation
	for _, id := range w.sorted() {
		if w.views[id].broken {
			out = append(out, id)
		}
	}
	return out
}

// Troubles say why generations do not get on, as far as this process knows.
func (w *Worker) Troubles() map[online.Generation]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[online.Generation]string{}
	for id, r := range w.views {
		if why := cmp.Or(r.why, r.waits); why != "" {
			out[id] = why
		}
	}
	return out
}
