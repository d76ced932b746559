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
)

// rowGroup is the number of rows of a Parquet row group: fixed, so that equal
// rows make equal bytes whatever the threads.
const rowGroup = 122880

const rowColumn = "__freshet_row"

// WriteBeside writes a file of the columns of a loaded table and, beside them,
// the columns of a frame, row by row in the table's order. The same rows give
// the same bytes. In CSV instants are RFC 3339 in UTC, lists and maps JSON.
func (db *DB) WriteBeside(ctx context.Context, table string, beside *frame.Frame, out frame.File) (err error) {
	beside = writable(beside, out.Format)
	extra := db.table("beside")
	defer func() { err = errors.Join(err, db.drop(ctx, extra)) }()
	fields := append([]frame.Field{{Name: rowColumn, Type: featurestore.Int64}}, beside.Fields()...)
	if err := db.create(ctx, extra, fields); err != nil {
		return err
	}
	if err := db.insertChunks(ctx, extra, numbered(fields, beside)); err != nil {
		return err
	}
	own, err := db.schema(ctx, table)
	if err != nil {
		return err
	}
	columns := append(outColumns("s", own, out.Format), outColumns("f", beside.Fields(), out.Format)...)
	query := fmt.Sprintf("SELECT %s FROM %s s JOIN %s f ON s.rowid = f.%s ORDER BY f.%s",
		strings.Join(columns, ", "), name(table), name(extra), name(rowColumn), name(rowColumn))
	return db.copyTo(ctx, query, out)
}

// WriteFrames writes the rows of frames to a file, in the order in which they
// come. The same rows give the same bytes.
func (db *DB) WriteFrames(ctx context.Context, fields []frame.Field, feed func(add func(*frame.Frame) error) error, out frame.File) (err error) {
	table := db.table("rows")
	defer func() { err = errors.Join(err, db.drop(ctx, table)) }()
	fields = writable(frame.New(fields), out.Format).Fields()
	if err := db.create(ctx, table, fields); err != nil {
		return err
	}
	err = db.fill(ctx, table, fields, func(add func(*frame.Frame) error) error {
		return feed(func(f *frame.Frame) error { return add(writable(f, out.Format)) })
	})
	if err != nil {
		return err
	}
	query := fmt.Sprintf("SELECT %s FROM %s s ORDER BY rowid", strings.Join(outColumns("s", fields, out.Format), ", "), name(table))
	return db.copyTo(ctx, query, out)
}

// writable is the frame as a format can hold it: CSV has lists and maps as JSON
// text.
func writable(f *frame.Frame, format definition.FileFormat) *frame.Frame {
	if format != definition.CSV {
		return f
	}
	out := &frame.Frame{Columns: slices.Clone(f.Columns)}
	for i := range out.Columns {
		c := &f.Columns[i]
		if c.Type.Kind != featurestore.KindList && c.Type.Kind != featurestore.KindMap {
			continue
		}
		text := frame.Column{Field: frame.Field{Name: c.Name, Type: featurestore.String}}
		for row := range c.Len() {
			if v := c.Value(row); v.IsNull() {
				text.Append(v)
			} else {
				text.Append(featurestore.StringValue(string(featurestore.AppendJSON(nil, v, c.Type))))
			}
		}
		out.Columns[i] = text
	}
	return out
}

// numbered puts a column with the row's number before the others.
func numbered(fields []frame.Field, f *frame.Frame) *frame.Frame {
	out := frame.New(fields[:1])
	for i := range f.Len() {
		out.Columns[0].AppendInt(int64(i))
	}
	out.Columns = append(out.Columns, f.Columns...)
	return out
}

// insertChunks inserts a large frame in statements of bounded size.
func (db *DB) insertChunks(ctx context.Context, table string, f *frame.Frame) error {
	for lo := 0; lo < f.Len(); lo += insertRows {
		if err := db.insert(ctx, table, f.Slice(lo, min(lo+insertRows, f.Len()))); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) copyTo(ctx context.Context, query string, out frame.File) error {
	options := fmt.Sprintf("FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d", rowGroup)
	if out.Format == definition.CSV {
		options = "FORMAT csv, HEADER true"
	}
	if err := db.exec(ctx, fmt.Sprintf("COPY (%s) TO %s (%s)", query, text(out.Path), options)); err != nil {
		return fmt.Errorf("write %q: %w", out.Name, err)
	}
	return nil
}

// outColumns are the columns as a format writes them.
func outColumns(alias string, fields []frame.Field, format definition.FileFormat) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		column := alias + "." + name(f.Name)
		out[i] = column
		if format == definition.CSV && f.Type.Kind == featurestore.KindTimestamp && !f.Zoneless {
			out[i] = fmt.Sprintf(`regexp_replace(regexp_replace(strftime(%s, '%%Y-%%m-%%dT%%H:%%M:%%S.%%fZ'), '0+Z$', 'Z'), '\.Z$', 'Z') AS %s`, column, name(f.Name))
		}
		if format == definition.CSV && f.Type.Kind == featurestore.KindBytes {
			out[i] = fmt.Sprintf("base64(%s) AS %s", column, name(f.Name))
		}
		if format == definition.CSV && f.Type.Elem != nil { // of the spine; DuckDB's JSON
			out[i] = fmt.Sprintf("to_json(%s)::VARCHAR AS %s", column, name(f.Name))
		}
	}
	return out
}
