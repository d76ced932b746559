package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/decode"
)

// wantedView is a generation that the registry lists, with the definition that
// made it: an older generation goes on under its own meaning.
type wantedView struct {
	view       *definition.StreamView
	generation registry.Generation
}

func (w *Worker) wanted(ctx context.Context) ([]wantedView, int64, error) {
	revision, err := w.c.Registry.CurrentNumber(ctx)
	if err != nil {
		return nil, 0, err
	}
	list, err := w.c.Registry.Generations(ctx)
	if err != nil {
		return nil, 0, err
	}
	projects := map[int64]*definition.Project{}
	var out []wantedView
	for _, g := range list {
		p, ok := projects[g.Revision]
		if !ok {
			if p, err = w.project(ctx, g.Revision); err != nil {
				return nil, 0, err
			}
			projects[g.Revision] = p
		}
		v := p.StreamView(g.View)
		if v == nil {
			continue // a batch view: materialize's
		}
		if v.Hash != g.Hash {
			return nil, 0, fmt.Errorf("view %q generation %d has another hash than its definition in revision %d: this binary computes otherwise than the one that applied it; apply again with this version", g.View, g.Number, g.Revision)
		}
		out = append(out, wantedView{v, g})
	}
	return out, revision, nil
}

func (w *Worker) project(ctx context.Context, number int64) (*definition.Project, error) {
	r, err := w.c.Registry.Revision(ctx, number)
	if err != nil {
		return nil, err
	}
	p, problems := definition.Load(r.Files)
	if p == nil {
		return nil, fmt.Errorf("revision %d does not load with this version: %v", number, problems)
	}
	return p, nil
}

// open opens generations that are new and forgets those that are retired.
func (w *Worker) open(ctx context.Context, wanted []wantedView) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	keep := map[online.Generation]bool{}
	for _, want := range wanted {
		id := online.Generation{Project: w.c.Project, View: want.view.Name, Number: want.generation.Number}
		keep[id] = true
		if r, ok := w.views[id]; ok {
			r.state = want.generation.State
			if err := r.view.Reload(ctx); err != nil {
				return err
			}
			continue
		}
		v, err := OpenView(ctx, ViewConfig{
			View: want.view, ID: id, Lanes: want.generation.Lanes, Store: w.c.Online,
			TTL: w.ttl(want.view), CacheBytes: w.c.CacheBytes / max(1, len(wanted)),
		})
		if err != nil {
			return err
		}
		live := want.generation.State == registry.Live
		if live {
			if err := w.c.Online.SetState(ctx, id, online.StateLive); err != nil {
				return err
			}
		}
		w.views[id] = &running{view: v, state: want.generation.State, full: live}
	}
	for id := range w.views {
		if !keep[id] {
			delete(w.views, id)
		}
	}
	return nil
}

// ttl is how long an entity is kept after its last write: retention and a day.
func (w *Worker) ttl(v *definition.StreamView) time.Duration {
	retention, bounded := v.Plan.Retention()
	if !bounded || !w.c.PhysicalTTL {
		return 0
	}
	return (retention + featurestore.Day).Std()
}

// partitions lists every partition of every source that a filled view reads.
func (w *Worker) partitions(ctx context.Context) ([]*partition, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	views := map[string][]*View{}
	sources := map[string]*definition.StreamSource{}
	for _, id := range w.sorted() {
		r := w.views[id]
		if !r.full {
			continue
		}
		for _, b := range r.view.view.Bindings {
			views[b.Source.Name] = append(views[b.Source.Name], r.view)
			sources[b.Source.Name] = b.Source
		}
	}
	var out []*partition
	for name, source := range sources {
		list, err := w.sourcePartitions(ctx, source, views[name])
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", name, err)
		}
		out = append(out, list...)
	}
	return out, nil
}

func (w *Worker) sorted() []online.Generation {
	ids := make([]online.Generation, 0, len(w.views))
	for id := range w.views {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b online.Generation) int {
		if a.View != b.View {
			if a.View < b.View {
				return -1
			}
			return 1
		}
		return int(a.Number) - int(b.Number)
	})
	return ids
}

