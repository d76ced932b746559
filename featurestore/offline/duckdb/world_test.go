//go:build duckdb_arrow

package duckdb_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/dataset"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/duckdb"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/offline/runs"
)

// The consumers of the adapter are tested here, over the real DuckDB and in one
// binary, since linking it is slow.

const flightsRoot = "../../../testdata/nycflights"

// world is a project with its parts at rest.
type world struct {
	project *definition.Project
	root    string // of the definitions
	dir     string // a folder for everything that is written
	db      *duckdb.DB
	runs    *runs.Record
	history *history.Reader
}

func open(t *testing.T, root string, files []definition.File) *world {
	t.Helper()
	project, problems := definition.Load(files)
	if project == nil {
		t.Fatalf("definitions: %v", problems)
	}
	w := &world{project: project, root: root, dir: t.TempDir()}
	var err error
	w.db, err = duckdb.Open(context.Background(), duckdb.Config{TempDir: filepath.Join(w.dir, "tmp"), Threads: 2, Allow: []string{w.dir, root}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.runs = runs.Open(filepath.Join(w.dir, "offline"))
	w.history = history.New(history.Options{Root: root, TempDir: w.dir})
	return w
}

func openFlights(t *testing.T) *world {
	t.Helper()
	paths, err := filepath.Glob(flightsRoot + "/definitions/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []definition.File
	for _, p := range paths {
		if filepath.Base(p) == "tests.yaml" {
			continue // documents that only `freshet test` reads
		}
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, definition.File{Path: "definitions/" + filepath.Base(p), Data: data})
	}
	return open(t, flightsRoot, files)
}

func (w *world) exporter() *dataset.Exporter {
	return &dataset.Exporter{
		Root: w.root, Dir: filepath.Join(w.dir, "offline"), History: w.history, Record: w.runs,
		Tables: w.db, Warehouse: w.db, Sorter: w.db,
	}
}

func (w *world) service(t *testing.T, name string) *definition.Service {
	t.Helper()
	for _, s := range w.project.Services {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no service %q", name)
	return nil
}

// path is a file of the test's folder.
func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(t *testing.T, name, content string) string {
	t.Helper()
	path := w.path(name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// events reads all events of a source.
func (w *world) events(t *testing.T, source *definition.StreamSource, each func(*featurestore.Event)) {
	t.Helper()
	ctx := context.Background()
	stream, err := w.history.Scan(ctx, offline.Spec{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	for {
		batch, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch.Events {
			each(&batch.Events[i])
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
