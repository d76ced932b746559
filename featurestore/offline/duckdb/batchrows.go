//go:build duckdb_arrow

package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
)

// BatchRows reads the rows of one file of a batch source in their order, as
// warehouse.Table does: its fields (those of needed; nil is all), time and
// available_at. A row that cannot be read has a Problem and spoils nothing; a
// column that is missing or of another type is an error of kind ErrInvalid that
// names the file. Rows are valid during the call of each only.
func (db *DB) BatchRows(ctx context.Context, source *definition.BatchSource, file frame.File, needed []int, each func([]warehouse.Row) error) (err error) {
	table, fields, err := db.Load(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Unload(ctx, table)) }()
	r, err := newBatchReader(source, file, fields, needed)
	if err != nil {
		return err
	}
	return db.Columns(ctx, table, r.fields, func(f *frame.Frame) error { return each(r.read(f)) })
}

// batchReader turns frames of a file's columns into rows of a source.
type batchReader struct {
	source *definition.BatchSource
	name   string
	fields []frame.Field // the columns that are read
	casts  []cellCast
	next   int64
	rows   []warehouse.Row
}

// cellCast reads one column of the frame into one place of the row.
type cellCast struct {
	column int
	to     int // index of the field; timeCell or availableCell
	cast   frame.Cast
}

const (
	timeCell      = -1
	availableCell = -2
)

func newBatchReader(source *definition.BatchSource, file frame.File, have []frame.Field, needed []int) (*batchReader, error) {
	r := &batchReader{source: source, name: file.Name}
	times := func(spec *definition.TimeSpec, to int) error {
		return r.add(have, spec.Name, to, func(f frame.Field) (frame.Cast, error) { return frame.Times(f, spec) })
	}
	if err := times(&source.Timestamp, timeCell); err != nil {
		return nil, err
	}
	if source.AvailableAt != nil {
		if err := times(source.AvailableAt, availableCell); err != nil {
			return nil, err
		}
	}
	for i, f := range source.Fields {
		if needed != nil && !slices.Contains(needed, i) {
			continue
		}
		err := r.add(have, f.Name, i, func(from frame.Field) (frame.Cast, error) { return frame.Into(from, f.Type, nil) })
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// add compiles the reading of one column.
func (r *batchReader) add(have []frame.Field, column string, to int, compile func(frame.Field) (frame.Cast, error)) error {
	i := slices.IndexFunc(have, func(f frame.Field) bool { return f.Name == column })
	if i < 0 {
		all := make([]string, len(have))
		for j, f := range have {
			all[j] = f.Name
		}
		return featurestore.Invalidf("file %q has no column %q: it has %s", r.name, column, strings.Join(all, ", "))
	}
	cast, err := compile(have[i])
	if err != nil {
		return featurestore.Invalidf("file %q: column %q %w", r.name, column, err)
	}
	at := slices.IndexFunc(r.fields, func(f frame.Field) bool { return f.Name == column })
	if at < 0 {
		at = len(r.fields)
		r.fields = append(r.fields, have[i])
	}
	r.casts = append(r.casts, cellCast{column: at, to: to, cast: cast})
	return nil
}

// read turns one frame into rows.
func (r *batchReader) read(f *frame.Frame) []warehouse.Row {
	n, width := f.Len(), len(r.source.Fields)
	cells := make([]featurestore.Value, n*width)
	r.rows = r.rows[:0]
	for i := range n {
		row := warehouse.Row{File: r.name, Row: r.next, Fields: cells[i*width : (i+1)*width : (i+1)*width]}
		r.next++
		r.fill(f, i, &row)
		r.rows = append(r.rows, row)
	}
	return r.rows
}

func (r *batchReader) fill(f *frame.Frame, i int, row *warehouse.Row) {
	for _, c := range r.casts {
		v, err := c.cast(f.Columns[c.column].Value(i))
		if err == nil && v.IsNull() && c.to < 0 {
			err = errors.New("the time is null")
		}
		if err != nil {
			row.Problem = fmt.Sprintf("column %q: %v", r.fields[c.column].Name, err)
			return
		}
		switch c.to {
		case timeCell:
			row.Time = featurestore.EventTime(v.Timestamp())
			if r.source.AvailableAt == nil {
				row.Available = featurestore.LogTime(v.Timestamp()) + featurestore.LogTime(r.source.Delay)
			}
		case availableCell:
			row.Available = featurestore.LogTime(v.Timestamp())
		default:
			row.Fields[c.to] = v
		}
	}
}
