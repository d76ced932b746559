package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/freshet/freshet/cmd/internal/canary"
	"github.com/freshet/freshet/cmd/internal/telemetry"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/ingest/deadletter"
	archive "github.com/freshet/freshet/ingest/history"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/predlog"
	"github.com/freshet/freshet/serving/rpc"
	"github.com/freshet/freshet/serving/watch"
)

// Role says what a node does, as bits.
type Role uint8

// Roles.
const (
	Serve Role = 1 << iota
	Ingest
)

// watchEvery is how often a server looks at the registry and the lanes.
const watchEvery = 500 * time.Millisecond

// stopWithin bounds how long requests under way may take at the end.
const stopWithin = 10 * time.Second

// Options say how a node runs.
type Options struct {
	Role    Role
	Version string
	Listen  string // "" takes serve.listen
	// Replayed says that a source's topic is filled by a replay in this process.
	Replayed func(*definition.StreamSource) bool
	// Gate lets lookups in between the steps of a replay; nil where there is none.
	Gate *Gate
	// LookEvery is how often a server looks at the settings of the online store; 0 is
	// half a minute.
	LookEvery time.Duration
}

// Node is a running Freshet: the server, the ingester, or both.
type Node struct {
	Parts   *Parts
	Worker  *worker.Worker // nil without Ingest
	Canary  *canary.Canary // nil where the settings want none, and without Ingest on a Kafka
	Backend *Backend
	Server  *rpc.Server // nil without Serve

	Admin *telemetry.Admin // nil without admin.listen

	letters *deadletter.Folder
	upkeep  *upkeep    // nil without Ingest
	look    *storeLook // nil with Ingest, whose worker looks, and where there is no Redis
	metrics *telemetry.Metrics
	tracer  *telemetry.Tracer // nil without traces
}

// Start starts a node on open parts and returns when it answers. Stop ends it;
// the parts stay the caller's.
func Start(ctx context.Context, p *Parts, o Options) (*Node, error) {
	n := &Node{Parts: p}
	if err := n.start(ctx, o); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context, o Options) error {
	var err error
	if n.Backend, err = n.Parts.Reading(ctx); err != nil {
		return err
	}
	n.Backend.Log, n.Backend.Gate = n.Parts.Log, o.Gate
	if err := n.observe(ctx, o); err != nil {
		return err
	}
	if o.Role&Ingest != 0 {
		if err := n.Parts.mayWrite(ctx); err != nil {
			return err
		}
		if err := n.startWorker(o); err != nil {
			return err
		}
		if err := n.startCanary(o); err != nil {
			return err
		}
	}
	n.Backend.Generations = func(ctx context.Context) ([]GenerationStatus, error) { return n.Parts.generations(ctx, n.Worker) }
	n.Backend.Report = func() Status {
		s := n.Parts.status(n.Backend.Catalog(), n.Worker, n.Backend.Predlog)
		s.Replaying = n.Backend.Gate != nil && n.Backend.Gate.Replaying()
		s.Canary = n.canaryStatus()
		if wrong, _ := n.look.says(); wrong != "" {
			s.Store = wrong
		}
		return s
	}
	if o.Role&Serve != 0 || n.Parts.Settings.Admin.Listen != "" {
		n.Backend.Watcher.Start(watchEvery)
	}
	if o.Role&Ingest == 0 {
		n.look = n.Parts.startLooking(o.LookEvery)
	}
	if err := n.startAdmin(o); err != nil || o.Role&Serve == 0 {
		return err
	}
	return n.startServer(o)
}

// Reading is a backend that only looks up.
func (p *Parts) Reading(ctx context.Context) (*Backend, error) {
	b := &Backend{Clock: p.Clock, Store: p.Online, Logger: p.Logger, Watcher: watch.New(p.Settings.Project, p.Registry, p.Online, p.Logger)}
	b.Generations = func(ctx context.Context) ([]GenerationStatus, error) { return p.generations(ctx, nil) }
	b.Report = func() Status { return p.status(b.Catalog(), nil, nil) }
	return b, p.awaitStore(ctx, func(ctx context.Context) error {
		if err := p.reach(ctx); err != nil {
			return err
		}
		return b.Watcher.Refresh(ctx)
	})
}

