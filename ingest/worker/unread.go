package worker

import (
	"context"
	"slices"
)

// lookAtUnread looks at the lanes of the views that this process does not read: no
// heart of its own beats for them, but it alone makes them anew and live. It is an
// errLost where their lanes are gone, or must be filled again.
func (w *Worker) lookAtUnread(ctx context.Context) error {
	for _, v := range w.unread() {
		if err := v.refresh(ctx); err != nil {
			return err
		}
		if !v.isFilled() {
			return errLost
		}
	}
	return nil
}

// unread are the filled views of which this arrangement reads no partition.
func (w *Worker) unread() []*View {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*View
	for _, id := range w.sorted() {
		r := w.views[id]
		read := slices.ContainsFunc(w.parts, func(p *partition) bool { return slices.Contains(p.views(), r.view) })
		if r.full && !read {
			out = append(out, r.view)
		}
	}
	return out
}
