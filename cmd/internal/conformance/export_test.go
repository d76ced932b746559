//go:build duckdb_arrow

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/dataset"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline/duckdb"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/transforms/conformance"
)

// TestExport runs every offline mode through `dataset export`: a spine in a file,
// DuckDB, and a Parquet file that is read back.
func TestExport(t *testing.T) {
	cases := load(t)
	e := &exports{dir: t.TempDir()}
	var err error
	if e.db, err = duckdb.Open(t.Context(), duckdb.Config{TempDir: filepath.Join(e.dir, "tmp"), Threads: 1, Allow: []string{e.dir}}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.db.Close(); err != nil {
			t.Error(err)
		}
	}()
	wantLeftOut(t, conformance.RunAll(t, cases, &offlinePath{name: "archive, dataset export", join: e.join}), others(t, notOffline()))
}

type exports struct {
	db   *duckdb.DB
	dir  string
	next int
}

// lookups is the prediction log of mode exact: request i is reading i.
type lookups struct {
	w        *archived
	readings []conformance.Reading
}

func (l lookups) Lookups(_ context.Context, _ string, ids []dataset.LookupID) ([]dataset.Recorded, error) {
	var out []dataset.Recorded
	for _, id := range ids {
		i, err := strconv.Atoi(id.Request[1:])
		if err != nil {
			return nil, err
		}
		out = append(out, dataset.Recorded{ExactRow: l.w.exact(&l.readings[i]), Keys: l.readings[i].Entity})
	}
	return out, nil
}

func (e *exports) join(ctx context.Context, w *archived, readings []conformance.Reading) ([][]featurestore.Cell, error) {
	e.next++
	service := w.p.Service(conformance.ServiceName)
	spine, err := e.spine(service, readings)
	if err != nil {
		return nil, err
	}
	x := &dataset.Exporter{
		Root: w.dir, Dir: w.dir, History: w.history, Record: runs.Open(w.dir), Lookups: lookups{w, readings},
		Tables: e.db, Warehouse: e.db, Sorter: e.db,
	}
	r := dataset.Request{
		Project: w.p, Service: service, Spine: spine, SpineFormat: definition.JSONL, Format: definition.Parquet,
		Out: filepath.Join(e.dir, fmt.Sprint("out", e.next)), Mode: modes[readings[0].Mode], Delay: readings[0].Delay,
		With: dataset.With{Status: true},
	}
	report, err := x.Export(ctx, r)
	if err != nil {
		return nil, err
	}
	if report.Incomplete > 0 {
		return nil, fmt.Errorf("%d reads are incomplete", report.Incomplete)
	}
	return e.readBack(ctx, service, filepath.Join(r.Out, report.Manifest.Data.Path))
}

// spine writes the rows of the readings; those of mode exact are request ids.
func (e *exports) spine(service *definition.Service, readings []conformance.Reading) (string, error) {
	var lines []byte
	for i := range readings {
		row := map[string]any{}
		if modes[readings[i].Mode] == pit.Exact {
			row["request_id"] = "r" + strconv.Itoa(i)
		} else {
			row["event_timestamp"] = readings[i].At.String()
			for k, f := range service.Entities {
				row[f.Name] = keyJSON(readings[i].Entity[k], f.Type)
			}
		}
		line, err := json.Marshal(row)
		if err != nil {
			return "", err
		}
		lines = append(append(lines, line...), '\n')
	}
	path := filepath.Join(e.dir, fmt.Sprintf("spine%d.jsonl", e.next))
	return path, os.WriteFile(path, lines, 0o600)
}

// keyJSON is a key's value as a spine writes it.
func keyJSON(v featurestore.Value, t featurestore.Type) any {
	switch {
	case v.IsNull():
		return nil
	case t.Kind == featurestore.KindInt64 || t.Kind == featurestore.KindBool:
		return json.RawMessage(v.Text(t))
	}
	return v.Text(t)
}

// readBack reads the columns of the service and their statuses.
func (e *exports) readBack(ctx context.Context, service *definition.Service, path string) (cells [][]featurestore.Cell, err error) {
	table, fields, err := e.db.Load(ctx, frame.File{Path: path, Name: filepath.Base(path), Format: definition.Parquet})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.db.Unload(ctx, table)) }()
	err = e.db.Columns(ctx, table, fields, func(f *frame.Frame) error {
		for row := range f.Len() {
			var out []featurestore.Cell
			for _, c := range service.Columns {
				value, status := f.Column(c.Name), f.Column(c.Name+"__status")
				if value == nil || status == nil {
					return fmt.Errorf("column %q or its status is missing", c.Name)
				}
				if !value.Type.Equal(c.Type) {
					return fmt.Errorf("column %q is of type %s, not %s", c.Name, value.Type, c.Type)
				}
				s, err := featurestore.ParseStatus(status.Value(row).Str())
				if err != nil {
					return err
				}
				out = append(out, featurestore.Cell{Value: value.Value(row), Status: s})
			}
			cells = append(cells, out)
		}
		return nil
	})
	return cells, err
}
