package warehouse

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

func readAll(t *testing.T, table *Table) []Row {
	t.Helper()
	var out []Row
	for {
		rows, err := table.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			r.Fields = append([]featurestore.Value(nil), r.Fields...)
			out = append(out, r)
		}
	}
}

func TestTable(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"b.csv": "day,n\n2013-01-02T00:00:00Z,3\n",
		"a.csv": "n,day\n1,2013-01-01T00:00:00Z\nx,2013-01-01T00:00:00Z\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source := &definition.BatchSource{
		Meta: definition.Meta{Name: "stats"}, Files: []string{"*.csv"}, Format: definition.CSV, Delay: featurestore.Hour,
		Timestamp: definition.TimeSpec{Name: "day"}, Fields: []definition.Field{{Name: "n", Type: featurestore.Int64}},
	}
	table, err := Open(root, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := readAll(t, table)
	if len(rows) != 3 || rows[0].File != "a.csv" || rows[1].Row != 1 || rows[1].Problem == "" || rows[2].File != "b.csv" || rows[2].Row != 0 {
		t.Fatalf("rows %+v", rows)
	}
	if !rows[2].Fields[0].Equal(featurestore.Int64Value(3)) || int64(rows[2].Available)-int64(rows[2].Time) != int64(featurestore.Hour) {
		t.Errorf("row %+v", rows[2])
	}
	if paths, names := table.Files(); len(paths) != 2 || names[0] != "a.csv" || !filepath.IsAbs(paths[0]) {
		t.Errorf("files %q, %q", paths, names)
	}
	source.Files = []string{"*.parquet"}
	if _, err := Open(root, source, nil); !errors.Is(err, featurestore.ErrNotFound) || !strings.Contains(err.Error(), `"stats"`) {
		t.Errorf("no files: %v", err)
	}
}

func TestPlanes(t *testing.T) {
	source := &definition.BatchSource{
		Meta: definition.Meta{Name: "planes"}, Files: []string{"data/planes.parquet"}, Timestamp: definition.TimeSpec{Name: "registered_at"},
		Fields: []definition.Field{{Name: "tailnum", Type: featurestore.String}, {Name: "seats", Type: featurestore.Int64}, {Name: "built", Type: featurestore.Int64}},
	}
	table, err := Open("../../../testdata/nycflights", source, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	rows := readAll(t, table)
	if len(rows) != 3322 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		if r.Problem != "" || r.Fields[0].IsNull() || r.Fields[1].IsNull() || !r.Fields[2].IsNull() {
			t.Fatalf("row %+v", r)
		}
	}
}
