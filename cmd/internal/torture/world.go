package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/load"
	"github.com/freshet/freshet/cmd/internal/torture/plant"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// world is the system under torture of one scenario: its own topics on the
// common broker, its own Redis, its own processes.
type world struct {
	ctx    context.Context
	name   string
	dir    string
	r      *rand.Rand
	draw   *rand.Rand // of the producer, which may run beside
	result *result
	say    func(format string, args ...any)
	bench  *bench

	kafka   *plant.Kafka
	redis   *redistest.Server // nil where the scenario has a group or a cluster
	project *plant.Project
	defs    *definition.Project

	// meanings are the definitions of each view's generations, the first of them first.
	meanings map[string][]*definition.StreamView

	api    *api
	admins []*api       // of the ingesters
	store  *redis.Store // to look at lanes and bytes, beside the system
	lanes  uint16       // of each generation

	gen    *load.Generator
	ledger *load.Ledger
	past   *load.Ledger      // before the log lost its end; nil where it has not
	lives  map[string]uint32 // of the topics
	seen   *sampler

	dropped map[load.Partition]int64 // by retention: what is at rest begins there

	closers []func() error

	mu    sync.Mutex
	known map[string]int // partitions by source
}

// options of a world.
type options struct {
	ingesters   int
	mix         load.Mix
	online      string // of the settings; "" is the scenario's own redis-server
	store       redis.Config
	topics      map[string]int // partitions by source; nil are the usual two
	definitions string         // "" are the usual ones
	begins      time.Duration  // now, the log's time begins; 0 is before
	settings    string         // further ones
}

func usual() options { return options{ingesters: 1, mix: load.UsualMix()} }

const (
	before          = 8 * time.Hour // now, the log's time begins
	clickPartitions = 3
	orderPartitions = 2
)

// laneCounts are what a scenario's generations may have: as many as those of most
// projects, as those of before there was a choice, or a number that is no power of two.
var laneCounts = []uint16{online.DefaultLanes, online.DefaultLanes, 64, 5}

// open makes the topics and the store, applies the definitions, and starts the
// processes.
func (w *world) open(o options) error {
	w.draw = rand.New(rand.NewPCG(w.r.Uint64(), 5))
	w.gen = load.NewGenerator(w.r.Uint64(), o.mix, featurestore.InstantOf(time.Now().Add(-cmp.Or(o.begins, before))))
	w.lanes = laneCounts[w.r.IntN(len(laneCounts))]
	w.meanings = map[string][]*definition.StreamView{}
	w.ledger = load.NewLedger()
	if o.topics == nil {
		o.topics, o.definitions = map[string]int{"clicks": clickPartitions, "orders": orderPartitions}, cmp.Or(o.definitions, load.Definitions(w.name, load.Usual))
	}
	w.known, w.lives = o.topics, map[string]uint32{}
	for source, n := range o.topics {
		w.lives[source] = 1
		if err := w.kafka.Create(w.ctx, w.topic(source), n); err != nil {
			return err
		}
	}
	if o.online == "" {
		if err := w.openRedis(); err != nil {
			return err
		}
		o.online, o.store = fmt.Sprintf("{addrs: [%q]}", w.redis.Addr()), redis.Config{Addrs: []string{w.redis.Addr()}}
	}
	var err error
	if w.store, err = redis.Open(o.store); err != nil {
		return err
	}
	w.atEnd(w.store.Close)
	w.project, err = plant.NewProject(filepath.Join(w.dir, "project"), w.bench.bin, w.kafka.Broker.Addr(), o.online, w.lanes)
	if err != nil {
		return err
	}
	w.atEnd(w.project.Stop)
	if err := w.project.Settings(o.settings); err != nil {
		return err
	}
	if err := w.apply(o.definitions); err != nil {
		return err
	}
	for range o.ingesters {
		x, err := w.project.Ingester()
		if err == nil {
			err = x.Start()
		}
		if err != nil {
			return err
		}
		w.admins = append(w.admins, &api{base: "http://" + x.Admin, client: &http.Client{Timeout: time.Second}})
	}
	w.api = newAPI(w.project.Listen)
	return w.project.Serve(w.ctx)
}

func (w *world) openRedis(args ...string) error {
	dir := filepath.Join(w.dir, "redis")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	s, err := redistest.Start(w.ctx, redistest.Options{Dir: dir, Args: append([]string{"--appendfsync", "always"}, args...)})
	if err != nil {
		return err
	}
	w.redis = s
	w.atEnd(s.Stop)
	return nil
}

