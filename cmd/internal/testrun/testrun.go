// Package testrun runs Test documents: their events go through the decoder, the
// ingester's fold and a real online store, the rows of their tables through runs
// of the batch views, and their expectations are lookups.
// What passes here is what a deployment answers.
package testrun

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/service"
)

// Result is what one Test document gave.
type Result struct {
	Test     string   `json:"test"`
	Place    string   `json:"place"`
	Checked  int      `json:"checked"` // expected values
	Failures []string `json:"failures,omitempty"`
}

// Passed reports whether every expectation held.
func (r *Result) Passed() bool { return len(r.Failures) == 0 }

// lanes of the views under test: more than one, so that lanes are exercised.
const lanes = 4

// Run runs one test of a project whose definitions are in root. Its stores live
// in a temporary folder and end with it.
func Run(ctx context.Context, root string, p *definition.Project, t *definition.Test) (_ *Result, err error) {
	dir, err := os.MkdirTemp("", "freshet-test-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &run{project: p, test: t, result: &Result{Test: t.Name, Place: fmt.Sprintf("%s:%d", t.Place.File, t.Place.Line)}}
	r.store, err = embedded.Open(embedded.Config{Dir: dir, Now: func() featurestore.Instant { return r.clock }})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.store.Close()) }()
	if err := r.load(ctx, root, dir); err != nil {
		return nil, fmt.Errorf("test %q: %w", t.Name, err)
	}
	expect := slices.Clone(t.Expect)
	slices.SortStableFunc(expect, func(a, b definition.Expectation) int { return cmp.Compare(a.At, b.At) })
	for i := range expect {
		if err := r.check(ctx, &expect[i]); err != nil {
			return nil, fmt.Errorf("test %q: %w", t.Name, err)
		}
	}
	return r.result, nil
}

type run struct {
	project *definition.Project
	test    *definition.Test
	result  *Result
	store   *embedded.Store
	clock   featurestore.Instant
	catalog *service.Catalog
	plan    *service.Compiled
	views   []*worker.View
	feeds   []*feed
	tables  []*table
}

// feed is the decoded events of one source, in log order.
type feed struct {
	source *definition.StreamSource
	events []featurestore.Event
	next   int
}

// load opens the views and decodes the events.
func (r *run) load(ctx context.Context, root, dir string) error {
	generations := map[string]service.Generation{}
	for _, v := range r.project.StreamViews {
		id := online.Generation{Project: "test", View: v.Name, Number: 1}
		view, err := worker.OpenView(ctx, worker.ViewConfig{View: v, ID: id, Lanes: lanes, Store: r.store, CacheBytes: 1 << 20})
		if err != nil {
			return err
		}
		if err := r.store.SetState(ctx, id, online.StateLive); err != nil {
			return err
		}
		r.views = append(r.views, view)
		generations[v.Name] = service.Generation{ID: id, Lanes: lanes, Ready: true, HasWatermark: true}
	}
	for _, v := range r.project.BatchViews {
		generations[v.Name] = service.Generation{ID: online.Generation{Project: "test", View: v.Name, Number: 1}, Lanes: lanes, Ready: true}
	}
	var err error
	if r.catalog, err = service.NewCatalog(0, r.project, generations); err != nil {
		return err
	}
	if r.test.Service != "" {
		r.plan, err = r.catalog.Service(r.test.Service)
	} else {
		r.plan, err = r.catalog.Features([]string{r.test.View + ".*"})
	}
	if err != nil {
		return err
	}
	for _, e := range r.test.Events {
		if err := r.open(root, dir, e); err != nil {
			return err
		}
	}
	return nil
}

// open makes the events of a source ready.
func (r *run) open(root, dir string, e definition.TestEvents) error {
	if r.project.StreamSource(e.Source) != nil {
		f, err := r.decode(root, e)
		r.feeds = append(r.feeds, f)
		return err
	}
	for _, v := range r.project.BatchViews {
		if v.Source.Name != e.Source {
			continue
		}
		t, err := r.openTable(root, filepath.Join(dir, "tables"), v, e)
		if err != nil {
			return err
		}
		r.tables = append(r.tables, t)
	}
	return nil
}

