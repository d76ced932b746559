package predictions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/files"
)

// fileInfo is what a sealed file says of itself.
type fileInfo struct {
	header *Header // nil for outputs
	rows   int64
	bytes  int64
}

// openInfo reads the header of a sealed file.
func openInfo(path string) (_ fileInfo, err error) {
	defer func() {
		if v := recover(); v != nil { // the library can panic on a damaged file
			err = featurestore.Invalidf("file %q is damaged: %v", path, v)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return fileInfo{}, featurestore.Unavailablef("the prediction log cannot be read: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	stat, err := f.Stat()
	if err != nil {
		return fileInfo{}, err
	}
	p, err := parquet.OpenFile(f, stat.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fileInfo{}, featurestore.Invalidf("file %q is not readable as Parquet: %v", path, err)
	}
	text, ok := p.Lookup(metadataKey)
	if !ok {
		return fileInfo{}, featurestore.Invalidf("file %q is no file of the prediction log: its metadata have no %q", path, metadataKey)
	}
	header, err := DecodeHeader([]byte(text))
	if err != nil {
		return fileInfo{}, featurestore.Invalidf("file %q: %w", path, err)
	}
	return fileInfo{header: header, rows: p.NumRows(), bytes: stat.Size()}, nil
}

// rowsFile reads a file of lookups; each row is the callee's.
func rowsFile(ctx context.Context, path string, each func(*Row) error) error {
	info, err := openInfo(path)
	if err != nil {
		return err
	}
	columns := columnsOf(info.header)
	return readTable(ctx, path, columns, func(values []featurestore.Value) error {
		row := newRow(info.header)
		if err := row.fill(columns, values); err != nil {
			return featurestore.Invalidf("file %q: %w", path, err)
		}
		return each(row)
	})
}

// readTable reads the columns of a file, a row after the other. The slice is
// valid during the call only.
func readTable(ctx context.Context, path string, columns []column, each func([]featurestore.Value) error) (err error) {
	spec := files.Spec{Format: definition.Parquet, Time: definition.TimeSpec{Name: columnLogged, Format: definition.FormatNative}}
	for i := range columns {
		spec.Fields = append(spec.Fields, definition.Field{Name: columns[i].name, Type: columns[i].typ})
	}
	r, err := files.Open(path, filepath.Base(path), spec)
	if err != nil {
		return fmt.Errorf("the prediction log: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		rows, err := r.Next()
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		for i := range rows {
			if rows[i].Problem != "" {
				return featurestore.Invalidf("file %q, row %d: %s", path, rows[i].Number, rows[i].Problem)
			}
			if err := each(rows[i].Fields); err != nil {
				return err
			}
		}
	}
}
