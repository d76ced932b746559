package worker

import (
	"context"
	"errors"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// unknownError is about lanes whose state this version does not know. For whoever runs
// on them it is an errLost: the next arrangement leaves the view aside.
type unknownError struct{ err error }

func (e *unknownError) Error() string        { return e.err.Error() }
func (e *unknownError) Unwrap() error        { return e.err }
func (e *unknownError) Is(target error) bool { return target == errLost }

// storedLanes are the lanes of a generation as a store has them. It is an unknownError
// where some lane has a state that is not known.
func storedLanes(ctx context.Context, store online.Store, id online.Generation, lanes uint16) ([]online.Lane, error) {
	stored, err := store.Lanes(ctx, id, lanes)
	if err != nil {
		return nil, err
	}
	if err := online.Unknown(stored); err != nil {
		return nil, &unknownError{err}
	}
	return stored, nil
}

// aside is a generation that nothing is done with: what its lanes say may mean
// anything, also that nobody may write them.
type aside struct {
	why        error
	generation registry.Generation
}

// putAside leaves a generation aside where that is what an error is about. The caller
// holds w.mu.
func (w *Worker) putAside(id online.Generation, g registry.Generation, err error) bool {
	var unknown *unknownError
	if !errors.As(err, &unknown) {
		return false
	}
	if before := w.aside[id]; before.why == nil || before.why.Error() != unknown.Error() {
		w.c.Logger.Error("a view is left aside, and stands still; the others go on", "view", id.View, "generation", id.Number, "error", unknown)
	}
	w.aside[id] = aside{why: unknown, generation: g}
	delete(w.views, id)
	return true
}

// lookAtAside reports whether a generation that was left aside can be gone on with.
func (w *Worker) lookAtAside(ctx context.Context) (again bool, err error) {
	w.mu.Lock()
	left := map[online.Generation]uint16{}
	for id, a := range w.aside {
		left[id] = a.generation.Lanes
	}
	w.mu.Unlock()
	for id, lanes := range left {
		stored, err := w.c.Online.Lanes(ctx, id, lanes)
		if err != nil {
			return false, err
		}
		if online.Unknown(stored) == nil {
			return true, nil
		}
	}
	return false, nil
}

// buildsAside reports whether a generation that is being built is left aside: those of
// changed views come together. The caller holds w.mu.
func (w *Worker) buildsAside() bool {
	for _, a := range w.aside {
		if a.generation.State == registry.Building {
			return true
		}
	}
	return false
}

// asideConditions adds those that are left aside. The caller holds w.mu.
func (w *Worker) asideConditions(out map[online.Generation]Condition) {
	for id, a := range w.aside {
		out[id] = UnknownCondition(id.View, a.why)
	}
}

// UnknownCondition is that of a view of which a lane has a state that this version does
// not know.
func UnknownCondition(view string, why error) Condition {
	return Condition{State: conditionStale, Reason: why.Error(), Next: "run the newer version of freshet; where there is none: freshet backfill " + view}
}
