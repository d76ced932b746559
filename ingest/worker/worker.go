package worker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/deadletter"
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
	Refused  func(source string) iter.Seq2[deadletter.DeadLetter, error] // its dead letters so far; nil where they are not known
	Schemas  logrecord.Schemas                                           // the schema registry; nil where there is none
	Budget   Budget                                                      // of bad records
	Logger   *slog.Logger

	// Group, where it is set, shares the partitions with the other ingesters of
	// the project. Without it this process reads them all.
	Group     logrecord.Joiner
	GroupName string // "" is freshet.<project>

	// OpenArchive opens the archive of a source; the worker closes it.
	OpenArchive func(*definition.StreamSource) (Archive, error)

	// Widener adds to what is at rest the fields that a view needs and that events came
	// to rest without; nil leaves them null.
	Widener Widener

	// Files reads history files, and nothing else: what was replayed through a topic gets
	// such fields from there. nil where that is not to be.
	Files offline.History

	// Replayed says that a source's topic is filled by a replay of its history.
	// A topic whose first record says so counts as one, too.
	Replayed func(*definition.StreamSource) bool

	// PhysicalTTL gives stored entities a time to live. A replay has none: its
	// clock is not the store's.
	PhysicalTTL bool

	Observer Observer // of what is done, for metrics and traces; nil for none

	// Now is the wall's clock, also in a replay: how long a generation is kept and
	// when an audit is due is about the people who wait.
	Now func() featurestore.Instant

	// KeepPrevious is how long a generation that was taken over from is written on,
	// so that it can be gone back to; 0 retires it at once.
	KeepPrevious time.Duration

	// RetiredFor is how long the data of a generation stays after it was retired,
	// for servers that do not know yet; 0 is a minute.
	RetiredFor time.Duration

	Audit  Audit
	Upkeep Upkeep // of the archives
	Losses string // the folder of notes of evictions that are not dealt with; "" keeps none

	// NoteRest keeps in the online store what is at rest, so that its loss is seen.
	NoteRest bool

	// RestWithin is how long what is applied may wait until it is at rest; 0 is a minute.
	RestWithin time.Duration

	CacheBytes int           // of entities a view; 0 is 256 MiB over all views
	Heartbeat  time.Duration // 0 is a second
	Recheck    time.Duration // of the logs against what was applied; 0 is two heartbeats
	Poll       time.Duration // of the registry; 0 is 500 ms

	stepwise bool // ViewConfig's
}

const (
	defaultCacheBytes = 256 << 20
	defaultHeartbeat  = time.Second
	defaultPoll       = 500 * time.Millisecond
	defaultRetiredFor = time.Minute
	defaultRestWithin = time.Minute
)

// Worker keeps every generation of every stream view up to date with the log. A
// new revision in the registry is picked up without a restart.
type Worker struct {
	c        Config
	progress *Progress
	cancel   context.CancelFunc
	done     chan struct{}
	failure  error   // written before done is closed
	members  members // of the goroutine that arranges
	losses   losses
	recalled bool // what was noted of losses before is dealt with

	nextUpkeep featurestore.Instant // of the archives; of the chores, which run one at a time

	states sync.Mutex // held while a state of lanes is decided and written

	mu        sync.Mutex // guards what follows
	views     map[online.Generation]*running
	aside     map[online.Generation]aside
	archives  map[string]*openArchive
	revision  int64
	held      bool // a changed view's generation was found to be broken: none of its revision takes over
	parts     []*partition
	holding   []*partition // of these, and of arrangements before: their archives may be held
	share     share
	audited   AuditStatus
	nextAudit featurestore.Instant
	projects  map[int64]*definition.Project       // of revisions that were looked at
	changes   int64                               // of the registry, up to which this arrangement has seen it
	sources   []string                            // that this arrangement reads
	topics    map[string]int                      // theirs, with the partitions that it has seen
	logs      map[string]uint32                   // the generation under which each source's topic is read
	missing   map[string][]Missing                // what was at rest of a source and is not any more
	removed   map[string][]Missing                // what was applied, and compaction removed before it was at rest
	noted     map[string]*definition.StreamSource // those of which what is at rest is noted
	unlikely  map[string]bool                     // archived files whose records the log does not have, though it has others in their place
}

// New is a worker that does not run yet.
func New(c Config) *Worker {
	if c.CacheBytes == 0 {
		c.CacheBytes = defaultCacheBytes
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = defaultHeartbeat
	}
	if c.Recheck == 0 {
		c.Recheck = 2 * c.Heartbeat
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.RetiredFor == 0 {
		c.RetiredFor = defaultRetiredFor
	}
	if c.RestWithin == 0 {
		c.RestWithin = defaultRestWithin
	}
	if c.GroupName == "" {
		c.GroupName = "freshet." + c.Project
	}
	return &Worker{
		c: c, progress: newProgress(), done: make(chan struct{}), members: members{joiner: c.Group, name: c.GroupName}, losses: newLosses(c.Losses, c.Project),
		missing: map[string][]Missing{}, removed: map[string][]Missing{}, noted: map[string]*definition.StreamSource{}, unlikely: map[string]bool{},
		views: map[online.Generation]*running{}, aside: map[online.Generation]aside{}, archives: map[string]*openArchive{},
	}
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
			w.failure = err
		}
	}()
}

// Done is closed when the worker has ended, by Stop or by an error.
func (w *Worker) Done() <-chan struct{} { return w.done }

// Err is the error that ended the worker, once Done is closed; nil after Stop.
func (w *Worker) Err() error {
	<-w.done
	return w.failure
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
	w.noteRest()
	errs = append(errs, w.members.leave())
	w.archives = map[string]*openArchive{}
	return errors.Join(errs...)
}