func (n *Node) startWorker(o Options) error {
	p := n.Parts
	var err error
	if n.letters, err = deadletter.Open(p.LettersDir(), deadletter.Options{}); err != nil {
		return err
	}
	var group logrecord.Joiner
	if p.Settings.Log.Kafka != nil && o.Replayed == nil {
		group, _ = p.Log.(logrecord.Joiner) // a log in the process is one process's
	}
	var letters worker.Letters = n.letters
	if p.Settings.Ingest.DeadLetters.Topic {
		letters = &deadletter.Both{Folder: n.letters, Topic: deadletter.NewTopic(p.Log, p.Settings.Project, n.topicOf)}
	}
	n.upkeep = &upkeep{parts: p, done: map[string]archive.Compacted{}}
	use := history.JoinedFiles
	if o.Replayed != nil {
		use = history.ArchiveOnly // the files come through the log
	}
	n.Worker = worker.New(worker.Config{
		Group:   group,
		Project: p.Settings.Project, Registry: p.Registry, Log: p.Log, Online: p.Online,
		History: p.History(use), Letters: letters, Schemas: p.Schemas, Logger: p.Logger,
		Budget: worker.Budget{AtLeast: p.Settings.Ingest.DeadLetters.AtLeast, Share: p.Settings.Ingest.DeadLetters.Share},
		OpenArchive: func(s *definition.StreamSource) (worker.Archive, error) {
			return archive.Open(archive.Options{Dir: p.Settings.Offline.Dir, Source: s})
		},
		Refused:  p.refused,
		Widener:  archive.NewWidener(p.Settings.Offline.Dir, atomicfile.Disk{}, wall),
		Files:    history.New(history.Options{Root: p.Settings.Root}),
		Replayed: o.Replayed, PhysicalTTL: !p.Clock.Replay(), Now: wall, Observer: n.metrics,
		KeepPrevious: p.Settings.Ingest.KeepPrevious.Std(), Audit: worker.Audit{Every: p.Settings.Ingest.Audit.Every.Std()},
		Upkeep: worker.Upkeep{Every: p.Settings.Ingest.Archive.Every.Std(), Do: n.upkeep.do}, Losses: p.Settings.Offline.Dir, NoteRest: true,
		RestWithin: p.Settings.Ingest.Archive.RestWithin.Std(),
	})
	n.Worker.Start()
	return nil
}

// startCanary starts the canary on a Kafka. An embedded log is one process's, which
// keeps all of it for good; a replay's clock is not that of the canary.
func (n *Node) startCanary(o Options) error {
	p := n.Parts
	s := p.Settings.Ingest.Canary
	if s.Every == 0 || p.Settings.Log.Kafka == nil || o.Replayed != nil || p.Clock.Replay() {
		return nil
	}
	group, _ := p.Log.(logrecord.Joiner)
	var err error
	n.Canary, err = canary.New(canary.Config{
		Project: p.Settings.Project, Topic: s.Topic, Partitions: s.Partitions, Every: s.Every.Std(),
		Log: p.Log, Group: group, Online: p.Online, Logger: p.Logger, Now: wall, Served: n.metrics.CanaryServed,
	})
	if err != nil {
		return err
	}
	n.Canary.Start()
	return nil
}

// canaryStatus is nil where this process has no canary.
func (n *Node) canaryStatus() *canary.Status {
	if n.Canary == nil {
		return nil
	}
	s := n.Canary.Status()
	return &s
}

// wall is the wall's time, whatever clock a replay has.
func wall() featurestore.Instant { return featurestore.InstantOf(time.Now()) }

// topicOf gives the topic of a source, "" where there is none of this name.
func (n *Node) topicOf(source string) string {
	if c := n.Backend.Catalog(); c != nil {
		if s := c.Project.StreamSource(source); s != nil {
			return s.Topic
		}
	}
	return ""
}

// WorkerDone is closed when the ingester has ended; it never is where there is none.
func (n *Node) WorkerDone() <-chan struct{} {
	if n.Worker == nil {
		return nil
	}
	return n.Worker.Done()
}

func (n *Node) startServer(o Options) error {
	p := n.Parts
	listen := o.Listen
	if listen == "" {
		listen = p.Settings.Serve.Listen
	}
	exposure := rpc.LoopbackOnly
	if p.Settings.Serve.Insecure {
		exposure = rpc.Insecure
		p.Logger.Warn("serve.insecure is set: everybody who can reach the port is served, without authentication", "listen", listen)
	}
	if err := rpc.CheckListen(listen, exposure); err != nil {
		return err
	}
	var err error
	if n.Backend.Predlog, err = predlog.Open(predlog.Options{Dir: p.Settings.Offline.Dir}); err != nil {
		return err
	}
	api := rpc.Options{Backend: n.Backend, NewID: NewID, Now: time.Now, Version: o.Version, Log: p.Logger, Observer: n.metrics}
	if n.Admin == nil {
		api.Metrics = n.metrics.Handler()
	}
	n.Server, err = rpc.Start(listen, api)
	if err != nil {
		return err
	}
	p.Logger.Info("serving gRPC and HTTP", "address", n.Server.Addr())
	return nil
}

// Stop ends the server, then the ingester, then what they write to. It is
// idempotent.
func (n *Node) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var errs []error
	if n.Server != nil {
		errs = append(errs, n.Server.Stop(ctx))
	}
	if n.Admin != nil {
		errs = append(errs, n.Admin.Stop(ctx))
		n.Admin = nil
	}
	if n.Backend != nil && n.Backend.Watcher != nil {
		n.Backend.Watcher.Stop()
	}
	n.look.end()
	if n.Canary != nil {
		n.Canary.Stop()
	}
	if n.Worker != nil {
		errs = append(errs, n.Worker.Stop())
		n.Worker = nil
	}
	if n.Backend != nil && n.Backend.Predlog != nil {
		errs = append(errs, n.Backend.Predlog.Close())
	}
	if n.tracer != nil {
		errs = append(errs, n.tracer.Close(ctx))
		n.tracer = nil
	}
	if n.letters != nil {
		errs = append(errs, n.letters.Close())
		n.letters = nil
	}
	return errors.Join(errs...)
}

// NewID makes a request id: 12 random bytes in hex.
func NewID() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return "r-" + hex.EncodeToString(b[:])
}
