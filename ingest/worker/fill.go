package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// fill folds a view's history, up to what is at rest now, into a new
// generation. The stream goes on from there when the partitions are arranged
// anew. A fill that was interrupted goes on where its watermarks stand. One that
// cannot succeed leaves the other generations alone.
func (w *Worker) fill(ctx context.Context, v *View) error {
	if err := w.Flush(); err != nil {
		return err
	}
	err := w.whole(ctx, v.view)
	if err == nil {
		w.c.Logger.Info("filling a new generation from history", "view", v.Name(), "generation", v.ID().Number)
		err = w.fillAll(ctx, v)
	}
	for ctx.Err() == nil {
		var rewind *rewindError
		var damaged *damagedError
		why := err
		if errors.As(err, &damaged) {
			err = w.rebuild(ctx, damaged)
		} else if !errors.As(err, &rewind) {
			break
		}
		if err == nil || rewind != nil {
			w.c.Logger.Info("a fill goes on from what the store has", "view", v.Name(), "generation", v.ID().Number, "because", why)
			err = w.fillAll(ctx, v) // what is applied is skipped
		}
	}
	if err == nil {
		err = w.sayFilled(ctx, v)
	}
	passes := err == nil || ctx.Err() != nil || errors.Is(err, featurestore.ErrUnavailable) || errors.Is(err, errLost)
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.views[v.ID()]
	if passes && err != nil {
		if ok && ctx.Err() == nil && !errors.Is(err, errLost) {
			r.why = err.Error() // until it is tried again
			r.tries++
		}
		return ignoreLost(err)
	}
	switch {
	case !ok:
	case err == nil:
		r.full, r.lacks, r.why, r.tries = true, false, "", 0 // its lanes say so too, for the other processes
	case errors.As(err, new(*MissingError)):
		r.broken, r.lacks, r.why = true, true, err.Error()
		w.c.Logger.Error("a generation cannot be filled from history; it goes on once that is mended or accepted", "view", v.Name(), "generation", v.ID().Number, "error", err)
	default:
		r.broken, r.damage, r.why = true, errors.Is(err, featurestore.ErrInvalid), err.Error()
		w.c.Logger.Error("a generation cannot be filled from history; it stays as it is until the next start or revision", "error", err)
	}
	return nil
}

// sayFilled stores that a generation is filled. Another process may have filled it
// meanwhile, and found a GAP in it since: that stays. After a failover, only some
// lanes may have to be filled, and others say GAP: only a lane that is BUILDING is
// said to be filled, and only where it stands as it was filled. One that was made
// anew since, or that a failover has taken back, lacks what is in history alone.
func (w *Worker) sayFilled(ctx context.Context, v *View) error {
	w.states.Lock()
	defer w.states.Unlock()
	stored, err := storedLanes(ctx, v.store, v.id, v.laneCount())
	if err != nil {
		return err
	}
	if whole, _ := intact(stored); !whole {
		return errLost // meanwhile
	}
	if filled(stored) {
		return nil
	}
	return lostWhere(v.store.Filled(ctx, v.id, v.offsets()))
}

// lostWhere is an errLost where lanes are not as this process goes by: somebody has
// lost them or made them anew, or has halted.
func lostWhere(err error) error {
	if errors.Is(err, online.ErrStateChanged) || errors.Is(err, featurestore.ErrNotFound) {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

func (w *Worker) fillAll(ctx context.Context, v *View) error {
	for i, b := range v.view.Bindings {
		spec, err := w.fillable(ctx, v, i)
		if err != nil {
			return fmt.Errorf("view %q: %w", v.Name(), err)
		}
		read, err := fillFrom(ctx, w.c.History, v, spec)
		if err != nil {
			return fmt.Errorf("view %q: filling from the history of %q: %w", v.Name(), b.Source.Name, err)
		}
		if read.Missing > 0 || read.Repeated > 0 {
			w.c.Logger.Warn("history files lack offsets between their rows, or have some twice: compaction and control records leave such holes, lost files too",
				"source", b.Source.Name, "missing", read.Missing, "repeated", read.Repeated)
		}
		if err := w.sayDropped(ctx, v, b.Source); err != nil {
			return err
		}
		if err := w.sayRemoved(ctx, v, b.Source); err != nil {
			return err
		}
	}
	return nil
}

// sayRemoved says what a fill could not read because a topic's compaction had removed it
// before it was at rest.
func (w *Worker) sayRemoved(ctx context.Context, v *View, s *definition.StreamSource) error {
	if !w.c.NoteRest {
		return nil
	}
	removed, err := w.inspector().Removed(ctx, s.Name)
	if len(removed) > 0 {
		w.c.Logger.Warn(RemovedText(removed), "view", v.Name(), "generation", v.ID().Number, "source", s.Name)
	}
	return err
}

// sayDropped says what a fill could not read because retention has dropped it, and
// whether a window of the view reaches as far back. It is not lost.
func (w *Worker) sayDropped(ctx context.Context, v *View, s *definition.StreamSource) error {
	dropped, err := w.c.History.Dropped(ctx, s)
	if err != nil {
		return err
	}
	for p, d := range dropped {
		log, note := w.c.Logger.Info, "retention has dropped the beginning of this history: no window of the view reads it now"
		if back, bounded := v.view.Plan.Retention(); !bounded || d.Reaches(back) {
			log, note = w.c.Logger.Warn, "retention has dropped the beginning of this history, and windows of the view reach further back: what was dropped is not in their values"
		}
		log(note, "view", v.Name(), "generation", v.ID().Number, "source", s.Name, "log", p.Generation, "partition", p.Partition, "rows", d.Rows, "newest", d.Newest.String())
	}
	return nil
}

// ignoreLost: lanes that are lost are opened anew by the next arrangement.
func ignoreLost(err error) error {
	if errors.Is(err, errLost) {
		return nil
	}
	return err
}

// filledElsewhere reports whether the process that leads has filled a generation
// since this one looked last: it then takes part in it. Which of them that one has
// given up, nobody says: it may be the first.
func (w *Worker) filledElsewhere(ctx context.Context) (bool, error) {
	for _, v := range w.unfilled() {
		stored, err := w.c.Online.Lanes(ctx, v.ID(), v.laneCount())
		if err != nil {
			return false, err
		}
		if filled(stored) {
			return true, nil
		}
	}
	return false, nil
}

// ignoreUnavailable: what is not there now is asked again later.
func ignoreUnavailable(err error) error {
	if errors.Is(err, featurestore.ErrUnavailable) {
		return nil
	}
	return err
}
