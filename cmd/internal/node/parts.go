package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/kafka"
	embeddedlog "github.com/freshet/freshet/ingest/kafka/embedded"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/ingest/schemaregistry"
)

// Parts are the stores of a project, as its settings name them.
type Parts struct {
	Settings *settings.Settings
	Clock    *Clock
	Logger   *slog.Logger

	Registry registry.Store
	Online   online.Store      // nil where it was not asked for
	Log      logrecord.Log     // nil where it was not asked for
	Schemas  logrecord.Schemas // the schema registry; nil where none is set
	Runs     *runs.Record

	// Patience is how long a log that does not answer is asked again; 0 is the
	// client's default.
	Patience time.Duration

	// LogSilent is why the log could not be opened, for who need not find that out again;
	// nil where nobody has tried, or it is open.
	LogSilent error

	storePatience time.Duration // with an online store at the start; 0 asks once

	closers []func() error

	loaded *loaded // of revisions
	asking *asking
}

// loaded keeps the definitions of revisions, which never change.
type loaded struct {
	mu sync.Mutex
	of map[int64]*definition.Project
}

// project is a revision's definitions.
func (p *Parts) project(ctx context.Context, revision int64) (*definition.Project, error) {
	p.loaded.mu.Lock()
	defer p.loaded.mu.Unlock()
	if known := p.loaded.of[revision]; known != nil {
		return known, nil
	}
	r, err := p.Registry.Revision(ctx, revision)
	if err != nil {
		return nil, err
	}
	project, problems := definition.Load(r.Files)
	if project == nil {
		return nil, featurestore.Invalidf("revision %d does not load with this version of freshet: %w", revision, problems)
	}
	p.loaded.of[revision] = project
	return project, nil
}

// Need says which parts a command opens: an embedded part can be open in one
// process only, so a command opens what it uses and no more.
type Need uint8

// Needs, as bits.
const (
	NeedOnline Need = 1 << iota
	NeedLog
	// Now says that a person waits: an online store that does not answer is asked once,
	// and a log for nowPatience.
	Now
)

const nowPatience = 3 * time.Second

// Closed are parts of which none is open yet, for who opens them one by one.
func Closed(s *settings.Settings, clock *Clock, logger *slog.Logger) *Parts {
	return &Parts{Settings: s, Clock: clock, Logger: logger, Runs: runs.Open(s.Offline.Dir), loaded: &loaded{of: map[int64]*definition.Project{}}, asking: &asking{}}
}

// Open opens the registry and what is needed.
func Open(ctx context.Context, s *settings.Settings, clock *Clock, logger *slog.Logger, need Need) (*Parts, error) {
	p := Closed(s, clock, logger)
	if p.Patience = nowPatience; need&Now == 0 {
		p.Patience, p.storePatience = 0, startPatience
	}
	if err := p.open(ctx, need); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Parts) open(ctx context.Context, need Need) error {
	if err := p.OpenRegistry(ctx); err != nil {
		return err
	}
	if need&NeedOnline != 0 {
		if err := p.openOnline(ctx); err != nil {
			return err
		}
	}
	if need&NeedLog != 0 {
		return p.OpenLog(ctx)
	}
	return nil
}

// OpenRegistry opens the registry, and makes it where there is none.
func (p *Parts) OpenRegistry(ctx context.Context) error {
	reg, err := sqlite.Open(ctx, p.Settings.Registry.SQLite, p.Settings.Online.Lanes)
	if err != nil {
		return err
	}
	p.Registry = reg
	p.closers = append(p.closers, reg.Close)
	return nil
}

func (p *Parts) openOnline(ctx context.Context) error {
	if err := p.OpenOnline(); err != nil {
		return err
	}
	err := p.awaitStore(ctx, p.checkOnline)
	switch {
	case errors.Is(err, online.ErrNearlyFull):
		p.Logger.Warn("the online store needs memory", "error", err)
	case errors.Is(err, online.ErrEvicted) && !errors.Is(err, featurestore.ErrInvalid):
		p.Logger.Warn("the online store has evicted keys: the ingester builds every view anew", "error", err)
	case err != nil:
		if errors.Is(err, featurestore.ErrInvalid) {
			return fmt.Errorf("the online store's settings: %w", err)
		}
		return fmt.Errorf("the online store: %w", err)
	}
	return p.AdoptClock(ctx)
}

// checkOnline checks the store's settings once it answers.
func (p *Parts) checkOnline(ctx context.Context) error {
	if err := p.reach(ctx); err != nil {
		return err
	}
	return p.Online.Check(ctx)
}

// reach asks the store once whether it is there; an embedded one is.
func (p *Parts) reach(ctx context.Context) error {
	if r, ok := p.Online.(*redis.Store); ok {
		return r.Reach(ctx)
	}
	return nil
}

