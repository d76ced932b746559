//go:build duckdb_arrow

package duckdb_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/dataset"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline/files"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// A training set of a year of flights: the same bytes twice, the spine's rows
// in its order, and every stream value of sampled rows equal to the oracle's.
func TestFlights(t *testing.T) {
	w := openFlights(t)
	ctx := context.Background()
	r := dataset.Request{
		Project: w.project, Service: w.service(t, "arrival_delay_v1"), Version: "test", Revision: 3,
		Spine: flightsRoot + "/data/labels.parquet", With: dataset.With{Status: true, EventTime: true},
	}
	for i, mode := range []pit.Mode{pit.Available, pit.EventTime} {
		r.Mode, r.Delay = mode, featurestore.Duration(i)*featurestore.Hour
		r.Out = w.path("train")
		report, err := w.exporter().Export(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		if report.Manifest.Rows != 20_000 {
			t.Errorf("%d rows", report.Manifest.Rows)
		}
		w.compare(t, &r)
		if m, err := dataset.Show(r.Out); err != nil || m.Service.Name != "arrival_delay_v1" || len(m.Sources) != 4 {
			t.Errorf("manifest %+v, %v", m, err)
		}
	}
	w.sameBytesTwice(t, &r)
}

// sameBytesTwice exports a small service twice, the second time over the first.
func (w *world) sameBytesTwice(t *testing.T, r *dataset.Request) {
	t.Helper()
	small := *r
	small.Service = w.service(t, "airport_board")
	var manifests [2]string
	for i := range manifests {
		if _, err := w.exporter().Export(context.Background(), small); err != nil {
			t.Fatal(err)
		}
		manifests[i] = read(t, filepath.Join(small.Out, "manifest.json")) // has the hash of the data
	}
	if manifests[0] != manifests[1] {
		t.Errorf("a second export has another manifest:\n%s\n%s", manifests[0], manifests[1])
	}
}

// compare reads a training set back and checks every 997th row.
func (w *world) compare(t *testing.T, r *dataset.Request) {
	t.Helper()
	all := w.loadAll(t, filepath.Join(r.Out, "data.parquet"))
	w.sameSpine(t, r, all)
	for _, view := range w.project.StreamViews {
		w.compareView(t, r, all, view)
	}
}

func (w *world) sameSpine(t *testing.T, r *dataset.Request, all *frame.Frame) {
	t.Helper()
	ctx := context.Background()
	table, fields, err := w.db.Load(ctx, frame.File{Path: r.Spine, Name: "spine"})
	if err != nil {
		t.Fatal(err)
	}
	row := 0
	err = w.db.Columns(ctx, table, fields, func(f *frame.Frame) error {
		for i := range f.Len() {
			for c := range fields {
				if !f.Columns[c].Value(i).Equal(all.Columns[c].Value(row)) {
					t.Fatalf("row %d: the spine's %s changed", row, fields[c].Name)
				}
			}
			row++
		}
		return nil
	})
	if err = errors.Join(err, w.db.Unload(ctx, table)); err != nil || row != all.Len() {
		t.Fatalf("%d spine rows, %d rows, %v", row, all.Len(), err)
	}
}

// compareView checks one view, in every role, against the oracle over the rows
// of the sampled entities.
func (w *world) compareView(t *testing.T, r *dataset.Request, all *frame.Frame, view *definition.StreamView) {
	t.Helper()
	rows := map[string][]window.Row{} // by entity
	config := window.Config{Features: view.Features, TTL: view.TTL}
	for index, b := range view.Bindings {
		config.Sources = append(config.Sources, window.SourceRule{AllowedLateness: b.Source.AllowedLateness, HasEventID: b.Source.EventID >= 0})
		w.events(t, b.Source, func(e *featurestore.Event) {
			if b.Where != nil {
				if keep, _ := b.Where.Eval(e.Fields); !keep.Bool() {
					return
				}
			}
			key := ""
			for _, p := range b.Keys {
				v, _ := p.Eval(e.Fields)
				key += v.Text(p.Type()) + "|"
			}
			row := window.Row{Position: e.Position, Time: e.Time, LogTime: e.LogTime, Sequence: e.Sequence, ID: e.ID}
			row.Source = uint16(index)
			for _, p := range b.Inputs {
				v, _ := p.Eval(e.Fields)
				row.Inputs = append(row.Inputs, v)
			}
			rows[key] = append(rows[key], row)
		})
	}
	judged := map[string]*oracle.Entity{}
	for _, role := range r.Service.Roles {
		if role.View != view.Name {
			continue
		}
		for row := 0; row < all.Len(); row += 997 {
			key, invalid := "", false
			for _, name := range role.Keys {
				c := all.Column(name)
				key += c.Value(row).Text(c.Type) + "|"
				invalid = invalid || c.Null[row]
			}
			if judged[key] == nil {
				judged[key] = oracle.Judge(config, rows[key])
			}
			reading := oracle.Reading{At: all.Column("event_timestamp").Value(row).Timestamp(), Mode: oracle.Mode(r.Mode), Delay: r.Delay}
			want, err := judged[key].Read(reading)
			if err != nil {
				t.Fatal(err)
			}
			if invalid {
				want = slices.Repeat([]featurestore.Cell{{Status: featurestore.InvalidKey}}, len(want))
			}
			for i := range view.Features {
				checkCell(t, all, row, featurestore.ColumnName(role.Prefix, view.Features[i].Name), want[i])
			}
		}
	}
}

// checkCell compares one cell of the file; a column that the service does not
// show is passed over.
func checkCell(t *testing.T, all *frame.Frame, row int, name string, want featurestore.Cell) {
	t.Helper()
	c := all.Column(name)
	if c == nil {
		return
	}
	status := all.Column(name + "__status").Text[row]
	if got := c.Value(row); !got.Equal(want.Value) || status != want.Status.String() {
		t.Errorf("row %d, %s: got %s %s, want %s %s", row, name, got.Text(c.Type), status, want.Value.Text(c.Type), want.Status)
	}
}

// DuckDB and the pure Go reader read the same rows of a warehouse table.
func TestBatchRowsEqualWarehouse(t *testing.T) {
	w := openFlights(t)
	ctx := context.Background()
	for _, source := range w.project.BatchSources {
		found, err := files.Glob(w.root, source.Files)
		if err != nil {
			t.Fatal(err)
		}
		var got []warehouse.Row
		for _, f := range found {
			err := w.db.BatchRows(ctx, source, frame.File{Path: f.Path, Name: f.Name, Format: source.Format}, nil, func(rows []warehouse.Row) error {
				got = append(got, rows...)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		table, err := warehouse.Open(w.root, source, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			rows, err := table.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				if a, b := &rows[i], &got[n]; a.Time != b.Time || a.Available != b.Available || a.File != b.File || a.Row != b.Row || a.Problem != b.Problem || !slices.EqualFunc(a.Fields, b.Fields, featurestore.Value.Equal) {
					t.Fatalf("%s row %d: warehouse %+v, duckdb %+v", source.Name, n, *a, *b)
				}
				n++
			}
		}
		if n == 0 || n != len(got) {
			t.Errorf("%s: %d rows, duckdb %d", source.Name, n, len(got))
		}
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	}
}