// decode reads a source's events; an event's log time is its event time, a
// change's the time of the change. An
// event that a deployment would reject fails the test here.
func (r *run) decode(root string, e definition.TestEvents) (*feed, error) {
	source := r.project.StreamSource(e.Source)
	lines := e.JSON
	if e.File != "" {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.File)))
		if err != nil {
			return nil, featurestore.Invalidf("events of %q: %w", e.Source, err)
		}
		lines = bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	}
	d, err := decode.New(source, decode.Options{})
	if err != nil {
		return nil, err
	}
	f := &feed{source: source}
	var batch decode.Batch
	for i, line := range lines {
		rec := d.Pushed(line, featurestore.LogTime(featurestore.MaxInstant))
		rec.Offset = int64(i)
		if err := d.Append(&batch, &rec, featurestore.PartitionID{Generation: offline.FilesGeneration}); err != nil {
			return nil, featurestore.Invalidf("event %d of %q would be a dead letter: %w", i, e.Source, err)
		}
	}
	f.events = batch.Events
	for i := range f.events {
		ev := &f.events[i]
		if ev.LogTime = featurestore.LogTime(ev.Time); ev.Change != featurestore.NoChange {
			ev.LogTime = featurestore.LogTime(ev.Mutated)
		}
	}
	rank(f.events)
	return f, nil
}

// rank puts events into the order that they would have in a history file: by log
// time, then as they are listed. The two events of one record stay together.
func rank(events []featurestore.Event) {
	slices.SortStableFunc(events, func(a, b featurestore.Event) int { return cmp.Compare(a.LogTime, b.LogTime) })
	next, listed := int64(-1), int64(-1)
	for i := range events {
		if events[i].Offset != listed {
			listed = events[i].Offset
			next++
		}
		events[i].Offset = next
	}
}

// advance applies every event with a log time before t, and makes the runs that
// are due.
func (r *run) advance(ctx context.Context, t featurestore.Instant) error {
	r.clock = t
	for _, f := range r.feeds {
		from := f.next
		for f.next < len(f.events) && featurestore.Instant(f.events[f.next].LogTime) < t {
			f.next++
		}
		if f.next == from {
			continue
		}
		c := &worker.Chunk{
			Partition: online.Partition{Source: f.source.Name, Generation: offline.FilesGeneration},
			Events:    worker.List(f.events[from:f.next]), Through: f.events[f.next-1].Offset,
		}
		for _, v := range r.views {
			if err := v.Apply(ctx, c); err != nil {
				return err
			}
		}
	}
	for _, table := range r.tables {
		if err := table.advance(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) check(ctx context.Context, x *definition.Expectation) error {
	if err := r.advance(ctx, x.At); err != nil {
		return err
	}
	req := &service.Request{ID: "test", Rows: 1}
	for _, f := range r.plan.Entities {
		req.Entities = append(req.Entities, []featurestore.Value{x.Keys[f.Name]})
	}
	for _, f := range r.plan.Inputs {
		req.Inputs = append(req.Inputs, []featurestore.Value{x.Request[f.Name]})
	}
	answer, err := r.catalog.Lookup(ctx, r.store, r.plan, req, x.At)
	if err != nil {
		return err
	}
	for _, want := range x.Values {
		r.result.Checked++
		r.compare(x, &want, answer)
	}
	return nil
}

func (r *run) compare(x *definition.Expectation, want *definition.ExpectedValue, answer *service.Answer) {
	name := want.Feature
	if r.test.View != "" {
		name = featurestore.ColumnName(r.test.View, want.Feature)
	}
	for i := range answer.Columns {
		c := &answer.Columns[i]
		if c.Name != name {
			continue
		}
		got := c.Cells[0]
		if !got.Value.Equal(want.Value) || want.Status != featurestore.StatusUnspecified && got.Status != want.Status {
			expected := want.Value.Exact(c.Type)
			if want.Status != featurestore.StatusUnspecified {
				expected += " " + want.Status.String()
			}
			r.fail(want.Place, "%s at %s: got %s %s, expected %s", want.Feature, x.At, got.Value.Exact(c.Type), got.Status, expected)
		}
		return
	}
	r.fail(want.Place, "%s: the answer has no such column", want.Feature)
}

func (r *run) fail(at definition.Place, format string, args ...any) {
	r.result.Failures = append(r.result.Failures, fmt.Sprintf("%s:%d:%d: ", at.File, at.Line, at.Column)+fmt.Sprintf(format, args...))
}
