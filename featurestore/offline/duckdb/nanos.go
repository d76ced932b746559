//go:build duckdb_arrow

package duckdb

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/freshet/freshet/featurestore"
)

// wholeMicroseconds refuses a Parquet file with an instant in UTC that is not a
// whole microsecond. DuckDB has no such type and would cut it silently, and a
// cut time is another time.
func wholeMicroseconds(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return featurestore.Invalidf("%w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return featurestore.Invalidf("it is not a Parquet file: %w", err)
	}
	for _, column := range file.Root().Columns() {
		if !nanosInUTC(column) {
			continue
		}
		row := int64(0)
		for _, group := range file.RowGroups() {
			if row, err = checkNanos(group.ColumnChunks()[column.Index()], column.Name(), row); err != nil {
				return err
			}
		}
	}
	return nil
}

func nanosInUTC(c *parquet.Column) bool {
	if !c.Leaf() || c.Type().LogicalType() == nil {
		return false
	}
	t, ok := c.Type().LogicalType().Value.(*format.TimestampType)
	if !ok || !t.IsAdjustedToUTC {
		return false
	}
	_, nanos := t.Unit.Value.(*format.NanoSeconds)
	return nanos
}

// checkNanos walks one column of a row group and returns the number of rows so far.
func checkNanos(chunk parquet.ColumnChunk, name string, row int64) (next int64, err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	values := make([]parquet.Value, 1024)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return row, nil
		}
		if err != nil {
			return row, fmt.Errorf("column %q: %w", name, err)
		}
		in := page.Values()
		for err == nil {
			var n int
			n, err = in.ReadValues(values)
			for _, v := range values[:n] {
				row++
				if !v.IsNull() && v.Int64()%1000 != 0 {
					parquet.Release(page)
					return row, featurestore.Invalidf("column %q, row %d: a time with nanoseconds (%d ns since 1970) cannot be kept exactly: store microseconds", name, row, v.Int64())
				}
			}
		}
		parquet.Release(page)
		if !errors.Is(err, io.EOF) {
			return row, fmt.Errorf("column %q: %w", name, err)
		}
	}
}
