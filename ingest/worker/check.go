package worker

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
)

// checkEntities is how many entities of a generation are compared with an
// independent fold before it takes over.
const checkEntities = 200

// held reports whether the newest revision has a changed view whose generation
// is broken: then the other changed views do not take over either, so that the
// revision before goes on answering, whole.
func (a *arrangement) held() bool {
	live := map[string]registry.Generation{}
	for _, v := range a.views {
		if v.generation.State == registry.Live {
			live[v.view.Name] = v.generation
		}
	}
	for _, g := range a.broken {
		v := a.current.StreamView(g.View)
		if v != nil && v.Hash == g.Hash && live[g.View].Hash != g.Hash {
			return true
		}
	}
	return false
}

// sameAsLive reports whether a generation has the meaning of its view's live one.
// The caller holds w.mu.
func (w *Worker) sameAsLive(r *running) bool {
	for _, o := range w.views {
		if o.state == registry.Live && o.view.Name() == r.view.Name() {
			return o.view.view.Hash == r.view.view.Hash
		}
	}
	return false
}

// unchecked is a generation that is filled and has caught up, and that nobody
// has compared yet; nil for none.
func (w *Worker) unchecked() *running {
	now := w.c.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.sorted() {
		r := w.views[id]
		if r.state == registry.Building && r.full && !r.checked && !r.broken && now >= r.recheck && w.caughtUp(r) {
			return r
		}
	}
	return nil
}

// check compares a sample of a generation with what history and log say, before
// it answers. One that differs never does: the registry calls it BROKEN, and the
// generation before stays live.
func (w *Worker) check(ctx context.Context, r *running) {
	v := r.view
	x, err := w.examine(ctx, v, sampling{rank: func(hash uint64) uint64 { return hash }, whole: math.MaxUint64, least: checkEntities, most: checkEntities})
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, errLost), errors.Is(err, featurestore.ErrUnavailable):
		w.c.Logger.Warn("a generation could not be checked yet", "view", v.Name(), "generation", v.ID().Number, "error", err)
		w.checkLater(r, err)
	case err != nil:
		w.lacking(r, err)
		w.c.Logger.Error("a generation cannot be checked, and does not take over", "view", v.Name(), "generation", v.ID().Number, "error", err)
		w.checkLater(r, err)
	case len(x.Findings) > 0:
		w.breakOff(ctx, r, x)
	default:
		w.c.Logger.Info("a generation was checked against history", "view", v.Name(), "generation", v.ID().Number, "entities", x.Entities, "records", x.Rows, "with_dead_letters", x.Counted)
		w.mu.Lock()
		r.checked, r.lacks, r.why = true, false, ""
		w.mu.Unlock()
	}
}

func (w *Worker) checkLater(r *running, why error) {
	at := after(w.c.Now(), choreAgain)
	w.mu.Lock()
	defer w.mu.Unlock()
	r.recheck, r.why = at, why.Error()
}

// lacking notes that a generation waits for what was at rest, where that is why.
func (w *Worker) lacking(r *running, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.lacks = errors.As(err, new(*MissingError))
}

// breakOff calls a generation broken.
func (w *Worker) breakOff(ctx context.Context, r *running, x *examined) {
	v, first := r.view, x.Findings[0]
	reason := fmt.Sprintf("%d of %d compared entities are not what their records say; the one with key hash %016x: %v", len(x.Findings), x.Entities, xxh3.HashString(first.key), first.reason)
	if text := x.otherwiseText(); text != "" {
		reason += "; " + text
	}
	w.c.Logger.Error("a generation is broken and does not take over", "view", v.Name(), "generation", v.ID().Number, "error", reason)
	step := registry.Step{View: v.Name(), Number: v.ID().Number, State: registry.Broken, Reason: reason, At: w.c.Now()}
	if err := w.c.Registry.SetState(ctx, step); err != nil {
		w.c.Logger.Warn("the registry was not told that a generation is broken: it is checked again", "view", v.Name(), "generation", v.ID().Number, "error", err)
		w.checkLater(r, err)
	}
}
