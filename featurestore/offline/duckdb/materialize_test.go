//go:build duckdb_arrow

package duckdb_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/dataset"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/ingest/materialize"
)

// materializer brings the shop's account view into a store of its own.
type materializer struct {
	*materialize.Materializer
	w     *world
	store *embedded.Store
	view  *definition.BatchView
	clock featurestore.Instant
	bad   []string
}

func newMaterializer(t *testing.T, w *world) *materializer {
	t.Helper()
	m := &materializer{w: w, view: w.project.BatchViews[0]}
	now := func() featurestore.Instant { return m.clock }
	var err error
	if m.store, err = embedded.Open(embedded.Config{Dir: t.TempDir(), Now: now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.store.Close(); err != nil {
			t.Error(err)
		}
	})
	m.Materializer = &materialize.Materializer{Root: w.root, Dir: filepath.Join(w.dir, "offline"), Reader: w.db, Writer: w.db, Store: m.store, Record: w.runs, Clock: now}
	return m
}

func (m *materializer) generation() online.Generation {
	return online.Generation{Project: "shop", View: m.view.Name, Number: 1}
}

func (m *materializer) run(t *testing.T, cutoff, now string) *materialize.Report {
	t.Helper()
	at := instant(t, cutoff)
	m.clock, m.bad = instant(t, now), nil
	report, err := m.Run(context.Background(), materialize.Request{
		View: m.view, Cutoff: at, Generation: m.generation(), Lanes: online.DefaultLanes,
		Bad: func(b materialize.BadRow) { m.bad = append(m.bad, fmt.Sprintf("%s:%d: %s", b.File, b.Row, b.Reason)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func instant(t *testing.T, s string) featurestore.Instant {
	t.Helper()
	at, err := featurestore.ParseInstant(s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// get reads the blob of an account.
func (m *materializer) get(t *testing.T, id int64) (blob []byte, row codec.BatchRow) {
	t.Helper()
	key, err := codec.AppendKey(nil, []featurestore.Type{featurestore.Int64}, []featurestore.Value{featurestore.Int64Value(id)})
	if err != nil {
		t.Fatal(err)
	}
	entity := online.EntityID{LaneID: online.LaneID{Generation: m.generation(), Lane: codec.Lane(key, online.DefaultLanes)}, Key: key}
	blobs, err := m.store.Get(context.Background(), []online.EntityID{entity})
	if err != nil {
		t.Fatal(err)
	}
	if blobs[0].Open == nil {
		return nil, row
	}
	row.Definition, row.Key = m.view.Hash, key
	if err := codec.DecodeBatchRow(blobs[0].Open, []featurestore.Type{featurestore.String, featurestore.Double}, &row); err != nil {
		t.Fatal(err)
	}
	return blobs[0].Open, row
}

// A run keeps the latest row of each entity before its cutoff, reports bad rows,
// and done again leaves the same bytes everywhere; a run that looks further back
// replaces nothing newer.
func TestMaterialize(t *testing.T) {
	w := openShop(t)
	m := newMaterializer(t, w)
	first := m.run(t, "2020-01-01T12:00:00Z", "2020-01-01T12:00:05Z")
	if first.Read != 7 || first.Bad != 2 || first.Outside != 1 || first.Put != 2 || first.Written != 2 || first.Again || first.Run.Rows != 2 {
		t.Errorf("report %+v", first)
	}
	if !slices.Equal(m.bad, []string{"accounts1.csv:2: key user_id is null", `accounts1.csv:3: column "since": "yesterday" is not an RFC 3339 time`}) {
		t.Errorf("bad rows %q", m.bad)
	}
	blob, one := m.get(t, 1)
	_, two := m.get(t, 2)
	if one.Values[0].Str() != "paid" || one.Run != first.Run.ID || one.Completed != m.clock || two.Values[0].Str() != "tie" || two.File != "accounts2.csv" {
		t.Errorf("rows %+v, %+v", one, two)
	}
	if none, _ := m.get(t, 3); none != nil {
		t.Error("an unreadable row came online")
	}
	file := filepath.Join(w.dir, "offline", filepath.FromSlash(first.Run.Files[0].Path))
	bytes := read(t, file)

	again := m.run(t, "2020-01-01T12:00:00Z", "2020-01-01T13:00:00Z")
	if after, _ := m.get(t, 1); !again.Again || again.Run.ID != first.Run.ID || read(t, file) != bytes || string(after) != string(blob) {
		t.Errorf("a second run changed something: %+v", again)
	}
	if later := m.run(t, "2020-01-03T00:00:00Z", "2020-01-03T00:00:00Z"); later.Run.ID == first.Run.ID {
		t.Error("another cutoff has the same id")
	}
	m.run(t, "2020-01-01T05:00:00Z", "2020-01-03T01:00:00Z")
	if _, one := m.get(t, 1); one.Values[0].Str() != "gold" {
		t.Errorf("an older run replaced %v", one.Values)
	}
	if list, err := w.runs.List("account"); err != nil || len(list) != 3 {
		t.Errorf("%d runs on record, %v", len(list), err)
	}
}

// lookups is a prediction log of two lookups.
type lookups map[string]dataset.Recorded

func (l lookups) Lookups(_ context.Context, _ string, ids []dataset.LookupID) ([]dataset.Recorded, error) {
	var out []dataset.Recorded
	for _, id := range ids {
		r, ok := l[fmt.Sprintf("%s/%d", id.Request, id.Row)]
		if !ok {
			return nil, featurestore.NotFoundf("no lookup %q is on record", id.Request)
		}
		out = append(out, r)
	}
	return out, nil
}

// Mode exact gives what the recorded lists and runs had applied; mode available
// takes the cutoff of the run that had completed by then.
func TestRunsInTrainingSets(t *testing.T) {
	w := openShop(t)
	m := newMaterializer(t, w)
	early := m.run(t, "2020-01-01T05:00:00Z", "2020-01-01T11:00:00Z").Run.ID
	m.run(t, "2020-01-01T12:00:00Z", "2020-01-01T12:30:00Z")
	list := featurestore.Applied{{Offset: 0, MaxLogTime: featurestore.LogTime(instant(t, "2020-01-01T10:00:00Z"))}}
	x := w.exporter()
	recorded := func(run string, list featurestore.Applied) dataset.Recorded {
		return dataset.Recorded{
			ExactRow: pit.ExactRow{ReadTime: instant(t, "2020-01-01T10:45:00Z"), Applied: make([]featurestore.Applied, 2), Runs: make([]string, 2)},
			Keys:     []featurestore.Value{featurestore.Int64Value(1)}, Request: []featurestore.Value{featurestore.DoubleValue(1)},
		}
	}
	l := lookups{"r1/0": recorded(early, list), "r1/1": recorded("", nil)}
	for i, role := range w.service(t, "offer").Roles {
		if role.View == "spend" {
			l["r1/0"].Applied[i] = list
		} else {
			l["r1/0"].Runs[i] = early
		}
	}
	x.Lookups = l
	w.write(t, "exact.csv", "request_id,request_row,label\nr1,1,a\nr1,0,b\n")
	r := w.offer(t, "exact.csv")
	r.Mode = pit.Exact
	report, err := x.Export(context.Background(), r)
	if err != nil || report.Incomplete != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	const exact = "request_id,request_row,label,spend__total,spend__newest,account__plan,ratio__share\nr1,1,a,0.0,,,\nr1,0,b,10.5,10.5,free,0.115\n"
	if got := read(t, filepath.Join(r.Out, "data.csv")); got != exact {
		t.Errorf("got:\n%swant:\n%s", got, exact)
	}
	w.write(t, "spine.csv", "user_id,event_timestamp,price\n1,2020-01-01T10:45:00Z,1\n1,2020-01-01T12:00:00Z,1\n1,2020-01-01T12:30:00Z,1\n")
	r = w.offer(t, "spine.csv")
	if _, err := x.Export(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	const available = "user_id,event_timestamp,price,spend__total,spend__newest,account__plan,ratio__share\n" +
		"1,2020-01-01T10:45:00Z,1,10.75,0.25,paid,0.05875\n1,2020-01-01T12:00:00Z,1,0.0,,free,0.01\n1,2020-01-01T12:30:00Z,1,0.0,,paid,0.005\n"
	if got := read(t, filepath.Join(r.Out, "data.csv")); got != available {
		t.Errorf("got:\n%swant:\n%s", got, available)
	}
}
