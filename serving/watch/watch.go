// Package watch keeps a server's picture of the world fresh: which revision is
// in force, which generation of each view answers, and how far its lanes are. It
// polls, and swaps one immutable catalog for the next; lookups never wait for it.
package watch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/serving/service"
)

// Store is what the watcher reads of the online store.
type Store interface {
	Lanes(ctx context.Context, g online.Generation, lanes uint16) ([]online.Lane, error)
}

// Registry is what it reads of the registry.
type Registry interface {
	CurrentNumber(ctx context.Context) (int64, error)
	Revision(ctx context.Context, number int64) (*registry.Revision, error)
	Generations(ctx context.Context) ([]registry.Generation, error)
}

// Watcher holds the catalog that answers now.
type Watcher struct {
	project  string
	registry Registry
	store    Store
	log      *slog.Logger

	catalog  atomic.Pointer[service.Catalog]
	refresh  sync.Mutex // one refresh at a time; guards projects and reached
	projects map[int64]*definition.Project
	reached  map[online.Generation]reach // of the generations that answer
	trouble  atomic.Pointer[error]
	stop     context.CancelFunc
	done     chan struct{}
}

// StoreError is an error of the online store, where others are the registry's.
type StoreError struct{ Err error }

func (e *StoreError) Error() string { return e.Err.Error() }
func (e *StoreError) Unwrap() error { return e.Err }

// New is a watcher without a catalog; Refresh makes the first.
func New(project string, r Registry, s Store, log *slog.Logger) *Watcher {
	return &Watcher{project: project, registry: r, store: s, log: log, projects: map[int64]*definition.Project{}, reached: map[online.Generation]reach{}}
}

// Catalog is what answers now; nil while nothing is applied.
func (w *Watcher) Catalog() *service.Catalog { return w.catalog.Load() }

// Trouble is why the last refresh failed; nil where it did not.
func (w *Watcher) Trouble() error {
	if err := w.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Start refreshes every interval until Stop. An error is logged and the old
// catalog goes on answering.
func (w *Watcher) Start(interval time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop, w.done = cancel, make(chan struct{})
	go func() {
		defer close(w.done)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := w.Refresh(ctx); err != nil && ctx.Err() == nil {
				w.log.Warn("the registry or the online store could not be read; answering from the last picture", "error", err)
			}
		}
	}()
}

// Stop ends polling and waits for it. It is idempotent.
func (w *Watcher) Stop() {
	if w.stop != nil {
		w.stop()
		<-w.done
	}
}

// Refresh reads the registry and the lanes now. The newest revision answers
// whose every view has a live generation of its own meaning: while a changed
// view is being filled, the revision before goes on answering, whole. Where no
// revision is whole, the newest answers and its unready views are REBUILDING.
func (w *Watcher) Refresh(ctx context.Context) error {
	w.refresh.Lock()
	defer w.refresh.Unlock()
	err := w.read(ctx)
	if err == nil {
		w.trouble.Store(nil)
	} else if ctx.Err() == nil {
		w.trouble.Store(&err)
	}
	return err
}

func (w *Watcher) read(ctx context.Context) error {
	newest, err := w.registry.CurrentNumber(ctx)
	if err != nil || newest == 0 {
		return err
	}
	live, err := w.live(ctx)
	if err != nil {
		return err
	}
	chosen, _, err := registry.Choose(newest, live, func(n int64) (*definition.Project, error) { return w.load(ctx, n) })
	if err != nil {
		return err
	}
	return w.install(ctx, chosen, live)
}

// live are the registry's live generations by view.
func (w *Watcher) live(ctx context.Context) (map[string]registry.Generation, error) {
	list, err := w.registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	return registry.LiveOf(list), nil
}

func (w *Watcher) install(ctx context.Context, number int64, live map[string]registry.Generation) error {
	project, err := w.load(ctx, number)
	if err != nil {
		return err
	}
	generations, err := w.generations(ctx, project, live)
	if err != nil {
		return err
	}
	if current := w.catalog.Load(); current != nil && current.Revision == number {
		w.catalog.Store(current.With(generations))
		return nil
	}
	next, err := service.NewCatalog(number, project, generations)
	if err != nil {
		return fmt.Errorf("revision %d: %w", number, err)
	}
	w.catalog.Store(next)
	w.log.Info("serving a revision", "revision", number, "services", len(project.Services))
	return nil
}

// load gives a revision's definitions; those seen before are kept.
func (w *Watcher) load(ctx context.Context, number int64) (*definition.Project, error) {
	if p, ok := w.projects[number]; ok {
		return p, nil
	}
	r, err := w.registry.Revision(ctx, number)
	if err != nil {
		return nil, err
	}
	project, problems := definition.Load(r.Files)
	if project == nil {
		return nil, featurestore.Invalidf("revision %d does not load with this version of freshet: %v", number, problems)
	}
	delete(w.projects, number-registry.LookBack-1)
	w.projects[number] = project
	return project, nil
}

// generations says of each stored view which generation answers and how far it is.
func (w *Watcher) generations(ctx context.Context, p *definition.Project, live map[string]registry.Generation) (map[string]service.Generation, error) {
	out := map[string]service.Generation{}
	answer := map[online.Generation]bool{}
	for _, v := range p.StreamViews {
		g, ok := live[v.Name]
		if !ok || g.Hash != v.Hash {
			continue
		}
		next := service.Generation{ID: online.Generation{Project: w.project, View: g.View, Number: g.Number}, Lanes: g.Lanes}
		lanes, err := w.store.Lanes(ctx, next.ID, g.Lanes)
		if err != nil {
			return nil, &StoreError{err}
		}
		next.Ready, next.Halted = answering(lanes)
		next.State = online.Worst(lanes)
		if answer[next.ID] = true; w.behind(next.ID, lanes) {
			next.Ready, next.State = false, online.StateCatchingUp
		}
		next.Watermark, next.HasWatermark = watermark(lanes)
		next.Slowest = slowest(v, lanes)
		out[v.Name] = next
	}
	for _, v := range p.BatchViews {
		if g, ok := live[v.Name]; ok && g.Hash == v.Hash {
			out[v.Name] = service.Generation{ID: online.Generation{Project: w.project, View: g.View, Number: g.Number}, Lanes: g.Lanes, Ready: true, State: online.StateLive}
		}
	}
	w.forget(answer)
	return out, nil
}

// answering reports whether every lane holds whole values: those of a halted view
// are right as of its watermark, and STALE in time.
func answering(lanes []online.Lane) (ready, halted bool) {
	for i := range lanes {
		state := lanes[i].Meta.State
		if !state.Answers() {
			return false, false
		}
		halted = halted || state == online.StateHalted
	}
	return len(lanes) > 0, halted
}

// watermark is the least time, over partitions and lanes, up to which records
// are applied; a lane that has not seen a partition yet has none. Of a source's
// logs only the newest counts: nothing more comes of those before.
func watermark(lanes []online.Lane) (t featurestore.Instant, ok bool) {
	partitions := current(lanes)
	for i := range lanes {
		for p := range partitions {
			m, seen := lanes[i].Watermarks[p]
			if !seen {
				return 0, false
			}
			at := max(featurestore.Instant(m.LogTime), m.FetchTime)
			if !ok || at < t {
				t, ok = at, true
			}
		}
	}
	return t, ok
}
