package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Config is what a worker is made from. Every part is the caller's to close.
type Config struct {
	Project  string
	Registry registry.Store
	Log      logrecord.Log
	Online   online.Store
	History  offline.History // complete ranges of the archive, to fill new generations from
	Letters  Letters
	Logger   *slog.Logger

	// OpenArchive opens the archive of a source; the worker closes it.
	OpenArchive func(*definition.StreamSource) (Archive, error)

	// Replayed says that a source's topic is filled by a replay of its history.
	// A topic whose first record says so counts as one, too.
	Replayed func(*definition.StreamSource) bool

	// PhysicalTTL gives stored entities a time to live. A replay has none: its
	// clock is not the store's.
	PhysicalTTL bool

	CacheBytes int           // of decoded entities a view; 0 is 256 MiB over all views
	Heartbeat  time.Duration // 0 is a second
	Poll       time.Duration // of the registry; 0 is 500 ms
}

const (
	defaultCacheBytes = 256 << 20
	defaultHeartbeat  = time.Second
	defaultPoll       = 500 * time.Millisecond
)

// Worker keeps every generation of every stream view up to date with the log. A
// new revision in the registry is picked up without a restart.
type Worker struct {
	c        Config
	progress *Progress
	cancel   context.CancelFunc
	done     chan struct{}

	mu       sync.Mutex // guards what follows
	views    map[online.Generation]*running
	archives map[string]*openArchive
	revision int64
	parts    []*partition
}

// running is a generation that is kept up to date.
type running struct {
	view  *View
	state registry.GenerationState
	full  bool // filled from history, where that was needed
}

type openArchive struct {
	Archive
	mu sync.Mutex
}

// New is a worker that does not run yet.
func New(c Config) *Worker {
	if c.CacheBytes == 0 {
		c.CacheBytes = defaultCacheBytes
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = defaultHeartbeat
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	return &Worker{c: c, progress: newProgress(), views: map[online.Generation]*running{}, archives: map[string]*openArchive{}, done: make(chan struct{})}
}

// Progress is what the worker reports.
func (w *Worker) Progress() *Progress { return w.progress }

// Start begins; Stop ends it. Errors of single partitions stand in Progress.
func (w *Worker) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go func() {
		defer close(w.done)
		if err := w.run(ctx); err != nil {
			w.c.Logger.Error("the ingester has stopped", "error", err)
			w.progress.fail(err)
		}
	}()
}

// Stop ends every partition, seals the archives and waits.
func (w *Worker) Stop() error {
	if w.cancel == nil {
		return nil
	}
	w.cancel()
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, a := range w.archives {
		errs = append(errs, a.Close())
	}
	w.archives = map[string]*openArchive{}
	return errors.Join(errs...)
}

// run keeps one arrangement of partitions going until the registry wants another.
func (w *Worker) run(ctx context.Context) error {
	wait := backoff{}
	for ctx.Err() == nil {
		err := w.arrange(ctx)
		switch {
		case err == nil:
			wait.reset()
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, featurestore.ErrUnavailable) || errors.Is(err, featurestore.ErrNotFound):
			w.c.Logger.Warn("waiting for a part that is not available", "error", err)
			if wait.sleep(ctx) != nil {
				return nil
			}
		default:
			return err
		}
	}
	return nil
}

