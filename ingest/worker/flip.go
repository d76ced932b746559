package worker

import (
	"context"
	"errors"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// flip makes filled generations live once every partition is applied to the
// log's end: the new ones all of a moment's together, one that was built anew, or
// whose store has lost that it was live, as soon as it can answer. That of several is
// one write of the registry: between two, and after a crash between them, no revision
// would have the meanings of all live generations, and the views of those that are
// left would answer REBUILDING.
func (w *Worker) flip(ctx context.Context) error {
	if err := w.askEnds(ctx); err != nil {
		return err
	}
	w.states.Lock()
	defer w.states.Unlock()
	again, fresh := w.ready()
	for _, r := range again {
		if err := r.view.setState(ctx, online.StateLive, upTo(r.asked)...); err != nil {
			return err
		}
		w.mu.Lock()
		r.spend()
		w.mu.Unlock()
		w.c.Logger.Info("a generation answers again", "view", r.view.Name(), "generation", r.view.ID().Number)
	}
	if len(fresh) == 0 {
		return nil
	}
	fresh, changes, err := w.allowed(ctx, fresh)
	if err != nil || len(fresh) == 0 {
		return err
	}
	return w.takeOver(ctx, fresh, changes)
}

// spend forgets what was asked of the others' partitions for a generation that is live
// now: where another process has halted it since, or does so before this one looks again,
// what they had to pass before says nothing of that. The caller holds the worker's mu.
func (r *running) spend() {
	r.far, r.own, r.asked = nil, nil, online.StateLive
}

// takeOver makes generations live. Their lanes are ready first: who sees the registry's
// write may answer from all of them.
func (w *Worker) takeOver(ctx context.Context, fresh []*running, changes int64) error {
	var steps []registry.Step
	for _, r := range fresh {
		if err := r.view.setState(ctx, online.StateLive, upTo(r.asked)...); err != nil {
			return err
		}
		steps = append(steps, registry.Step{
			View: r.view.Name(), Number: r.view.ID().Number, State: registry.Live, Reason: "filled from history, checked and caught up",
			At: w.c.Now(), Changes: changes, Keep: w.c.KeepPrevious > 0 && w.writesLive(r.view.Name()),
		})
	}
	if err := w.c.Registry.SetState(ctx, steps...); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range fresh {
		r.state = registry.Live
		r.spend()
		w.c.Logger.Info("a generation is live", "view", r.view.Name(), "generation", r.view.ID().Number)
	}
	return nil
}

// allowed are those of generations that are ready to become live with which a revision
// goes on to answer, whole, and the number of the registry's changes by which that was
// decided. Of the others it is kept what they wait for.
func (w *Worker) allowed(ctx context.Context, ready []*running) (out []*running, changes int64, err error) {
	// The counter comes first: what changes while the rest is read is seen by the step.
	if changes, err = w.c.Registry.Changes(ctx); err != nil {
		return nil, 0, err
	}
	list, err := w.c.Registry.Generations(ctx)
	if err != nil {
		return nil, 0, err
	}
	of := map[*running]registry.Generation{}
	for _, r := range ready {
		for _, g := range list {
			if id := r.view.ID(); g.View == id.View && g.Number == id.Number {
				of[r] = g
			}
		}
	}
	live := registry.LiveOf(list)
	alike := func(r *running) bool { return live[of[r].View].Hash == of[r].Hash }
	var group []registry.Generation
	for _, r := range ready {
		if g, known := of[r]; known && !alike(r) {
			group = append(group, g)
		}
	}
	why := ""
	if len(group) > 0 {
		newest, err := w.c.Registry.CurrentNumber(ctx)
		if err != nil {
			return nil, 0, err
		}
		load := func(n int64) (*definition.Project, error) { return w.project(ctx, n) }
		if why, err = registry.Held(newest, list, group, load); err != nil {
			return nil, 0, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range ready {
		_, known := of[r]
		switch {
		case !known: // it is retired by now
		case why == "" || alike(r):
			r.waits = ""
			out = append(out, r)
		case r.waits != why:
			r.waits = why
			w.c.Logger.Warn("a generation does not take over yet", "view", r.view.Name(), "generation", r.view.ID().Number, "error", errors.New(why))
		}
	}
	return out, changes, nil
}

// adoptMeanings says of each generation that is being built whether its view has
// another meaning by now. The caller holds w.mu.
func (w *Worker) adoptMeanings(a *arrangement) {
	of := map[online.Generation]registry.Generation{}
	var list []registry.Generation
	for _, v := range a.views {
		list = append(list, v.generation)
		of[online.Generation{Project: w.c.Project, View: v.view.Name, Number: v.generation.Number}] = v.generation
	}
	live := registry.LiveOf(append(list, a.otherVersions...))
	for id, r := range w.views {
		if g, known := of[id]; known && g.State == registry.Building {
			r.waits = registry.Outlived(a.current, g, live)
		} else {
			r.waits = ""
		}
		r.outlived = r.waits != ""
	}
}

// project is the definitions of a revision, which never change.
func (w *Worker) project(ctx context.Context, number int64) (*definition.Project, error) {
	w.mu.Lock()
	known := w.projects[number]
	w.mu.Unlock()
	if known != nil {
		return known, nil
	}
	r, err := w.c.Registry.Revision(ctx, number)
	if err != nil {
		return nil, err
	}
	p, problems := definition.Load(r.Files)
	if p == nil {
		return nil, featurestore.Invalidf("revision %d does not load with this version: %w", number, problems)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.projects == nil || len(w.projects) > 2*registry.LookBack {
		w.projects = map[int64]*definition.Project{}
	}
	w.projects[number] = p
	return p, nil
}

// writesLive reports whether the live generation of a view is one that this version
// writes on: otherwise there is none to go back to.
func (w *Worker) writesLive(view string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.views {
		if r.state == registry.Live && r.view.Name() == view {
			return true
		}
	}
	return false
}

// ready are the generations that can be made live now: those that were live before,
// and new ones. A new one of the same meaning as the live one comes alone; those of
// changed views come together, so that a revision is never half there.
func (w *Worker) ready() (again, fresh []*running) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var building []*running
	whole := !w.held && !w.buildsAside()
	for _, id := range w.sorted() {
		r := w.views[id]
		ready := r.full && w.caughtUp(r)
		switch {
		case r.state == registry.Building && w.sameAsLive(r):
			if ready && r.checked {
				fresh = append(fresh, r)
			}
		case r.outlived:
		case r.state == registry.Building:
			ready = ready && r.checked
			building = append(building, r)
			whole = whole && ready
		case ready && !r.view.isLive():
			again = append(again, r)
		}
	}
	if whole {
		fresh = append(fresh, building...)
	}
	return again, fresh
}
