package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// unfilled is a generation that is not filled yet; nil for none.
func (w *Worker) unfilled() *View {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.sorted() {
		if r := w.views[id]; !r.full && !r.broken {
			return r.view
		}
	}
	return nil
}

// fill folds a view's history, up to what is at rest now, into a new
// generation. The stream goes on from there when the partitions are arranged
// anew. A fill that was interrupted goes on where its watermarks stand. One that
// cannot succeed leaves the other generations alone.
func (w *Worker) fill(ctx context.Context, v *View) error {
	if err := w.Flush(); err != nil {
		return err
	}
	w.c.Logger.Info("filling a new generation from history", "view", v.Name(), "generation", v.ID().Number)
	err := w.fillAll(ctx, v)
	for ctx.Err() == nil {
		var rewind *rewindError
		var damaged *damagedError
		if errors.As(err, &damaged) {
			err = w.rebuild(ctx, damaged)
		} else if !errors.As(err, &rewind) {
			break
		}
		if err == nil || rewind != nil {
			err = w.fillAll(ctx, v) // what is applied is skipped
		}
	}
	passes := err == nil || ctx.Err() != nil || errors.Is(err, featurestore.ErrUnavailable) || errors.Is(err, errLost)
	if passes && err != nil {
		return ignoreLost(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.views[v.ID()]
	switch {
	case !ok:
	case err == nil:
		r.full = true
	default:
		r.broken = true
		w.c.Logger.Error("a generation cannot be filled from history; it stays as it is until the next start or revision", "error", err)
	}
	return nil
}

func (w *Worker) fillAll(ctx context.Context, v *View) error {
	for i, b := range v.view.Bindings {
		if err := w.fillSource(ctx, v, uint16(i), b.Source); err != nil {
			return fmt.Errorf("view %q: filling from the history of %q: %w", v.Name(), b.Source.Name, err)
		}
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

func (w *Worker) fillSource(ctx context.Context, v *View, index uint16, s *definition.StreamSource) (err error) {
	stream, err := w.c.History.Scan(ctx, offline.Spec{Source: s, Index: index})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	var last *Chunk
	for {
		batch, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		id := online.Partition{Source: s.Name, Generation: batch.Partition.Generation, Number: batch.Partition.Partition}
		if last != nil && last.Partition != id {
			if err := v.Advance(ctx, last); err != nil {
				return err
			}
			last = nil
		}
		c := &Chunk{Partition: id, Events: batch.Events, Through: batch.Through}
		if last != nil {
			c.LogTime = last.LogTime
		}
		for i := range batch.Events {
			c.LogTime = max(c.LogTime, batch.Events[i].LogTime)
		}
		if err := v.Apply(ctx, c); err != nil {
			return err
		}
		last = &Chunk{Partition: id, Through: c.Through, LogTime: c.LogTime}
	}
	if last == nil {
		return nil
	}
	return v.Advance(ctx, last)
}

// flip makes filled generations live once every partition is applied to the
// log's end: the new ones all of a moment's together, one that was built anew, or
// whose store has lost that it was live, as soon as it can answer.
func (w *Worker) flip(ctx context.Context) error {
	w.states.Lock()
	defer w.states.Unlock()
	for _, r := range w.ready() {
		name, number := r.view.Name(), r.view.ID().Number
		if err := r.view.setState(ctx, online.StateLive); err != nil {
			return err
		}
		if r.state == registry.Building {
			if err := w.c.Registry.SetState(ctx, name, number, registry.Live, "filled from history and caught up"); err != nil {
				return err
			}
		}
		w.mu.Lock()
		r.state = registry.Live
		w.mu.Unlock()
		w.c.Logger.Info("a generation is live", "view", name, "generation", number)
	}
	return nil
}

func (w *Worker) ready() []*running {
	w.mu.Lock()
	defer w.mu.Unlock()
	var building, out []*running
	whole := true
	for _, id := range w.sorted() {
		r := w.views[id]
		ready := r.full && w.caughtUp(r.view)
		switch {
		case r.state == registry.Building:
			building = append(building, r)
			whole = whole && ready
		case ready && !r.view.isLive():
			out = append(out, r)
		}
	}
	if whole {
		out = append(out, building...)
	}
	return out
}

// caughtUp reports whether a view has applied every partition to its end, as far
// as this arrangement knows. The caller holds w.mu.
func (w *Worker) caughtUp(v *View) bool {
	for _, b := range v.view.Bindings {
		if !slices.Contains(w.sources, b.Source.Name) {
			return false
		}
	}
	for _, p := range w.parts {
		if _, reads := v.binding[p.source.Name]; !reads {
			continue
		}
		if !slices.Contains(p.views(), v) {
			return false
		}
		s, ok := w.progress.status(p.id())
		if !ok || !p.begun.Load() || s.Through < s.End-1 || v.Lowest(p.id()) < s.Through {
			return false
		}
	}
	return true
}
