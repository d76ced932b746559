// Package warehouse reads the rows of batch sources (Parquet, CSV or JSON lines
// files) in pure Go: for the oracle, for tests and for binaries without DuckDB.
package warehouse

import (
	"context"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
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
type Table struct{}

// Open lists the files of a source under root. needed are the indexes of the
// fields that are read (the others are null); nil reads all.
func Open(root string, source *definition.BatchSource, needed []int) (*Table, error) {
	panic("warehouse: being built")
}

// Next gives the next rows, io.EOF after the last.
func (t *Table) Next(ctx context.Context) ([]Row, error) { panic("warehouse: being built") }

// Files are the absolute paths and the names that are read, in order.
func (t *Table) Files() (paths, names []string) { panic("warehouse: being built") }

// Invalid counts the typed NaN and infinities that were read as null.
func (t *Table) Invalid() int64 { panic("warehouse: being built") }

// Close releases the open file.
func (t *Table) Close() error { panic("warehouse: being built") }
