//go:build duckdb_arrow

package duckdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
)

// openAt opens a small database that may use one folder, and closes it with the
// test.
func openAt(t *testing.T, dir string, memory int64) *DB {
	t.Helper()
	db, err := Open(context.Background(), Config{TempDir: filepath.Join(dir, "tmp"), MemoryBytes: memory, Threads: 2, Allow: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(left) > 0 {
			t.Errorf("%d files are left in the temp folder", len(left))
		}
	})
	return db
}

var everyKind = []frame.Field{
	{Name: "n", Type: featurestore.Int64}, {Name: "b", Type: featurestore.Bool}, {Name: "d", Type: featurestore.Double},
	{Name: "s", Type: featurestore.String}, {Name: "x", Type: featurestore.Bytes}, {Name: "t", Type: featurestore.Timestamp},
	{Name: "m", Type: featurestore.Decimal(10, 2)}, {Name: `odd "name"`, Type: featurestore.Int64},
}

// row makes a row of everyKind; every third value is null.
func row(i int) []featurestore.Value {
	out := []featurestore.Value{
		featurestore.Int64Value(int64(i)), featurestore.BoolValue(i%2 == 0), featurestore.DoubleValue(float64(i) / 3),
		featurestore.StringValue(fmt.Sprintf("é'%d\x00\"", i)), featurestore.BytesValue(string([]byte{byte(i), 0, 255})),
		featurestore.TimestampValue(featurestore.Instant(i)*1_000_001 - 5e12), featurestore.DecimalValue(int64(i) - 500), featurestore.Int64Value(-int64(i)),
	}
	for k := 1; k < len(out); k++ {
		if (i+k)%3 == 0 {
			out[k] = featurestore.Null
		}
	}
	return out
}

