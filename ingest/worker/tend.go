package worker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// tend watches the registry, fills new generations and seals archives; it
// cancels the arrangement when another is needed. Whoever leads looks at every view.
func (w *Worker) tend(ctx context.Context, cancel context.CancelFunc, changes int64) error {
	defer cancel()
	w.mu.Lock()
	mine, parts := w.share, w.parts
	w.mu.Unlock()
	fills := newFills(w)
	if mine.leads() {
		fills.start(ctx)
	}
	ticker := time.NewTicker(w.c.Poll)
	defer ticker.Stop()
	defer fills.stop(cancel)
	chores := newChores(w)
	defer func() {
		cancel()
		chores.wait()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-fills.done:
			if !fills.ended(ctx, err) {
				return err // rearranged with the filled generation
			}
			continue
		case <-mine.lost():
			return nil
		case <-ticker.C:
		}
		w.commit(mine, parts)
		if err := w.tendArchives(); err != nil {
			return err
		}
		again, err := w.changed(ctx, changes)
		if err != nil {
			w.c.Logger.Warn("the registry or the log could not be read", "error", err)
			continue
		}
		if again {
			if fills.under {
				w.c.Logger.Info("the registry or a topic has changed: the fill that is under way goes on once the partitions are arranged anew")
			}
			return nil
		}
		if again, err := w.lookAtAside(ctx); ignoreUnavailable(err) != nil {
			w.c.Logger.Warn("the lanes of a view that is left aside could not be looked at", "error", err)
		} else if again {
			return nil
		}
		if !mine.leads() {
			if again, err = w.filledElsewhere(ctx); err != nil || again {
				return ignoreUnavailable(err)
			}
			continue
		}
		switch err := w.lookAtUnread(ctx); {
		case errors.Is(err, errLost):
			return nil
		case err != nil:
			w.c.Logger.Warn("the lanes of a view that others read could not be looked at", "error", err)
		}
		fills.start(ctx)
		chores.tick(ctx)
		if err := w.flip(ctx); err != nil {
			w.c.Logger.Warn("a new generation could not be made live", "error", err)
		}
	}
}

// tendArchives seals each source's archive where nothing has come to it since the last
// tick, and where something has waited for long, so that what is applied can soon be
// read at rest: what is not is lost to history where the log drops it while nobody
// reads. While an arrangement runs, none is closed; a disk may take its time.
func (w *Worker) tendArchives() error {
	w.mu.Lock()
	open := slices.Collect(maps.Values(w.archives))
	w.mu.Unlock()
	var errs []error
	for _, a := range open {
		errs = append(errs, a.tend(w.c.Now(), w.c.RestWithin))
	}
	return errors.Join(errs...)
}

// changed reports whether the registry has changed or a topic has more partitions.
func (w *Worker) changed(ctx context.Context, changes int64) (bool, error) {
	now, err := w.c.Registry.Changes(ctx)
	if err != nil || now != changes {
		return now != changes, err
	}
	w.mu.Lock()
	topics := w.topics
	w.mu.Unlock()
	for topic, n := range topics {
		have, err := w.c.Log.Partitions(ctx, topic)
		if errors.Is(err, featurestore.ErrNotFound) && n == 0 {
			continue
		}
		if err != nil {
			return false, err
		}
		if have != n {
			return true, nil
		}
	}
	return false, nil
}
