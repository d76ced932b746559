package dataset

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/files"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/featurestore/pit"
)

// events reads stream sources for the join.
type events struct{ history offline.History }

// Scan implements pit.Events.
func (e events) Scan(ctx context.Context, source *definition.StreamSource, index uint16, fields []int, each func([]featurestore.Event) error) (err error) {
	stream, err := e.history.Scan(ctx, offline.Spec{Source: source, Index: index, Fields: fields})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
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

// batches reads batch views for the join.
type batches struct{ x *Exporter }

// Scan implements pit.Batches.
func (b batches) Scan(ctx context.Context, source *definition.BatchSource, fields []int, each func([]pit.SourceRow) error) error {
	found, err := files.Glob(b.x.Root, source.Files)
	if err != nil {
		return fmt.Errorf("batch source %q: %w", source.Name, err)
	}
	var rows []pit.SourceRow
	for i, f := range found {
		file := frame.File{Path: f.Path, Name: f.Name, Format: source.Format}
		err := b.x.Warehouse.BatchRows(ctx, source, file, fields, func(in []warehouse.Row) error {
			rows = rows[:0]
			for k := range in {
				if in[k].Problem == "" {
					rows = append(rows, pit.SourceRow{Time: in[k].Time, Available: in[k].Available, File: int64(i), Row: in[k].Row, Fields: in[k].Fields})
				}
			}
			return each(rows)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Runs implements pit.Batches: runs of another definition of the view are not
// its runs.
func (b batches) Runs(_ context.Context, view *definition.BatchView) ([]pit.Run, error) {
	list, err := b.x.Record.List(view.Name)
	if err != nil {
		return nil, err
	}
	var out []pit.Run
	for i := range list {
		if list[i].Definition == hex.EncodeToString(view.Hash[:]) {
			out = append(out, pit.Run{ID: list[i].ID, Cutoff: list[i].Cutoff, Completed: list[i].Completed})
		}
	}
	return out, nil
}

// RunRows implements pit.Batches.
func (b batches) RunRows(ctx context.Context, view *definition.BatchView, id string, each func([]pit.RunRow) error) error {
	list, err := b.x.Record.List(view.Name)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].ID != id {
			continue
		}
		for _, f := range list[i].Files {
			if err := b.runFile(ctx, view, f, each); err != nil {
				return err
			}
		}
		return nil
	}
	return featurestore.NotFoundf("view %s: run %q is not on record", view.Name, id)
}

func (b batches) runFile(ctx context.Context, view *definition.BatchView, f runs.File, each func([]pit.RunRow) error) (err error) {
	file := frame.File{Path: filepath.Join(b.x.Dir, filepath.FromSlash(f.Path)), Name: f.Path, Format: definition.Parquet}
	table, fields, err := b.x.Tables.Load(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.x.Tables.Unload(ctx, table)) }()
	layout := pit.LayoutOf(view)
	if !layout.Matches(fields) {
		return featurestore.Invalidf("run file %q belongs to another definition of view %s: its columns are %s", f.Path, view.Name, columnNames(fields))
	}
	return b.x.Tables.Columns(ctx, table, fields, func(page *frame.Frame) error {
		rows := make([]pit.RunRow, page.Len())
		for i := range rows {
			row := make([]featurestore.Value, len(fields))
			page.Row(i, row)
			rows[i] = pit.RunRow{Time: featurestore.EventTime(row[layout.Time].Timestamp()), Keys: row[:layout.Time], Values: row[layout.Feature:]}
		}
		return each(rows)
	})
}