// AdoptClock takes over the clock of a replay whose values the online store holds.
func (p *Parts) AdoptClock(ctx context.Context) error {
	t, found, err := p.clock().Clock(ctx, p.Settings.Project)
	if err == nil && found {
		p.Clock.adopt(t)
	}
	return err
}

// OpenOnline opens the online store, whose settings are the caller's to check.
func (p *Parts) OpenOnline() error {
	var store online.Store
	var err error
	if r := p.Settings.Online.Redis; r != nil {
		store, err = openRedis(p.Settings.Project, r)
	} else {
		store, err = embedded.Open(embedded.Config{Dir: p.Settings.Online.Embedded, Now: p.Clock.Now, Logger: p.Logger})
	}
	if err != nil {
		return err
	}
	p.Online = store
	p.closers = append(p.closers, store.Close)
	return nil
}

func openRedis(project string, r *settings.Redis) (*redis.Store, error) {
	c := redis.Config{
		Project: project,
		Mode:    map[string]redis.Mode{settings.RedisSentinel: redis.Sentinel, settings.RedisCluster: redis.Cluster}[r.Mode], Addrs: r.Addrs,
		Credentials: func() (string, string) { return r.Username, string(r.Password) },
	}
	if s := r.Sentinel; s != nil {
		c.Master = s.Master
		c.SentinelCredentials = func() (string, string) { return s.Username, string(s.Password) }
	}
	if r.Durability == "rebuild" {
		c.Durability = redis.Rebuild
	}
	var err error
	if c.TLS, err = r.TLS.Config("online.redis.tls"); err != nil {
		return nil, err
	}
	return redis.Open(c)
}

// clock is what keeps a replay's clock: the store, or a file where it cannot.
func (p *Parts) clock() online.Clocked {
	if clocked, ok := p.Online.(online.Clocked); ok {
		return clocked
	}
	return clockFile(filepath.Join(p.Settings.Offline.Dir, "replay-clock"))
}

// KeepClock keeps a replay's clock over a restart.
func (p *Parts) KeepClock(ctx context.Context) error {
	if !p.Clock.Replay() {
		return nil
	}
	return p.clock().SetClock(ctx, p.Settings.Project, p.Clock.Now())
}

// OpenLog opens the log, and the schema registry where there is one.
func (p *Parts) OpenLog(ctx context.Context) error {
	c := kafka.Config{Clock: p.Clock.Now, RetryFor: p.Patience}
	if k := p.Settings.Log.Kafka; k != nil {
		var err error
		if c.TLS, err = k.TLS.Config("log.kafka.tls"); err != nil {
			return err
		}
		if s := k.SASL; s != nil {
			c.SASL = kafka.SASL{Mechanism: s.Mechanism, User: s.Username, Password: string(s.Password)}
		}
		c.Brokers = k.Brokers
	} else {
		broker, err := embeddedlog.Start(p.Settings.Log.Embedded, embeddedlog.Options{})
		if err != nil {
			return err
		}
		p.closers = append(p.closers, broker.Close)
		c.Brokers = []string{broker.Addr()}
	}
	client, err := kafka.Open(ctx, c)
	if err != nil {
		return nextKafka(err, p.Settings.Log.Kafka)
	}
	p.Log = client
	p.closers = append(p.closers, client.Close)
	return p.OpenSchemas()
}

// OpenSchemas opens the schema registry, where there is one; it calls nobody.
func (p *Parts) OpenSchemas() error {
	s := p.Settings.Log.SchemaRegistry
	if s == nil {
		return nil
	}
	tls, err := s.TLS.Config("log.schema_registry.tls")
	if err != nil {
		return err
	}
	r, err := schemaregistry.Open(schemaregistry.Config{URLs: []string{s.URL}, Username: s.Username, Password: string(s.Password), TLS: tls, Clock: p.Clock.Now})
	if err != nil {
		return err
	}
	p.Schemas = r
	p.closers = append(p.closers, r.Close)
	return nil
}

// History reads what is at rest of the events.
func (p *Parts) History(use history.FilesUse) *history.Reader {
	return history.New(history.Options{Root: p.Settings.Root, Dir: p.Settings.Offline.Dir, Files: use})
}

// LettersDir is the folder of dead letters.
func (p *Parts) LettersDir() string { return filepath.Join(p.Settings.Offline.Dir, "deadletters") }

// refused gives the dead letters of a source that stand now.
func (p *Parts) refused(source string) iter.Seq2[deadletter.DeadLetter, error] {
	return deadletter.Read(p.LettersDir(), deadletter.Filter{Source: source})
}

// Close closes what was opened, last first. It is idempotent.
func (p *Parts) Close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(errs...)
}
