package main

import (
	"context"
	"path/filepath"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/dataset"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/ingest/materialize"
)

// engine is what the offline verbs use of DuckDB.
type engine interface {
	dataset.Tables
	materialize.Writer
	BatchRows(ctx context.Context, source *definition.BatchSource, file frame.File, needed []int, each func([]warehouse.Row) error) error
	Close() error
}

// spillDir is where DuckDB puts what does not fit in memory.
func spillDir(s *settings.Settings) string { return filepath.Join(s.Offline.Dir, "tmp") }

// materializer runs batch views on open parts.
func materializer(p *node.Parts, db engine) *materialize.Materializer {
	return &materialize.Materializer{
		Root: p.Settings.Root, Dir: p.Settings.Offline.Dir, Reader: db, Writer: db,
		Store: p.Online, Record: p.Runs, Clock: p.Clock.Now,
	}
}

// exporter makes training sets from what is at rest.
func exporter(s *settings.Settings, db engine, lookups dataset.Lookups) *dataset.Exporter {
	return &dataset.Exporter{
		Root: s.Root, Dir: s.Offline.Dir, History: allHistory(s), Record: runs.Open(s.Offline.Dir),
		Lookups: lookups, Tables: db, Warehouse: db, Sorter: db,
	}
}

// allHistory is the archive and, where it does not reach, the history files.
func allHistory(s *settings.Settings) offline.History {
	return history.New(history.Options{Root: s.Root, Dir: s.Offline.Dir, Files: history.WithFiles})
}