// run keeps one arrangement of partitions going until the registry wants another.
func (w *Worker) run(ctx context.Context) error {
	wait, said := backoff{}, ""
	for ctx.Err() == nil {
		err := w.arrange(ctx)
		switch {
		case err == nil:
			wait.reset()
			said = ""
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, featurestore.ErrUnavailable), errors.Is(err, featurestore.ErrNotFound), errors.Is(err, errLost):
			// Lanes that are lost while they are made are made again: a store that evicts
			// does so until a person ends it.
			if said != err.Error() {
				said = err.Error()
				w.c.Logger.Warn("waiting for a part that is not available", "error", err)
			}
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
// wants something else, a new generation was filled, or a part must be opened anew.
func (w *Worker) arrange(ctx context.Context) error {
	if err := w.loseRemembered(ctx); err != nil {
		return err
	}
	a, err := w.wanted(ctx)
	if err != nil {
		return err
	}
	topics, err := w.existing(ctx, a)
	if err != nil {
		return err
	}
	mine, err := w.members.of(ctx, topics)
	if err != nil {
		return err
	}
	if err := w.releaseOthers(mine); err != nil {
		return err
	}
	if err := w.open(ctx, a, mine); err != nil {
		return err
	}
	process := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts, err := w.partitions(ctx, a, mine)
	if err != nil {
		return err
	}
	w.adopt(a, parts, mine)
	w.progress.arrange(parts, a.sources())

	var group errgroup.Group
	runs := sourceContexts(ctx, parts)
	for _, p := range parts {
		group.Go(func() error {
			defer p.begun.Store(false)
			err := w.runPartition(ctx, runs[p.shared], p)
			if err != nil {
				cancel()
			}
			return ignoreLost(err)
		})
	}
	group.Go(func() error { return w.tend(ctx, cancel, a.changes) })
	group.Go(func() error { return w.watchLogs(ctx, cancel, parts) })
	group.Go(func() error { return w.watchStore(ctx, process, cancel) })
	group.Go(func() error { return w.watchRest(ctx, cancel, a) })
	return errors.Join(ignoreCanceled(group.Wait()), w.handOver(mine))
}

// adopt makes partitions the arrangement.
func (w *Worker) adopt(a *arrangement, parts []*partition, mine share) {
	w.mu.Lock()
	defer w.mu.Unlock()
	other := mine.assignment != w.share.assignment // somebody else may have led, and built generations anew
	w.revision, w.changes, w.held, w.parts, w.share = a.revision, a.changes, a.held(), parts, mine
	w.holding = append(w.holding, parts...)
	clear(w.unlikely) // a log may be restored
	for _, r := range w.views {
		r.far = nil // who reads what may have changed
		r.checked = r.checked && !other
	}
	w.adoptMeanings(a)
}

// sourceContexts gives the partitions of each source a context that ends with
// that of all, or when one of them finds the source in a GAP.
func sourceContexts(ctx context.Context, parts []*partition) map[*sourceLog]context.Context {
	runs := map[*sourceLog]context.Context{}
	for _, p := range parts {
		if runs[p.shared] == nil {
			runs[p.shared], p.shared.halt = context.WithCancelCause(ctx)
		}
	}
	return runs
}

// runPartition runs one partition until run ends; its error halts its views and
// no others. What the next arrangement can mend is returned.
func (w *Worker) runPartition(ctx, run context.Context, p *partition) error {
	ticker := time.NewTicker(w.c.Heartbeat)
	defer ticker.Stop()
	p.ticks = ticker.C
	if err := p.run(run); err != nil {
		return w.halted(ctx, p, err)
	}
	return nil
}

// Advance moves every lane to the end of what is applied, now: a replay does so
// before a lookup, where the heartbeat would come too late. Where the store has
// lost something meanwhile, it waits until that is applied again, and where the
// partitions are being arranged anew, for some seconds until they have begun.
func (w *Worker) Advance(ctx context.Context, at featurestore.Instant) error {
	wait := backoff{}
	for looks := 1; ; looks++ {
		begun, err := w.advance(ctx, at)
		var rewind *rewindError
		if again := errors.As(err, &rewind) || err == nil && !begun && looks < mostLooks; !again {
			return err
		}
		if err := wait.sleep(ctx); err != nil {
			return err
		}
	}
}

// mostLooks is how often Advance looks whether partitions have begun, which takes
// some ten seconds: one may have to wait for a part that is not available.
const mostLooks = 30

// advance does it once; begun says that no partition was left out that may begin.
func (w *Worker) advance(ctx context.Context, at featurestore.Instant) (begun bool, err error) {
	w.mu.Lock()
	parts := w.parts
	w.mu.Unlock()
	halted := w.progress.Halted()
	begun = true
	for _, p := range parts {
		s, ok := w.progress.status(p.id())
		if !ok || !p.begun.Load() {
			begun = begun && halted[p.id()] != nil
			continue
		}
		c := &Chunk{Partition: s.Partition, Through: s.Through, LogTime: noLogTime, FetchTime: at}
		if s.Events+s.Dead > 0 {
			c.LogTime = s.LogTime
		}
		for _, v := range p.views() {
			if err := v.Advance(ctx, c); err != nil {
				return begun, fmt.Errorf("view %q: %w", v.Name(), err)
			}
		}
	}
	return begun, nil
}

// Flush seals every archive: what is applied is then at rest.
func (w *Worker) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, a := range w.archives {
		errs = append(errs, a.seal())
	}
	return errors.Join(errs...)
}
