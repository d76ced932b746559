package worker

import (
	"context"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// chores are what the process that leads does beside the stream, one at a time
// and in the order of their haste: it checks generations before they answer,
// retires those that were kept long enough, drops what is retired, audits, and
// keeps the archives in order.
type chores struct {
	w    *Worker
	done chan struct{} // closed when the one under way has ended; nil for none

	asked   bool // for what is retired; the registry says when that changes
	retired []registry.Generation
	collect featurestore.Instant // not before

	audited bool // the last time that an audit or the upkeep had its turn
}

// Upkeep keeps the archives in order: it merges small files and drops what is too
// old. It ends after a while; more says that it has more to do.
type Upkeep struct {
	Every time.Duration // 0 is never
	Do    func(context.Context) (more bool, err error)
}

// choreAgain is when what could not be done is tried again.
const choreAgain = time.Minute

func newChores(w *Worker) *chores { return &chores{w: w} }

// tick begins what is due, where nothing is under way. What it begins ends with
// ctx; wait waits for it.
func (c *chores) tick(ctx context.Context) {
	if c.done != nil {
		select {
		case <-c.done:
		default:
			return
		}
	}
	c.done = nil
	if do := c.next(ctx); do != nil {
		done := make(chan struct{})
		c.done = done
		go func() {
			defer close(done)
			do(ctx)
		}()
	}
}

// wait waits for what is under way; its context has ended.
func (c *chores) wait() {
	if c.done != nil {
		<-c.done
	}
}

func (c *chores) next(ctx context.Context) func(context.Context) {
	if r := c.w.unchecked(); r != nil {
		return func(ctx context.Context) { c.w.check(ctx, r) }
	}
	if step := c.w.keptLongEnough(); step != nil {
		return func(ctx context.Context) { c.w.retire(ctx, step) }
	}
	if g := c.toCollect(ctx); g != nil {
		return func(ctx context.Context) { c.drop(ctx, *g) }
	}
	audit, upkeep := c.w.auditDue(), c.w.upkeepDue()
	switch {
	case audit && !(upkeep && c.audited): // neither keeps the other from its turn
		c.audited = true
		return c.w.audit
	case upkeep:
		c.audited = false
		return c.w.upkeep
	}
	return nil
}

// upkeepDue reports whether the archives are to be put in order.
func (w *Worker) upkeepDue() bool {
	if w.c.Upkeep.Every <= 0 {
		return false
	}
	now := w.c.Now()
	if w.nextUpkeep == 0 {
		w.nextUpkeep = after(now, min(w.c.Upkeep.Every, choreAgain)) // not at once: a start has other things to do
	}
	return now >= w.nextUpkeep
}

// upkeepRest is how many times as long as it took the upkeep rests before it goes
// on: the stream comes first.
const upkeepRest = 3

func (w *Worker) upkeep(ctx context.Context) {
	start := w.c.Now()
	more, err := w.c.Upkeep.Do(ctx)
	if err != nil && ctx.Err() == nil {
		w.c.Logger.Warn("the archives could not be put in order; it is tried again", "error", err)
	}
	now := w.c.Now()
	w.nextUpkeep = after(now, w.c.Upkeep.Every)
	if more && err == nil {
		w.nextUpkeep = min(w.nextUpkeep, now+upkeepRest*(now-start))
	}
}

// after is some time after an instant.
func after(t featurestore.Instant, d time.Duration) featurestore.Instant {
	return t + featurestore.Instant(d.Microseconds())
}

// keptLongEnough is the end of a generation that was taken over from so long ago that
// nobody goes back to it; nil for none.
func (w *Worker) keptLongEnough() *registry.Step {
	now := w.c.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.sorted() {
		if r := w.views[id]; r.state == registry.Standby && now >= after(r.since, w.c.KeepPrevious) {
			return &registry.Step{View: id.View, Number: id.Number, State: registry.Retired, Since: r.since, Reason: "it was kept long enough", At: now}
		}
	}
	return nil
}

// retire ends a generation that was kept. Where a person has just gone back to it, the
// registry says so, and it stays; also where it was left again since: from then on it is kept.
func (w *Worker) retire(ctx context.Context, step *registry.Step) {
	if err := w.c.Registry.SetState(ctx, *step); err != nil {
		w.c.Logger.Warn("a generation could not be retired", "view", step.View, "generation", step.Number, "error", err)
		return
	}
	w.c.Logger.Info("a generation is retired", "view", step.View, "generation", step.Number)
}

// toCollect is a generation whose data can be dropped, also where another process
// began to and did not end; nil for none. RETIRED is for ever: what is dropped
// can never answer again.
func (c *chores) toCollect(ctx context.Context) *registry.Generation {
	now := c.w.c.Now()
	if now < c.collect {
		return nil
	}
	if !c.asked {
		list, err := c.w.c.Registry.Retired(ctx)
		if err != nil {
			c.w.c.Logger.Warn("the registry could not be read", "error", err)
			c.collect = after(now, choreAgain)
			return nil
		}
		c.retired, c.asked = list, true
	}
	for i := range c.retired {
		if now >= after(c.retired[i].Since, c.w.c.RetiredFor) {
			return &c.retired[i]
		}
	}
	return nil
}

// drop drops what the store holds of a retired generation, in bounded steps.
func (c *chores) drop(ctx context.Context, g registry.Generation) {
	w := c.w
	err := w.c.Online.Drop(ctx, online.Generation{Project: w.c.Project, View: g.View, Number: g.Number}, g.Lanes)
	if err == nil {
		err = w.c.Registry.SetState(ctx, registry.Step{View: g.View, Number: g.Number, State: registry.Dropped, Reason: g.Reason, At: w.c.Now()})
	}
	c.asked = false
	if err != nil {
		c.collect = after(w.c.Now(), choreAgain)
		w.c.Logger.Warn("a retired generation could not be dropped", "view", g.View, "generation", g.Number, "error", err)
		return
	}
	w.c.Logger.Info("the data of a retired generation is dropped", "view", g.View, "generation", g.Number)
}
