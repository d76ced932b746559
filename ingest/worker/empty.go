package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// laneOfAnother is a lane that is there and has another definition; nil for none.
func laneOfAnother(lanes []online.Lane, hash [16]byte) *online.Lane {
	for i := range lanes {
		if m := lanes[i].Meta; m.Lanes > 0 && m.Definition != hash {
			return &lanes[i]
		}
	}
	return nil
}

// refuse calls a generation broken whose number the store knows under another
// definition: the registry has gone back to an older copy, or another project of
// this name uses the store. Nothing of it is touched, and the next generation has
// another number.
func (w *Worker) refuse(ctx context.Context, id online.Generation, l *online.Lane, mine share) error {
	if !mine.leads() {
		return nil // it is told by the registry
	}
	reason := fmt.Sprintf("the online store has a generation %d of view %q with another definition (%x): the registry is an older copy, or another project of this name uses the store; freshet backfill %s makes the next one", id.Number, id.View, l.Meta.Definition, id.View)
	w.c.Logger.Error("a generation cannot be made", "view", id.View, "generation", id.Number, "error", reason)
	return w.c.Registry.SetState(ctx, registry.Step{View: id.View, Number: id.Number, State: registry.Broken, Reason: reason, At: w.c.Now()})
}

// openEmpty opens a live generation of which the store holds nothing: where there
// is no history to fill it from, the logs are its beginning. It answers at once only
// where these hold nothing yet: a store that was emptied before anything was at rest
// looks the same, and what it answered would be less than what it had answered.
func (w *Worker) openEmpty(ctx context.Context, r *running, lost bool) error {
	if err := w.whole(ctx, r.view.view); errors.As(err, new(*MissingError)) || errors.Is(err, featurestore.ErrInvalid) {
		return nil // its fill says so
	} else if err != nil {
		return err
	}
	rest, err := w.somethingAtRest(ctx, r.view)
	if rest || errors.Is(err, featurestore.ErrInvalid) {
		return nil // its fill says so, and is the end of that generation only
	}
	if err != nil {
		return err
	}
	for _, b := range r.view.view.Bindings {
		if !lost && w.c.Group != nil { // an embedded log is this process's own, and so is what it tells
			if lost, err = w.recorded(ctx, b.Source); err != nil {
				return err
			}
		}
	}
	state := online.StateLive
	if lost {
		state = online.StateCatchingUp
	}
	if err := r.view.setState(ctx, state, online.StateBuilding); err != nil {
		return err
	}
	// Meanwhile another process may have led, made the lanes anew, and put to rest what it
	// had applied before: they are to be filled then.
	if rest, err = w.somethingAtRest(ctx, r.view); rest || err != nil {
		return errors.Join(err, r.view.setState(ctx, online.StateBuilding, online.StateLive, online.StateCatchingUp))
	}
	r.full = true
	return nil
}

// somethingAtRest reports whether something of a view's sources is at rest.
func (w *Worker) somethingAtRest(ctx context.Context, v *View) (bool, error) {
	for _, b := range v.view.Bindings {
		segments, err := w.c.History.Segments(ctx, b.Source)
		if err != nil || len(segments) > 0 {
			return len(segments) > 0, err
		}
	}
	return false, nil
}

// recorded reports whether the topic of a source holds a record that may have been
// applied before. Those of a replay were not: it begins on an empty store, and is
// looked up while it goes on.
func (w *Worker) recorded(ctx context.Context, s *definition.StreamSource) (bool, error) {
	partitions, err := w.c.Log.Partitions(ctx, s.Topic)
	if errors.Is(err, featurestore.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for n := range int32(partitions) {
		bounds, err := w.c.Log.Bounds(ctx, s.Topic, n)
		if err != nil {
			return false, err
		}
		if bounds.End > bounds.Start {
			replayed, err := w.replayed(ctx, s)
			return !replayed, err
		}
	}
	return false, nil
}
