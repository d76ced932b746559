package worker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
)

// fills are the fills of an arrangement, one after the other. One that has to wait for
// a part does so by itself: partitions go on, and the others have their turn.
type fills struct {
	w     *Worker
	done  chan error
	under bool
	said  string               // why the last one waits
	since featurestore.Instant // when the next one began to wait
	wait  time.Duration        // for so long; 0 before one had to
}

// How long a fill waits that has found a part away, at least and at most.
const (
	leastFillWait = 200 * time.Millisecond
	mostFillWait  = 5 * time.Second
)

func newFills(w *Worker) *fills { return &fills{w: w, done: make(chan error, 1)} }

// start begins the next one, where none is under way and it is time for one.
func (f *fills) start(ctx context.Context) {
	if f.under || !passed(f.w.c.Now(), f.since, f.wait) {
		return
	}
	if views := f.w.unfilled(); len(views) > 0 {
		f.under = true
		go func() { f.done <- f.w.fill(ctx, views[0]) }()
	}
}

// stop ends the fill that is under way.
func (f *fills) stop(cancel context.CancelFunc) {
	if !f.under {
		return
	}
	cancel()
	if err := <-f.done; err != nil && !errors.Is(err, context.Canceled) {
		f.w.c.Logger.Warn("filling a generation was interrupted", "error", err)
	}
}

// ended reports whether the arrangement goes on as it is after a fill.
func (f *fills) ended(ctx context.Context, err error) (goesOn bool) {
	f.under = false
	if !errors.Is(err, featurestore.ErrUnavailable) || ctx.Err() != nil {
		return false
	}
	if f.said != err.Error() {
		f.said = err.Error()
		f.w.c.Logger.Warn("a fill waits for a part that is not available", "error", err)
	}
	f.since, f.wait = f.w.c.Now(), min(max(2*f.wait, leastFillWait), mostFillWait)
	return true
}

// unfilled are the generations that are not filled yet and may be: first those that
// lookups wait for, and last those that have found a part away.
func (w *Worker) unfilled() []*View {
	w.mu.Lock()
	defer w.mu.Unlock()
	var wait []*running
	for _, id := range w.sorted() {
		if r := w.views[id]; !r.full && !r.broken {
			wait = append(wait, r)
		}
	}
	slices.SortStableFunc(wait, func(a, b *running) int {
		return cmp.Or(cmp.Compare(a.tries, b.tries), cmp.Compare(a.urgency(), b.urgency()))
	})
	out := make([]*View, len(wait))
	for i, r := range wait {
		out[i] = r.view
	}
	return out
}

// urgency is 0 for the generation that answers, more for one that is kept, and most for
// one that is new.
func (r *running) urgency() int {
	switch r.state {
	case registry.Live:
		return 0
	case registry.Standby:
		return 1
	}
	return 2
}
