package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/pit"
)

// exactJoiner joins in mode exact: it reads events by position and batch rows by
// run, never the warehouse as it is now.
func exactJoiner(s *settings.Settings, db engine) *pit.Joiner {
	return &pit.Joiner{Events: exactEvents{allHistory(s)}, Batches: exactRuns{s.Offline.Dir, runs.Open(s.Offline.Dir), db}, Sorter: db}
}

type exactEvents struct{ history offline.History }

// Scan implements pit.Events.
func (e exactEvents) Scan(ctx context.Context, source *definition.StreamSource, index uint16, fields []int, each func([]featurestore.Event) error) (err error) {
	stream, err := e.history.Scan(ctx, offline.Spec{Source: source, Index: index, Fields: fields})
	if err != nil {
		return err
	}
	defer func() { err = first(err, stream.Close()) }()
	for {
		batch, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(batch.Events); err != nil {
			return err
		}
	}
}

type exactRuns struct {
	dir    string
	record *runs.Record
	db     engine
}

var errExactOnly = errors.New("a join of mode exact reads no rows but those of recorded runs")

// Scan implements pit.Batches; mode exact does not call it.
func (exactRuns) Scan(context.Context, *definition.BatchSource, []int, func([]pit.SourceRow) error) error {
	return errExactOnly
}

// Runs implements pit.Batches; mode exact does not call it.
func (exactRuns) Runs(context.Context, *definition.BatchView) ([]pit.Run, error) {
	return nil, errExactOnly
}

// RunRows implements pit.Batches.
func (e exactRuns) RunRows(ctx context.Context, view *definition.BatchView, id string, each func([]pit.RunRow) error) error {
	list, err := e.record.List(view.Name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(r runs.Run) bool { return r.ID == id })
	if i < 0 {
		return featurestore.NotFoundf("view %s: run %q is not on record", view.Name, id)
	}
	for _, f := range list[i].Files {
		if err := e.file(ctx, view, f, each); err != nil {
			return fmt.Errorf("run %q: %w", id, err)
		}
	}
	return nil
}

func (e exactRuns) file(ctx context.Context, view *definition.BatchView, f runs.File, each func([]pit.RunRow) error) (err error) {
	file := frame.File{Path: filepath.Join(e.dir, filepath.FromSlash(f.Path)), Name: f.Path, Format: definition.Parquet}
	table, fields, err := e.db.Load(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = first(err, e.db.Unload(ctx, table)) }()
	layout := pit.LayoutOf(view)
	if !layout.Matches(fields) {
		return featurestore.Invalidf("file %q belongs to another definition of view %s", f.Path, view.Name)
	}
	return e.db.Columns(ctx, table, fields, func(page *frame.Frame) error {
		rows := make([]pit.RunRow, page.Len())
		for i := range rows {
			row := make([]featurestore.Value, len(fields))
			page.Row(i, row)
			rows[i] = pit.RunRow{Time: featurestore.EventTime(row[layout.Time].Timestamp()), Keys: row[:layout.Time], Values: row[layout.Feature:]}
		}
		return each(rows)
	})
}
