//go:build duckdb_arrow

package duckdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore/frame"
)

// Rows in one INSERT, and in one page of a read: large enough to make the cost
// of a statement small, small enough to bound memory.
const (
	insertRows = 64 << 10
	pageRows   = 128 << 10
)

// Sort feeds rows in and hands them back in ascending order of their first
// o.Keys columns, null first, in frames that are valid during the call of each
// only. What does not fit in memory is on disk. No two rows may share their
// keys: their order would be the engine's choice. feed and each may use the
// database.
func (db *DB) Sort(ctx context.Context, o frame.Order, feed func(add func(*frame.Frame) error) error, each func(*frame.Frame) error) (err error) {
	in, sorted := db.table("unsorted"), db.table("sorted")
	defer func() { err = errors.Join(err, db.drop(ctx, in), db.drop(ctx, sorted)) }()
	fields, plain := positional(o.Fields)
	if err := db.create(ctx, in, plain); err != nil {
		return err
	}
	if err := db.fill(ctx, in, plain, feed); err != nil {
		return err
	}
	keys := make([]string, o.Keys)
	for i := range keys {
		keys[i] = plain[i].Name
	}
	// A table keeps the order in which it was made, so that it can be read in
	// pages by row number.
	if err := db.exec(ctx, fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s ORDER BY %s", name(sorted), name(in), orderBy(keys))); err != nil {
		return err
	}
	if err := db.drop(ctx, in); err != nil {
		return err
	}
	return db.pages(ctx, sorted, "*", fields, each)
}

// positional names columns by their place: the names of a caller may repeat.
func positional(in []frame.Field) (named, plain []frame.Field) {
	plain = make([]frame.Field, len(in))
	for i, f := range in {
		plain[i] = f
		plain[i].Name = fmt.Sprintf("c%d", i)
	}
	return in, plain
}

func orderBy(keys []string) string {
	out := ""
	for i, k := range keys {
		if i > 0 {
			out += ", "
		}
		out += name(k) + " ASC NULLS FIRST"
	}
	return out
}

// fill inserts what feed adds, in large statements.
func (db *DB) fill(ctx context.Context, table string, fields []frame.Field, feed func(add func(*frame.Frame) error) error) error {
	buffer := frame.New(fields)
	flush := func() error {
		err := db.insert(ctx, table, buffer)
		buffer.Reset()
		return err
	}
	err := feed(func(f *frame.Frame) error {
		buffer.AppendFrame(f)
		if buffer.Len() < insertRows {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// pages reads columns of a table in its own order.
func (db *DB) pages(ctx context.Context, table, columns string, fields []frame.Field, each func(*frame.Frame) error) error {
	query := fmt.Sprintf("SELECT %s FROM %s WHERE rowid >= ? AND rowid < ? ORDER BY rowid", columns, name(table))
	page := frame.New(fields)
	for first := int64(0); ; first += pageRows {
		page.Reset()
		if err := db.query(ctx, page, first, query, first, first+pageRows); err != nil {
			return err
		}
		if page.Len() == 0 {
			return nil
		}
		if err := each(page); err != nil {
			return err
		}
		if page.Len() < pageRows {
			return nil
		}
	}
}
