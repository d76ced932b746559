package worker

import (
	"context"
	"errors"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// watchStore looks at the store's settings while it is in use: what was right at
// the start may be changed by a person. Wrong ones are said, for as long as they
// last. Where the store has evicted keys, every view is LOST: nobody knows which
// they were. The arrangement then ends, and the next builds the views anew. The second
// context is that of the process.
func (w *Worker) watchStore(ctx, process context.Context, cancel context.CancelFunc) error {
	ticker := time.NewTicker(w.c.Heartbeat)
	defer ticker.Stop()
	noted := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := w.c.Online.Check(ctx)
		if errors.Is(err, featurestore.ErrUnavailable) || ctx.Err() != nil {
			continue // the partitions say so
		}
		if w.progress.storeTrouble(err) {
			w.c.Logger.Error("the online store is not as it must be", "error", err)
		}
		if !errors.Is(err, online.ErrEvicted) {
			if err := w.losses.dealtWith(); err != nil { // by another process
				w.c.Logger.Warn("every view will be built anew once more", "error", err)
			}
			if !noted { // from here on, whoever starts later knows what is evicted meanwhile
				noted = w.c.Online.NoteEvicted(ctx) == nil
			}
			switch err := w.sayHalted(ctx); {
			case ctx.Err() != nil || err == nil:
			case errors.Is(err, errLost):
				w.c.Logger.Warn("what has halted must be arranged anew", "error", err)
				cancel()
				return nil
			default:
				w.c.Logger.Warn("that a view has halted could not be said again", "error", err)
			}
			continue
		}
		// Views that are LOST already end the arrangement: the others are said all the
		// same, else the next one begins anew, with what was built since.
		if err := w.loseForGood(process); err != nil {
			w.c.Logger.Warn("the state LOST could not be stored", "error", err)
			continue // the store tells it until it is noted, also in the next arrangement
		}
		w.c.Logger.Error("the online store has evicted keys: every view is built anew", "error", err)
		cancel()
		return nil
	}
}

// lose says of every generation that it is lost: lookups answer REBUILDING from
// now on, and whoever opens it next, also after a restart, builds it anew. That
// goes for generations too that the registry lists since this process was arranged:
// another may be filling one, and may not see that keys of it were evicted.
func (w *Worker) lose(ctx context.Context) error {
	w.states.Lock()
	defer w.states.Unlock()
	w.mu.Lock()
	var known []*View
	for _, id := range w.sorted() {
		w.views[id].full = false // so that nobody takes it for ready again
		known = append(known, w.views[id].view)
	}
	w.mu.Unlock()
	lost := map[online.Generation]bool{}
	for _, v := range known {
		lost[v.id] = true
		if err := v.setState(ctx, online.StateLost); err != nil && !errors.Is(err, featurestore.ErrNotFound) {
			return err
		}
	}
	list, err := w.c.Registry.Generations(ctx)
	if err != nil {
		return err
	}
	for _, g := range list { // a batch view has no lanes
		id := online.Generation{Project: w.c.Project, View: g.View, Number: g.Number}
		if lost[id] {
			continue
		}
		if err := w.c.Online.SetState(ctx, id, online.StateLost); err != nil && !errors.Is(err, featurestore.ErrNotFound) {
			return err
		}
	}
	return w.c.Online.NoteEvicted(ctx)
}
