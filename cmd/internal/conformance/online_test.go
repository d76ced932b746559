package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/service"
	"github.com/freshet/freshet/transforms/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t *testing.T) []*conformance.Case {
	t.Helper()
	cases, err := conformance.Load(os.DirFS(conformance.Dir()))
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// notOnline are the cases that no online path can take.
var notOnline = map[string]string{
	"36": "it reads in mode event_time alone, which is offline's",
	"55": "it reads in mode event_time alone, which is offline's",
}

// others adds the cases about trees of merges, which no store and no join has a
// say in, and those about tables, which have executors of their own.
func others(t *testing.T, leftOut map[string]string) map[string]string {
	all := maps.Clone(leftOut)
	for _, c := range load(t) {
		switch c.Kind {
		case conformance.KindMergeTree:
			all[c.Name] = "it is about trees of merges"
		case conformance.KindBatch:
			all[c.Name] = "it is about a table"
		default:
		}
	}
	return all
}

func wantLeftOut(t *testing.T, got []string, want map[string]string) {
	t.Helper()
	for _, name := range got {
		if want[name] == "" {
			t.Errorf("%s is left out without a reason", name)
		}
	}
	for name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s is said to be left out, and was run", name)
		}
	}
}

// TestEmbedded runs every case through decoder, fold and lookup over the
// embedded store.
func TestEmbedded(t *testing.T) {
	clock := &clock{}
	store, err := embedded.Open(embedded.Config{Dir: t.TempDir(), Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	wantLeftOut(t, conformance.RunAll(t, load(t), &onlinePath{name: "online, embedded", store: store, clock: clock}), others(t, notOnline))
}

// TestRedis runs the same over a real redis-server.
func TestRedis(t *testing.T) {
	wantLeftOut(t, conformance.RunAll(t, load(t), &onlinePath{name: "online, redis", store: realRedis(t), clock: &clock{}}), others(t, notOnline))
}

// realRedis is a store in a redis-server that ends with the test.
func realRedis(t *testing.T) *redis.Store {
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	store, err := redis.Open(redis.Config{Addrs: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// clock stands where the reading wants it.
type clock struct{ at featurestore.Instant }

func (c *clock) now() featurestore.Instant { return c.at }

// lanes of the views: few, so that entities share them.
const lanes = 3

// onlinePath is decoder -> worker.View -> store -> service.Catalog.Lookup.
type onlinePath struct {
	name  string
	store online.Store
	clock *clock
	next  uint32 // the generation that is made next: every run is in a fresh one
}

func (o *onlinePath) Name() string { return o.name }

func (o *onlinePath) Runs(c *conformance.Case, r *conformance.Reading) bool {
	return c.Kind != conformance.KindMergeTree && c.Kind != conformance.KindBatch && (r == nil || r.Mode == conformance.Online)
}

func (o *onlinePath) Run(c *conformance.Case) (conformance.Result, error) {
	ctx := context.Background()
	switch c.Kind {
	case conformance.KindParseTime:
		return parseTime(c)
	case conformance.KindKey:
		return o.distinctKeys(ctx, c)
	}
	p, err := project(c)
	if err != nil {
		return conformance.Result{}, err
	}
	if c.Kind == conformance.KindRequest {
		return o.request(ctx, p, c)
	}
	var result conformance.Result
	if result.Counters, err = o.counters(ctx, p, c); err != nil {
		return result, err
	}
	for i := range c.Readings {
		cells, err := o.read(ctx, p, c, &c.Readings[i])
		if err != nil {
			return result, err
		}
		result.Cells = append(result.Cells, cells)
	}
	return result, nil
}

func project(c *conformance.Case) (*definition.Project, error) {
	p, problems := definition.Load([]definition.File{{Path: "vector.yaml", Data: c.Definitions()}})
	if p == nil {
		return nil, fmt.Errorf("definitions: %w", problems)
	}
	return p, nil
}

// run is one fresh generation of the case's view.
type run struct {
	o    *onlinePath
	p    *definition.Project
	view *worker.View
	bad  map[decode.Code]int64 // dead letters
	fed  map[online.Partition]int64
}

func (o *onlinePath) begin(ctx context.Context, p *definition.Project) (*run, error) {
	o.next++
	return o.open(ctx, p, online.Generation{Project: "conformance", View: conformance.ViewName, Number: o.next})
}

// open is a worker that meets a generation, new or not.
func (o *onlinePath) open(ctx context.Context, p *definition.Project, id online.Generation) (*run, error) {
	view, err := worker.OpenView(ctx, worker.ViewConfig{View: p.StreamView(conformance.ViewName), ID: id, Lanes: lanes, Store: o.store, CacheBytes: 1 << 20})
	if err == nil { // lookups go by what the lanes say
		err = o.store.SetState(ctx, id, online.StateLive)
	}
	return &run{o: o, p: p, view: view, bad: map[decode.Code]int64{}, fed: map[online.Partition]int64{}}, err
}

// feed decodes and applies the records with a < until, in the order of the case
// and in chunks of a size, partition by partition.
func (r *run) feed(ctx context.Context, c *conformance.Case, until featurestore.Instant, size int) error {
	events := slices.DeleteFunc(slices.Clone(c.Events), func(e conformance.Event) bool { return int64(e.LogTime) >= int64(until) })
	for len(events) > 0 {
		n := 1
		for n < min(size, len(events)) && events[n].PartitionID == events[0].PartitionID {
			n++
		}
		if err := r.apply(ctx, events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// apply decodes records of one partition and folds them.
func (r *run) apply(ctx context.Context, events []conformance.Event) error {
	source := r.p.StreamSource(events[0].Source)
	d, err := decode.New(source, decode.Options{})
	if err != nil {
		return err
	}
	at := events[0].PartitionID
	id := online.Partition{Source: source.Name, Generation: at.Generation, Number: at.Partition}
	var batch decode.Batch
	for i := range events {
		e := &events[i]
		rec := logrecord.Record{Partition: at.Partition, Offset: e.Offset, LogTime: e.LogTime, Value: e.Wire}
		if err := d.Append(&batch, &rec, featurestore.PartitionID{Generation: at.Generation, Partition: at.Partition}); err != nil {
			var bad *decode.Error
			if !errors.As(err, &bad) {
				return err
			}
			r.bad[bad.Code]++
		}
	}
	chunk := &worker.Chunk{Partition: id, From: r.fed[id], Events: worker.List(batch.Events), Through: events[len(events)-1].Offset, LogTime: math.MinInt64}
	for i := range batch.Events {
		chunk.LogTime = max(chunk.LogTime, batch.Events[i].LogTime)
	}
	r.fed[id] = chunk.Through + 1
	if err := r.view.Apply(ctx, chunk); err != nil {
		return err
	}
	return r.view.Advance(ctx, chunk)
}

// counters feeds the whole log and says what an ingester counts.
func (o *onlinePath) counters(ctx context.Context, p *definition.Project, c *conformance.Case) (map[string]int64, error) {
	r, err := o.begin(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := r.feed(ctx, c, math.MaxInt64, 2); err != nil {
		return nil, err
	}
	n := r.view.Counts()
	count := map[string]int64{"late": n.Late, "null_key": n.NullKey, "ahead": r.bad[decode.CodeAhead]}
	for code, k := range r.bad {
		if code != decode.CodeAhead {
			count["dead_letter"] += k
		}
	}
	return count, nil
}

// read feeds what the log held when the clock stood there, and looks up.
func (o *onlinePath) read(ctx context.Context, p *definition.Project, c *conformance.Case, at *conformance.Reading) ([]featurestore.Cell, error) {
	sizes := c.Batches()
	o.clock.at = at.Clock
	r, err := o.begin(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := r.feed(ctx, c, at.Clock, sizes[0]); err != nil {
		return nil, err
	}
	key, _ := codec.AppendKey(nil, c.KeyTypes(), at.Entity) // a null key has no blob
	first, err := o.blob(ctx, r.view.ID(), key)
	if err != nil {
		return nil, err
	}
	for _, size := range sizes[1:] {
		if err := o.replayed(ctx, c, p, r.view.ID(), at, size, key, first); err != nil {
			return nil, err
		}
	}
	req := &service.Request{ID: "conformance", Rows: 1}
	for _, v := range at.Entity {
		req.Entities = append(req.Entities, []featurestore.Value{v})
	}
	if at.AsOf {
		req.AsOf = &at.At
	}
	answer, err := o.lookup(ctx, p, r.view.ID(), req)
	if err != nil {
		return nil, err
	}
	if !at.AsOf && answer.ReadTimes[0] != at.At {
		return nil, fmt.Errorf("it was read at %s, not at %s", answer.ReadTimes[0], at.At)
	}
	return cellsOf(answer), nil
}

// replayed feeds the log again, to the same generation by a worker that starts
// anew and to a fresh one: neither may leave other bytes.
func (o *onlinePath) replayed(ctx context.Context, c *conformance.Case, p *definition.Project, id online.Generation, at *conformance.Reading, size int, key, want []byte) error {
	o.next++
	for _, g := range []online.Generation{id, {Project: id.Project, View: id.View, Number: o.next}} {
		r, err := o.open(ctx, p, g)
		if err != nil {
			return err
		}
		if err := r.feed(ctx, c, at.Clock, size); err != nil {
			return err
		}
		got, err := o.blob(ctx, g, key)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("the log in chunks of %d left other bytes in generation %d", size, g.Number)
		}
	}
	return nil
}

func (o *onlinePath) blob(ctx context.Context, g online.Generation, key []byte) ([]byte, error) {
	parts, err := o.store.Get(ctx, []online.EntityID{{LaneID: online.LaneID{Generation: g, Lane: codec.Lane(key, lanes)}, Key: key, Split: true}})
	if err != nil {
		return nil, err
	}
	if parts[0].Closed == nil {
		return parts[0].Open, nil
	}
	return append(append(parts[0].Open, "closed part: "...), parts[0].Closed...), nil
}

func (o *onlinePath) catalog(p *definition.Project, g online.Generation) (*service.Catalog, error) {
	return service.NewCatalog(1, p, map[string]service.Generation{
		conformance.ViewName: {ID: g, Lanes: lanes, Ready: true, Watermark: o.clock.at, HasWatermark: true},
	})
}

func (o *onlinePath) lookup(ctx context.Context, p *definition.Project, g online.Generation, req *service.Request) (*service.Answer, error) {
	catalog, err := o.catalog(p, g)
	if err != nil {
		return nil, err
	}
	plan, err := catalog.Service(conformance.ServiceName)
	if err != nil {
		return nil, err
	}
	return catalog.Lookup(ctx, o.store, plan, req, o.clock.at)
}

func cellsOf(a *service.Answer) []featurestore.Cell {
	var cells []featurestore.Cell
	for _, c := range a.Columns {
		cells = append(cells, c.Cells[0])
	}
	return cells
}
