//go:build duckdb_arrow

package duckdb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
)

// composites are lists and maps of every kind, nested ones too.
var composites = []frame.Field{
	{Name: "n", Type: featurestore.Int64},
	{Name: "lb", Type: featurestore.List(featurestore.Bool)}, {Name: "li", Type: featurestore.List(featurestore.Int64)},
	{Name: "ld", Type: featurestore.List(featurestore.Double)}, {Name: "ls", Type: featurestore.List(featurestore.String)},
	{Name: "lx", Type: featurestore.List(featurestore.Bytes)}, {Name: "lt", Type: featurestore.List(featurestore.Timestamp)},
	{Name: "lm", Type: featurestore.List(featurestore.Decimal(18, 4))}, {Name: "mi", Type: featurestore.Map(featurestore.Int64)},
	{Name: "md", Type: featurestore.Map(featurestore.Decimal(10, 2))}, {Name: "mt", Type: featurestore.Map(featurestore.Timestamp)},
	{Name: "ml", Type: featurestore.Map(featurestore.List(featurestore.Double))}, {Name: "lmap", Type: featurestore.List(featurestore.Map(featurestore.String))},
}

// part is a value of a type that depends on i; some are null, some empty.
func part(t featurestore.Type, i int) featurestore.Value {
	if i%7 == 3 {
		return featurestore.Null
	}
	parts := func(n int) []featurestore.Value {
		out := make([]featurestore.Value, n)
		for k := range out {
			out[k] = part(*t.Elem, i+k+1)
		}
		return out
	}
	switch t.Kind {
	case featurestore.KindList:
		return featurestore.ListValue(parts(i % 4))
	case featurestore.KindMap:
		keys := []string{"", "a'\"", "é", "z"}[:i%5%4]
		return featurestore.MapValue(keys, parts(len(keys)))
	case featurestore.KindBool:
		return featurestore.BoolValue(i%2 == 0)
	case featurestore.KindDouble:
		return featurestore.DoubleValue(float64(i) / 3)
	case featurestore.KindString:
		return featurestore.StringValue(fmt.Sprintf("é,'%d\"", i))
	case featurestore.KindBytes:
		return featurestore.BytesValue(string([]byte{byte(i), 0, 255}))
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(i)*1_000_001 - 5e12)
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(int64(i) - 500)
	default:
		return featurestore.Int64Value(int64(i) << 40)
	}
}

func compositeRow(i int) []featurestore.Value {
	out := []featurestore.Value{featurestore.Int64Value(int64(i))}
	for k, f := range composites[1:] {
		out = append(out, part(f.Type, i+k))
	}
	return out
}

// rows feeds n rows in a mixed order.
func compositeRows(n int, at func(int) int) func(add func(*frame.Frame) error) error {
	return func(add func(*frame.Frame) error) error {
		f := frame.New(composites)
		for i := range n {
			f.AppendRow(compositeRow(at(i)))
			if f.Len() == 1000 {
				if err := add(f); err != nil {
					return err
				}
				f.Reset()
			}
		}
		return add(f)
	}
}

func checkComposites(f *frame.Frame, next *int) error {
	got := make([]featurestore.Value, len(composites))
	for i := range f.Len() {
		want := compositeRow(*next)
		f.Row(i, got)
		for k := range got {
			if !got[k].Equal(want[k]) {
				return fmt.Errorf("row %d: %s is %s, want %s", *next, composites[k].Name, got[k].Exact(composites[k].Type), want[k].Exact(composites[k].Type))
			}
		}
		*next++
	}
	return nil
}

// Lists and maps, with the nulls in them, come back from a sort bit for bit.
func TestSortKeepsListsAndMaps(t *testing.T) {
	const n = 5000
	next := 0
	err := openAt(t, t.TempDir(), 0).Sort(context.Background(), frame.Order{Fields: composites, Keys: 1},
		compositeRows(n, func(i int) int { return (i*7919 + 13) % n }), func(f *frame.Frame) error { return checkComposites(f, &next) })
	if err != nil || next != n {
		t.Fatalf("%d rows, %v", next, err)
	}
}

// In Parquet lists are LIST and maps MAP, keys ascending, and come back bit for
// bit; in CSV they are JSON, which reads back as the same value.
func TestFilesKeepListsAndMaps(t *testing.T) {
	const n = 3000
	dir, ctx := t.TempDir(), context.Background()
	db := openAt(t, dir, 0)
	for _, format := range []definition.FileFormat{definition.Parquet, definition.CSV} {
		file := frame.File{Path: filepath.Join(dir, "out"), Name: "out", Format: format}
		if err := db.WriteFrames(ctx, composites, compositeRows(n, func(i int) int { return i }), file); err != nil {
			t.Fatal(err)
		}
		table, fields, err := db.Load(ctx, file)
		if err != nil {
			t.Fatal(err)
		}
		casts := make([]frame.Cast, len(fields))
		for i, f := range fields {
			if format == definition.Parquet && !f.Type.Equal(composites[i].Type) {
				t.Errorf("%s is %s (%s), want %s", f.Name, f.Type, f.Native, composites[i].Type)
			}
			if casts[i], err = frame.Into(f, composites[i].Type, nil); err != nil {
				t.Fatal(err)
			}
		}
		next := 0
		err = db.Columns(ctx, table, fields, func(in *frame.Frame) error {
			out := frame.New(composites)
			for i := range in.Len() {
				for c := range in.Columns {
					v, err := casts[c](in.Columns[c].Value(i))
					if err != nil {
						return err
					}
					out.Columns[c].Append(v)
				}
			}
			return checkComposites(out, &next)
		})
		if err != nil || next != n {
			t.Errorf("format %d: %d rows, %v", format, next, err)
		}
	}
}

// Beside a spine too; the spine's own nested columns pass through.
func TestBesideKeepsListsAndMaps(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	db := openAt(t, dir, 0)
	spine := filepath.Join(dir, "spine.parquet")
	if err := db.exec(ctx, "COPY (SELECT i AS id, [i, NULL] AS nested FROM range(100) r(i)) TO "+text(spine)+" (FORMAT parquet)"); err != nil {
		t.Fatal(err)
	}
	table, _, err := db.Load(ctx, frame.File{Path: spine, Name: "spine"})
	if err != nil {
		t.Fatal(err)
	}
	beside := frame.New(composites)
	for i := range 100 {
		beside.AppendRow(compositeRow(i))
	}
	out := frame.File{Path: filepath.Join(dir, "out.csv"), Name: "out", Format: definition.CSV}
	if err := db.WriteBeside(ctx, table, beside, out); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(out.Path)
	if err != nil || strings.Count(string(raw), "\n") != 101 {
		t.Fatalf("%v:\n%s", err, raw)
	}
	if want := `"[0,null]"`; !strings.Contains(string(raw), want) {
		t.Errorf("no %s in\n%s", want, raw[:min(len(raw), 600)])
	}
	out = frame.File{Path: filepath.Join(dir, "out.parquet"), Name: "out", Format: definition.Parquet}
	if err := db.WriteBeside(ctx, table, beside, out); err != nil {
		t.Fatal(err)
	}
	table, fields, err := db.Load(ctx, out)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	if err := db.Columns(ctx, table, fields[2:], func(f *frame.Frame) error { return checkComposites(f, &next) }); err != nil || next != 100 {
		t.Errorf("%d rows, %v", next, err)
	}
}