func (w *Worker) sourcePartitions(ctx context.Context, s *definition.StreamSource, views []*View) ([]*partition, error) {
	n, err := w.c.Log.Partitions(ctx, s.Topic)
	if err != nil {
		return nil, err
	}
	replayed, err := w.replayed(ctx, s)
	if err != nil {
		return nil, err
	}
	generation := uint32(1)
	if replayed {
		generation = offline.FilesGeneration
	}
	a, err := w.archive(s)
	if err != nil {
		return nil, err
	}
	var out []*partition
	for number := range n {
		d, err := decode.New(s, decode.Options{Replay: replayed})
		if err != nil {
			return nil, err
		}
		out = append(out, &partition{
			source: s, generation: generation, number: int32(number), log: w.c.Log,
			archive: a, archiveMu: &a.mu, letters: w.c.Letters, decoder: d,
			views: views, progress: w.progress, heartbeat: w.c.Heartbeat,
		})
	}
	return out, nil
}

// replayed reports whether a topic holds replayed history: its first record says so.
func (w *Worker) replayed(ctx context.Context, s *definition.StreamSource) (bool, error) {
	if w.c.Replayed != nil && w.c.Replayed(s) {
		return true, nil
	}
	bounds, err := w.c.Log.Bounds(ctx, s.Topic, 0)
	if err != nil || bounds.Start >= bounds.End {
		return false, err
	}
	batch, err := w.c.Log.Peek(ctx, s.Topic, 0, bounds.Start)
	if err != nil {
		return false, err
	}
	defer batch.Release()
	if len(batch.Records) == 0 {
		return false, nil
	}
	_, ok := batch.Records[0].Headers.ReplayOf()
	return ok, nil
}

func (w *Worker) archive(s *definition.StreamSource) (*openArchive, error) {
	if a, ok := w.archives[s.Name]; ok {
		return a, nil
	}
	opened, err := w.c.OpenArchive(s)
	if err != nil {
		return nil, err
	}
	a := &openArchive{Archive: opened, mu: sync.Mutex{}}
	w.archives[s.Name] = a
	return a, nil
}

// unfilled is a building generation that is not filled yet; nil for none.
func (w *Worker) unfilled() *View {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.sorted() {
		if r := w.views[id]; !r.full {
			return r.view
		}
	}
	return nil
}

// fill folds a view's history, up to what is at rest now, into a new
// generation. The stream goes on from there when the partitions are arranged
// anew. A fill that was interrupted goes on where its watermarks stand.
func (w *Worker) fill(ctx context.Context, v *View) error {
	if err := w.Flush(); err != nil {
		return err
	}
	w.c.Logger.Info("filling a new generation from history", "view", v.Name(), "generation", v.ID().Number)
	for i, b := range v.view.Bindings {
		if err := w.fillSource(ctx, v, uint16(i), b.Source); err != nil {
			return fmt.Errorf("view %q: filling from the history of %q: %w", v.Name(), b.Source.Name, err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.views[v.ID()]; ok {
		r.full = true
	}
	return nil
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

// flip makes filled generations live, all of a moment's together, once every
// partition is applied to the log's end.
func (w *Worker) flip(ctx context.Context) error {
	w.mu.Lock()
	var ready []*running
	for _, id := range w.sorted() {
		r := w.views[id]
		if r.state != registry.Building {
			continue
		}
		if !r.full || !w.caughtUp(r.view) {
			w.mu.Unlock()
			return nil
		}
		ready = append(ready, r)
	}
	w.mu.Unlock()
	for _, r := range ready {
		if err := w.c.Online.SetState(ctx, r.view.ID(), online.StateLive); err != nil {
			return err
		}
		if err := w.c.Registry.SetState(ctx, r.view.Name(), r.view.ID().Number, registry.Live, "filled from history and caught up"); err != nil {
			return err
		}
		r.state = registry.Live
		w.c.Logger.Info("a new generation is live", "view", r.view.Name(), "generation", r.view.ID().Number)
	}
	return nil
}

func (w *Worker) caughtUp(v *View) bool {
	for _, s := range w.progress.Statuses() {
		if _, reads := v.binding[s.Partition.Source]; reads && (s.Through < s.End-1 || v.Lowest(s.Partition) < s.Through) {
			return false
		}
	}
	return true
}