// arrange opens what the registry wants, runs it, and returns when the registry
// wants something else or a new generation was filled.
func (w *Worker) arrange(ctx context.Context) error {
	wanted, revision, err := w.wanted(ctx)
	if err != nil {
		return err
	}
	if err := w.open(ctx, wanted); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts, err := w.partitions(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.revision, w.parts = revision, parts
	w.mu.Unlock()

	var group errgroup.Group
	for _, p := range parts {
		group.Go(func() error { w.runPartition(ctx, p); return nil })
	}
	group.Go(func() error { return w.tend(ctx, cancel, revision, parts) })
	return ignoreCanceled(group.Wait())
}

// runPartition runs one partition; its error halts its views and no others.
func (w *Worker) runPartition(ctx context.Context, p *partition) {
	ticker := time.NewTicker(w.c.Heartbeat)
	defer ticker.Stop()
	p.ticks = ticker.C
	err := p.run(ctx)
	if err == nil {
		return
	}
	w.c.Logger.Error("a partition has halted", "source", p.source.Name, "partition", p.number, "error", err)
	p.progress.trouble(p.id(), err)
	p.progress.fail(err)
	var gap *GapError
	if !errors.As(err, &gap) {
		return
	}
	for _, v := range p.views {
		if err := w.c.Online.SetState(ctx, v.ID(), online.StateGap); err != nil {
			w.c.Logger.Warn("the state GAP could not be stored", "view", v.Name(), "error", err)
		}
	}
}

// tend watches the registry, fills new generations and seals idle archives; it
// cancels the arrangement when another is needed.
func (w *Worker) tend(ctx context.Context, cancel context.CancelFunc, revision int64, parts []*partition) error {
	defer cancel()
	filled := make(chan error, 1)
	filling := false
	if v := w.unfilled(); v != nil {
		filling = true
		go func() { filled <- w.fill(ctx, v) }()
	}
	ticker := time.NewTicker(w.c.Poll)
	defer ticker.Stop()
	defer func() {
		if filling {
			cancel()
			<-filled
		}
	}()
	idle := idleSeal{w: w}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-filled:
			filling = false
			return err // rearranged with the filled generation, or tried again
		case <-ticker.C:
		}
		if err := idle.tick(); err != nil {
			return err
		}
		again, err := w.changed(ctx, revision, parts)
		if err != nil {
			w.c.Logger.Warn("the registry or the log could not be read", "error", err)
			continue
		}
		if again {
			return nil
		}
		if err := w.flip(ctx); err != nil {
			w.c.Logger.Warn("a new generation could not be made live", "error", err)
		}
	}
}

// idleSeal seals the archives once a stream has come to rest, so that what is
// applied can soon be read at rest.
type idleSeal struct {
	w            *Worker
	seen, sealed int64
}

func (i *idleSeal) tick() error {
	total := int64(0)
	for _, s := range i.w.progress.Statuses() {
		total += s.Events + s.Dead
	}
	if total != i.seen {
		i.seen = total
		return nil
	}
	if total == i.sealed {
		return nil
	}
	i.sealed = total
	return i.w.Flush()
}

// changed reports whether the registry has another revision or a topic more partitions.
func (w *Worker) changed(ctx context.Context, revision int64, parts []*partition) (bool, error) {
	now, err := w.c.Registry.CurrentNumber(ctx)
	if err != nil || now != revision {
		return now != revision, err
	}
	counts := map[string]int{}
	for _, p := range parts {
		counts[p.source.Topic]++
	}
	for topic, n := range counts {
		have, err := w.c.Log.Partitions(ctx, topic)
		if err != nil {
			return false, err
		}
		if have != n {
			return true, nil
		}
	}
	return false, nil
}

// Advance moves every lane to the end of what is applied, now: a replay does so
// before a lookup, where the heartbeat would come too late.
func (w *Worker) Advance(ctx context.Context, at featurestore.Instant) error {
	w.mu.Lock()
	parts := w.parts
	w.mu.Unlock()
	for _, s := range w.progress.Statuses() {
		for _, p := range parts {
			if p.id() != s.Partition {
				continue
			}
			c := &Chunk{Partition: s.Partition, Through: s.Through, LogTime: s.LogTime, FetchTime: at}
			for _, v := range p.views {
				if err := v.Advance(ctx, c); err != nil {
					return fmt.Errorf("view %q: %w", v.Name(), err)
				}
			}
		}
	}
	return nil
}

// Flush seals every archive: what is applied is then at rest.
func (w *Worker) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, a := range w.archives {
		a.mu.Lock()
		errs = append(errs, a.Flush())
		a.mu.Unlock()
	}
	return errors.Join(errs...)
}

// ViewCounts are the counters of every running generation, by view and number.
func (w *Worker) ViewCounts() map[online.Generation]Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[online.Generation]Counts{}
	for id, r := range w.views {
		out[id] = r.view.Counts()
	}
	return out
}

// Revision is the revision that the worker has picked up.
func (w *Worker) Revision() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.revision
}
