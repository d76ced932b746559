// Package warehouse reads the rows of batch sources (Parquet, CSV or JSON lines
// files) in pure Go: for the oracle, for tests and for binaries without DuckDB.
package warehouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/files"
)

// Row is one row of a batch source. Fields is in the order of the source's
// fields and valid until the next call; the texts within stay valid.
type Row struct {
	Time      featurestore.EventTime
	Available featurestore.LogTime // the declared one, or the time plus the delay
	File      string               // relative to the root, with slashes
	Row       int64                // within the file, from 0
	Fields    []featurestore.Value
	Problem   string // "" or why the row could not be read; Time and Fields then mean nothing
}

// Table is the rows of one batch source in the order of (file path, row). It is
// for one goroutine and must be closed.
type Table struct {
	name    string
	spec    files.Spec
	found   []files.Found
	next    int // index of the file after the open one
	open    *files.Reader
	rows    []Row
	invalid int64
}

// Open lists the files of a source under root. needed are the indexes of the
// fields that are read (the others are null); nil reads all.
func Open(root string, source *definition.BatchSource, needed []int) (*Table, error) {
	found, err := files.Glob(root, source.Files)
	if err != nil {
		return nil, fmt.Errorf("batch source %q: %w", source.Name, err)
	}
	for i := range found {
		if found[i].Path, err = filepath.Abs(found[i].Path); err != nil {
			return nil, fmt.Errorf("batch source %q: %w", source.Name, err)
		}
	}
	return &Table{
		name:  source.Name,
		found: found,
		spec: files.Spec{
			Format:    source.Format,
			Time:      source.Timestamp,
			Available: source.AvailableAt,
			Delay:     source.Delay,
			Fields:    source.Fields,
			Needed:    needed,
		},
	}, nil
}

// Next gives the next rows, io.EOF after the last.
func (t *Table) Next(ctx context.Context) ([]Row, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if t.open == nil {
			if t.next == len(t.found) {
				return nil, io.EOF
			}
			f := t.found[t.next]
			in, err := files.Open(f.Path, f.Name, t.spec)
			if err != nil {
				return nil, fmt.Errorf("batch source %q: %w", t.name, err)
			}
			t.open, t.next = in, t.next+1
		}
		rows, err := t.open.Next()
		if errors.Is(err, io.EOF) {
			if err := t.Close(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("batch source %q: %w", t.name, err)
		}
		return t.take(rows), nil
	}
}

func (t *Table) take(rows []files.Row) []Row {
	t.rows = t.rows[:0]
	for i := range rows {
		r := &rows[i]
		t.rows = append(t.rows, Row{
			Time: r.Time, Available: r.Available, File: t.found[t.next-1].Name, Row: r.Number, Fields: r.Fields, Problem: r.Problem,
		})
	}
	return t.rows
}

// Files are the absolute paths and the names that are read, in order.
func (t *Table) Files() (paths, names []string) {
	for _, f := range t.found {
		paths, names = append(paths, f.Path), append(names, f.Name)
	}
	return paths, names
}

// Invalid counts the typed NaN and infinities that were read as null.
func (t *Table) Invalid() int64 {
	if t.open != nil {
		return t.invalid + t.open.Invalid()
	}
	return t.invalid
}

// Close releases the open file.
func (t *Table) Close() error {
	if t.open == nil {
		return nil
	}
	t.invalid += t.open.Invalid()
	err := t.open.Close()
	t.open = nil
	return err
}
