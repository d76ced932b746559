package canary

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/ingest/worker"
)

// Config is what a canary is made from. Every part is the caller's to close.
type Config struct {
	Project    string
	Topic      string // "" is TopicOf the project
	Partitions int    // of the topic, where it is made
	Every      time.Duration

	Log    logrecord.Log
	Group  logrecord.Joiner // nil: this process reads every partition
	Online online.Store
	Logger *slog.Logger

	Now    func() featurestore.Instant // the wall's clock
	Served func(time.Duration)         // told how long each round took until lookups saw it; nil for nobody

	Heartbeat time.Duration // of its worker; 0 is 2 seconds
	Poll      time.Duration // of its worker; 0 is the worker's default
}

// TopicOf is the topic of a project's canary, where the settings name no other.
func TopicOf(project string) string { return "freshet." + project + ".canary" }

// GroupOf is the consumer group of a project's canary.
func GroupOf(project string) string { return "freshet." + project + ".canary" }

const (
	heartbeat    = 2 * time.Second
	cacheBytes   = 4 << 20
	againAfter   = 5 * time.Second        // after what may pass
	refusedAfter = time.Minute            // after what a person must change
	slowAfter    = 10 * time.Second       // from when a round that is not served is told
	confirmAfter = 300 * time.Millisecond // between the two looks that a finding takes
)

// Canary is one process's part of a project's canary: the partitions of the topic
// that its worker reads are those that it writes.
type Canary struct {
	c          Config
	files      []definition.File
	project    *definition.Project
	generation online.Generation
	store      online.Store

	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex         // guards what follows
	status Status             // but for what Status derives
	seen   map[string]Finding // what was told of series that are still looked at
	wrong  string             // the first finding of the last look
	stood  error              // why it stands still
	said   string             // the last such reason that was logged
	late   string             // what the worker says, for records that are not served
	rounds int64              // that were begun
}

// New is a canary that does not run yet.
func New(c Config) (*Canary, error) {
	if c.Topic == "" {
		c.Topic = TopicOf(c.Project)
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = heartbeat
	}
	c.Logger = c.Logger.With("canary", c.Topic)
	files, project, err := defined(c.Topic)
	if err != nil {
		return nil, err
	}
	id := online.Generation{Project: c.Project, View: View, Number: generationOf(project.StreamView(View))}
	return &Canary{
		c: c, files: files, project: project, generation: id, store: unwatched{c.Online}, done: make(chan struct{}), seen: map[string]Finding{},
		status: Status{Topic: c.Topic, Every: c.Every.String()},
	}, nil
}

// Start begins; Stop ends it.
func (c *Canary) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go func() {
		defer close(c.done)
		c.run(ctx)
	}()
}

// Stop ends the canary and waits. It is idempotent.
func (c *Canary) Stop() {
	if c.cancel != nil {
		c.cancel()
		<-c.done
	}
}

// run begins again whatever ends: a canary that cannot go on harms nobody, and
// says so.
func (c *Canary) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		timer := time.NewTimer(c.stands(err))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// errAnew says that the topic is another one now: the canary begins anew on it.
var errAnew = errors.New("the topic of the canary was made anew, or has lost records: the canary begins anew")

// once runs until something ends it.
func (c *Canary) once(ctx context.Context) (err error) {
	if err := c.openTopic(ctx); err != nil {
		return err
	}
	registry := fixedRegistry(c.files, c.project)
	w := worker.New(worker.Config{
		Project: c.c.Project, Registry: registry, Log: c.c.Log, Online: c.store, History: expired{c.c.Log, c.c.Topic},
		Letters: foreign{c.foreign}, Budget: worker.Budget{AtLeast: -1}, Logger: c.c.Logger,
		Group: c.c.Group, GroupName: GroupOf(c.c.Project),
		OpenArchive: func(*definition.StreamSource) (worker.Archive, error) { return nothing{}, nil },
		PhysicalTTL: true, Now: c.c.Now, CacheBytes: cacheBytes, Heartbeat: c.c.Heartbeat, Poll: c.c.Poll,
	})
	w.Start()
	defer func() { err = errors.Join(err, w.Stop()) }()
	r := newRounds(c, w, registry)
	ticker := time.NewTicker(c.c.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Done():
			if errors.Is(w.Err(), featurestore.ErrInvalid) {
				return c.refused("the canary's topic cannot be read", w.Err())
			}
			return fmt.Errorf("the canary's worker has stopped: %w", w.Err())
		case <-ticker.C:
		}
		if err := c.gap(ctx, w); err != nil {
			return err
		}
		if err := r.round(ctx); err != nil {
			return err
		}
	}
}

// gap begins anew where the topic is not the log that was applied: nobody's data
// is in it, so that no person need decide. That acknowledged records are gone is a
// finding.
func (c *Canary) gap(ctx context.Context, w *worker.Worker) error {
	var gap *worker.GapError
	for id, err := range w.Progress().Halted() {
		if errors.As(err, &gap) {
			c.lost(id.Number, gap.Reason)
		}
	}
	if gap == nil {
		return nil
	}
	if err := c.store.Drop(ctx, c.generation, probes); err != nil {
		return err
	}
	return errAnew
}

// foreign is told of a record of the topic that is not the canary's. The first one
// is logged, the others are counted.
func (c *Canary) foreign(l deadletter.DeadLetter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Foreign++; c.status.Foreign == 1 {
		c.c.Logger.Warn("somebody else writes to the canary's topic: it is for the canary alone", "partition", l.Partition, "offset", l.Offset, "reason", l.Code+": "+l.Message)
	}
}