func sameRow(a, b []featurestore.Value) bool {
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// Rows of every kind come back as they went in, in order, whatever order they
// came in, also where they do not fit in memory; the frame's own sort agrees.
func TestSortKeepsEveryKind(t *testing.T) {
	const n = 150_000 // more than one insert and one page
	db := openAt(t, t.TempDir(), 64<<20)
	feed := func(add func(*frame.Frame) error) error {
		f := frame.New(everyKind)
		for i := range n {
			f.AppendRow(row((i*7919 + 13) % n))
			if f.Len() == 5000 {
				if err := add(f); err != nil {
					return err
				}
				f.Reset()
			}
		}
		return add(f)
	}
	next, got := 0, make([]featurestore.Value, len(everyKind))
	err := db.Sort(context.Background(), frame.Order{Fields: everyKind, Keys: 1}, feed, func(f *frame.Frame) error {
		for i := range f.Len() {
			if f.Row(i, got); !sameRow(got, row(next)) {
				return fmt.Errorf("row %d is %v, want %v", next, got, row(next))
			}
			next++
		}
		return nil
	})
	if err != nil || next != n {
		t.Fatalf("%d rows, %v", next, err)
	}
}

// Equal rows make equal bytes, in Parquet and CSV.
func TestWritingIsDeterministic(t *testing.T) {
	dir := t.TempDir()
	db := openAt(t, dir, 0)
	for _, format := range []definition.FileFormat{definition.Parquet, definition.CSV} {
		var files [2][]byte
		for k := range files {
			path := filepath.Join(dir, fmt.Sprintf("out%d", k))
			err := db.WriteFrames(context.Background(), everyKind, func(add func(*frame.Frame) error) error {
				f := frame.New(everyKind)
				for i := range 250_000 {
					f.AppendRow(row(i))
				}
				return add(f)
			}, frame.File{Path: path, Name: "out", Format: format})
			if err != nil {
				t.Fatal(err)
			}
			if files[k], err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(files[0], files[1]) {
			t.Errorf("format %d: two writings differ", format)
		}
	}
}

// A Parquet file is read back as it was written, and written beside columns.
func TestBesideKeepsTheSpine(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	db := openAt(t, dir, 0)
	path := filepath.Join(dir, "spine.parquet")
	err := db.exec(ctx, `COPY (SELECT i AS "Row", {'a': i} AS nested, 'x' || i AS label, TIMESTAMP '2020-01-01' AS wall FROM range(300000) r(i)) TO `+text(path)+" (FORMAT parquet)")
	if err != nil {
		t.Fatal(err)
	}
	table, fields, err := db.Load(ctx, frame.File{Path: path, Name: "spine.parquet"})
	if err != nil {
		t.Fatal(err)
	}
	if f := fields[1]; f.Type.Kind != featurestore.KindNull || !fields[3].Zoneless {
		t.Errorf("fields %+v", fields)
	}
	if err := db.Columns(ctx, table, fields[1:2], func(*frame.Frame) error { return nil }); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("reading a struct: %v", err)
	}
	beside := frame.New([]frame.Field{{Name: "f", Type: featurestore.Int64}})
	for i := range 300000 {
		beside.Columns[0].AppendInt(int64(2 * i))
	}
	out := frame.File{Path: filepath.Join(dir, "out.parquet"), Name: "out.parquet"}
	if err := db.WriteBeside(ctx, table, beside, out); err != nil {
		t.Fatal(err)
	}
	back, fields, err := db.Load(ctx, out)
	if err != nil {
		t.Fatal(err)
	}
	if len(fields) != 5 || fields[1].Native != "STRUCT(a BIGINT)" || fields[4].Name != "f" {
		t.Errorf("fields %+v", fields)
	}
	next := int64(0)
	err = db.Columns(ctx, back, []frame.Field{fields[0], fields[4]}, func(f *frame.Frame) error {
		for i := range f.Len() {
			if f.Columns[0].Int(i) != next || f.Columns[1].Int(i) != 2*next {
				return fmt.Errorf("row %d is %d, %d", next, f.Columns[0].Int(i), f.Columns[1].Int(i))
			}
			next++
		}
		return nil
	})
	if err != nil || next != 300000 {
		t.Fatalf("%d rows, %v", next, err)
	}
}

// CSV text passes through: zeros, quotes, empty cells and empty texts.
func TestCSVIsUntouched(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	db := openAt(t, dir, 0)
	const in = "id,zip,note,when\n1,00501,\"a, \"\"b\"\"\",2020-01-01\n2,,\"\",1e400\n"
	path := filepath.Join(dir, "in.csv")
	if err := os.WriteFile(path, []byte(in), 0o600); err != nil {
		t.Fatal(err)
	}
	table, fields, err := db.Load(ctx, frame.File{Path: path, Name: "in.csv", Format: definition.CSV})
	if err != nil {
		t.Fatal(err)
	}
	if !fields[0].Text || fields[0].Type.Kind != featurestore.KindString {
		t.Errorf("fields %+v", fields)
	}
	beside := frame.New([]frame.Field{{Name: "t", Type: featurestore.Timestamp}})
	for _, at := range []featurestore.Instant{0, 1_500_000} {
		beside.Columns[0].AppendInt(int64(at))
	}
	out := filepath.Join(dir, "out.csv")
	if err := db.WriteBeside(ctx, table, beside, frame.File{Path: out, Name: "out.csv", Format: definition.CSV}); err != nil {
		t.Fatal(err)
	}
	const want = "id,zip,note,when,t\n1,00501,\"a, \"\"b\"\"\",2020-01-01,1970-01-01T00:00:00Z\n2,,\"\",1e400,1970-01-01T00:00:01.5Z\n"
	if got, _ := os.ReadFile(out); string(got) != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// JSON lines keep the text of times as it is.
func TestJSONLinesKeepText(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	db := openAt(t, dir, 0)
	path := filepath.Join(dir, "in.jsonl")
	const in = `{"k": "a", "at": "2020-01-01T00:00:00.5Z", "n": 1, "d": 1.5, "ok": true}` + "\n" + `{"k": null, "at": "2020-01-01T02:00:00+02:00", "n": 2, "d": 2}` + "\n"
	if err := os.WriteFile(path, []byte(in), 0o600); err != nil {
		t.Fatal(err)
	}
	table, fields, err := db.Load(ctx, frame.File{Path: path, Name: "in.jsonl", Format: definition.JSONL})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Columns(ctx, table, fields, func(f *frame.Frame) error {
		got := make([]featurestore.Value, len(fields))
		f.Row(1, got)
		want := []featurestore.Value{featurestore.Null, featurestore.StringValue("2020-01-01T02:00:00+02:00"), featurestore.Int64Value(2), featurestore.DoubleValue(2), featurestore.Null}
		if !sameRow(got, want) {
			t.Errorf("got %v, want %v (%+v)", got, want, fields)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a file must not be is refused with its reason; nothing outside of the
// allowed folder is touched, and the configuration stays as it is.
func TestRefused(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	db := openAt(t, dir, 0)
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"twice.csv":   {"a,b,a\n1,2,3\n", `column "a" stands twice`},
		"case.csv":    {"a,A\n1,2\n", `columns "a" and "A" differ in case only`},
		"empty.csv":   {"", "the file is empty"},
		"noname.csv":  {"a,\n1,2\n", "column 2 of the header has no name"},
		"ragged.csv":  {"a,b\n1\n", "Error"},
		"not.parquet": {"hello", "not"},
		"cut.jsonl":   {`{"a": 1}` + "\n" + `{"a": `, "JSON"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		format := map[string]definition.FileFormat{".csv": definition.CSV, ".jsonl": definition.JSONL, ".parquet": definition.Parquet}[filepath.Ext(name)]
		_, _, err := db.Load(ctx, frame.File{Path: path, Name: name, Format: format})
		if !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	outside := filepath.Join(t.TempDir(), "x.parquet")
	for _, query := range []string{
		"COPY (SELECT 1) TO " + text(outside), "SELECT * FROM read_text(" + text("/etc/passwd") + ")",
		"SET enable_external_access = true", "INSTALL httpfs", "ATTACH " + text(outside),
	} {
		if err := db.exec(ctx, query); err == nil {
			t.Errorf("%s was done", query)
		}
	}
}

// A column of nanoseconds is read where every value is a whole microsecond.
func TestNanoseconds(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	db := openAt(t, dir, 0)
	for nanos, want := range map[string]bool{"123456000": true, "123456789": false} {
		path := filepath.Join(dir, nanos+".parquet")
		if err := db.exec(ctx, "COPY (SELECT TIMESTAMP_NS '2020-01-01 00:00:00."+nanos+"' AS t) TO "+text(path)+" (FORMAT parquet)"); err != nil {
			t.Fatal(err)
		}
		table, fields, err := db.Load(ctx, frame.File{Path: path, Name: nanos})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Columns(ctx, table, fields, func(f *frame.Frame) error {
			if got := f.Columns[0].Value(0).Timestamp().String(); got != "2020-01-01T00:00:00.123456Z" {
				t.Errorf("read %s", got)
			}
			return nil
		})
		if (err == nil) != want {
			t.Errorf("%s ns: %v", nanos, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	db := openAt(t, t.TempDir(), 0)
	ctx, cancel := context.WithCancel(context.Background())
	err := db.Sort(ctx, frame.Order{Fields: everyKind, Keys: 1}, func(add func(*frame.Frame) error) error {
		f := frame.New(everyKind)
		f.AppendRow(row(1))
		cancel()
		return add(f)
	}, func(*frame.Frame) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	count := frame.New([]frame.Field{{Name: "n", Type: featurestore.Int64}})
	if err := db.query(context.Background(), count, 0, "SELECT count(*) AS n FROM duckdb_tables()"); err != nil || count.Columns[0].Int(0) != 0 {
		t.Errorf("%d tables are left, %v", count.Columns[0].Int(0), err)
	}
}