func (w *world) apply(text string) error {
	p, err := load.Parse(text)
	if err != nil {
		return err
	}
	if err := w.project.Apply(w.ctx, text); err != nil {
		return err
	}
	w.defs = p
	for _, v := range p.StreamViews {
		list := w.meanings[v.Name]
		if !slices.ContainsFunc(list, func(o *definition.StreamView) bool { return o.Hash == v.Hash }) { // else a generation that was kept answers
			w.meanings[v.Name] = append(list, v)
		}
	}
	return nil
}

// meaning is the definition that a generation of a view was made from.
func (w *world) meaning(view *definition.StreamView, generation uint32) *definition.StreamView {
	if list := w.meanings[view.Name]; generation >= 1 && int(generation) <= len(list) {
		return list[generation-1]
	}
	return view
}

func (w *world) atEnd(f func() error) { w.closers = append(w.closers, f) }

// close ends everything, last first.
func (w *world) close() error {
	if w.seen != nil {
		w.seen.stop()
	}
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	return errors.Join(errs...)
}

func (w *world) topic(source string) string { return w.name + "." + source }

// place says to which partition a producer sends an event: clicks are keyed by
// their user, orders by their page.
func place(source string, e *load.Event, partitions int) int32 {
	h := fnv.New32a()
	if source == "clicks" {
		_, _ = h.Write([]byte(e.User)) // never fails
	} else {
		_, _ = fmt.Fprint(h, e.Page)
	}
	return int32(h.Sum32() % uint32(partitions))
}

// produce sends n random events, two thirds of them clicks, in batches of random
// sizes.
func (w *world) produce(n int) error {
	for n > 0 {
		size := min(n, 1+w.draw.IntN(200))
		if err := w.batch(size); err != nil {
			return err
		}
		n -= size
	}
	return nil
}

func (w *world) batch(n int) error {
	type to struct {
		source string
		number int32
	}
	var order []to
	lists := map[to][]load.Event{}
	for range n {
		source := "clicks"
		if w.draw.IntN(3) == 0 {
			source = "orders"
		}
		e := w.gen.Next()
		at := to{source, place(source, &e, w.partitions(source))}
		if lists[at] == nil {
			order = append(order, at)
		}
		lists[at] = append(lists[at], e)
	}
	for _, at := range order {
		if err := w.send(at.source, at.number, lists[at]...); err != nil {
			return err
		}
	}
	return nil
}

// partitions are how many a producer knows of.
func (w *world) partitions(source string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known[source]
}

// grow gives a topic more partitions, and tells the producer once they take
// records.
func (w *world) grow(source string, n int) error {
	if err := w.kafka.Grow(w.ctx, w.topic(source), n); err != nil {
		return err
	}
	err := w.until("the new partitions answer", patience, func() (bool, string) {
		for p := range n {
			if _, err := w.kafka.Client.Bounds(w.ctx, w.topic(source), int32(p)); err != nil {
				return false, err.Error()
			}
		}
		return true, ""
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[source] = n
	return err
}

// send produces events to one partition and notes them.
func (w *world) send(source string, number int32, events ...load.Event) error {
	records := make([]logrecord.Record, len(events))
	for i := range events {
		records[i] = logrecord.Record{LogTime: events[i].LogTime, Key: []byte(events[i].User), Value: events[i].JSON()}
	}
	p := load.Partition{Source: source, Generation: w.lives[source], Number: number}
	base, err := w.kafka.Client.Produce(w.ctx, w.topic(source), number, records)
	if errors.Is(err, featurestore.ErrUnavailable) {
		base, err = w.unanswered(p, records, err)
	}
	if err != nil {
		return err
	}
	w.ledger.Committed(p, base, events)
	return nil
}

// unanswered settles a produce request whose fate is unknown, which happens on a
// slow machine: nobody else writes to the partition, so that the log's end says
// whether the records are there.
func (w *world) unanswered(p load.Partition, records []logrecord.Record, cause error) (base int64, err error) {
	before := w.ledger.End(p)
	w.pause(2 * time.Second)
	b, err := w.kafka.Client.Bounds(w.ctx, w.topic(p.Source), p.Number)
	switch {
	case err != nil:
		return 0, errors.Join(cause, err)
	case b.End == before+int64(len(records)):
		return before, nil
	case b.End == before:
		return w.kafka.Client.Produce(w.ctx, w.topic(p.Source), p.Number, records)
	}
	return 0, fmt.Errorf("the log ends at %d after an unanswered produce at %d: %w", b.End, before, cause)
}

// generation is the one of a view that answers now.
func (w *world) generation(s *statusForm, view string) online.Generation {
	return online.Generation{Project: w.project.Name, View: view, Number: s.generations[view]}
}
