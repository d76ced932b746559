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

// Load reads a file into a table that keeps the order of its rows, and gives
// the table's name and its columns. A CSV file's columns are its text, untouched
// (an empty cell is null, a quoted empty one is an empty text); those of JSON
// lines are bool, int64, double, text or nested as its rows say, where text is
// never taken for a time. A column that stands twice is refused; DuckDB would
// rename it.
func (db *DB) Load(ctx context.Context, f frame.File) (table string, fields []frame.Field, err error) {
	from, textual, err := db.source(ctx, f)
	if err != nil {
		return "", nil, fmt.Errorf("file %q: %w", f.Name, err)
	}
	table = db.table("file")
	if err := db.exec(ctx, fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s", name(table), from)); err != nil {
		return "", nil, fmt.Errorf("file %q: %w", f.Name, err)
	}
	fields, err = db.schema(ctx, table)
	if err != nil {
		return "", nil, errors.Join(err, db.drop(ctx, table))
	}
	for i := range fields {
		fields[i].Text = textual
	}
	return table, fields, nil
}

// Columns reads columns of a loaded table in the order of its rows. It refuses
// a column of a type that Freshet has no word for.
func (db *DB) Columns(ctx context.Context, table string, fields []frame.Field, each func(*frame.Frame) error) error {
	list := make([]string, len(fields))
	for i, f := range fields {
		if f.Type.Kind == featurestore.KindNull {
			return featurestore.Invalidf("column %q is %s, which cannot be read: cast it to a plain type", f.Name, f.Native)
		}
		list[i] = f.Name
	}
	if len(fields) == 0 {
		return nil
	}
	return db.pages(ctx, table, names(list), fields, each)
}

// Unload removes a loaded table.
func (db *DB) Unload(ctx context.Context, table string) error { return db.drop(ctx, table) }

// Rows is the number of rows of a loaded table.
func (db *DB) Rows(ctx context.Context, table string) (int64, error) {
	count := frame.New([]frame.Field{{Name: "n", Type: featurestore.Int64}})
	if err := db.query(ctx, count, 0, "SELECT count(*) AS n FROM "+name(table)); err != nil {
		return 0, err
	}
	return count.Columns[0].Int(0), nil
}

// source is the table function that reads a file, after a look at its columns.
// textual says that every column is the text of the file.
func (db *DB) source(ctx context.Context, f frame.File) (from string, textual bool, err error) {
	switch f.Format {
	case definition.CSV:
		from, err = csvSource(f.Path)
		return from, true, err
	case definition.JSONL:
		from, err = db.jsonSource(ctx, f.Path)
		return from, false, err
	default:
		from, err = db.parquetSource(ctx, f.Path)
		return from, false, err
	}
}

// parquetSource refuses names that differ in case only, which are one name in SQL.
func (db *DB) parquetSource(ctx context.Context, path string) (string, error) {
	schema := frame.New([]frame.Field{
		{Name: "name", Type: featurestore.String}, {Name: "children", Type: featurestore.Int64},
	})
	query := "SELECT name, coalesce(num_children, 0)::BIGINT AS children FROM parquet_schema(" + text(path) + ")"
	if err := db.query(ctx, schema, 0, query); err != nil {
		return "", err
	}
	if err := unique(topLevel(schema)); err != nil {
		return "", err
	}
	// The folders of a path are no columns: a file says what it holds itself.
	return "read_parquet(" + text(path) + ", hive_partitioning = false)", wholeMicroseconds(path)
}

// topLevel walks the depth-first list of a Parquet schema: the first entry is
// the root, and a group is followed by its children.
func topLevel(schema *frame.Frame) []string {
	var out []string
	skip := int64(0)
	for i := 1; i < schema.Len(); i++ {
		children := schema.Columns[1].Int(i)
		if skip > 0 {
			skip += children - 1
			continue
		}
		skip = children
		out = append(out, schema.Columns[0].Text[i])
	}
	return out
}

// jsonSource keeps as text what DuckDB would take for a time.
func (db *DB) jsonSource(ctx context.Context, path string) (string, error) {
	const options = "format = 'newline_delimited', hive_partitioning = false, sample_size = -1, maximum_depth = 2"
	columns, err := db.describe(ctx, fmt.Sprintf("read_json(%s, %s)", text(path), options))
	if err != nil {
		return "", err
	}
	list := make([]string, len(columns))
	for i, c := range columns {
		t := c.native
		if strings.HasPrefix(t, "TIME") || t == "DATE" || t == "UUID" {
			t = "VARCHAR"
		}
		list[i] = text(c.name) + ": " + text(t)
	}
	return fmt.Sprintf("read_json(%s, format = 'newline_delimited', hive_partitioning = false, columns = {%s})", text(path), strings.Join(list, ", ")), nil
}

// unique refuses names that are one name in SQL.
func unique(columns []string) error {
	folded := make([]string, len(columns))
	for i, c := range columns {
		folded[i] = strings.ToLower(c)
		if j := slices.Index(folded[:i], folded[i]); j >= 0 {
			if columns[j] == c {
				return featurestore.Invalidf("column %q stands twice: rename one of them", c)
			}
			return featurestore.Invalidf("columns %q and %q differ in case only: rename one of them", columns[j], c)
		}
	}
	return nil
}
