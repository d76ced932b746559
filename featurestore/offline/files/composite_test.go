package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

func doubles(x ...float64) featurestore.Value {
	var elems []featurestore.Value
	for _, f := range x {
		elems = append(elems, featurestore.DoubleValue(f))
	}
	return featurestore.ListValue(elems)
}

// TestParquetLists: lists as writers lay them out, also over the ends of batches.
func TestParquetLists(t *testing.T) {
	type row struct {
		E int64      `parquet:"e,timestamp(microsecond)"`
		L []float64  `parquet:"l,list"`
		R []float64  `parquet:"r"`
		O []*float64 `parquet:"o,list"`
	}
	var rows []row
	one := 1.5
	for i := range 3*BatchRows + 7 {
		r := row{E: int64(i)}
		for k := range i % 4 {
			r.L, r.R = append(r.L, float64(i+k)), append(r.R, float64(k))
		}
		if i%2 == 1 {
			r.O = []*float64{&one, nil}
		}
		rows = append(rows, r)
	}
	path := writeParquet(t, rows)
	list := featurestore.List(featurestore.Double)
	got, _ := readAll(t, path, Spec{Time: rfc3339("e"), Fields: fields("l", list, "r", list, "o", list)})
	if len(got) != len(rows) {
		t.Fatalf("%d rows, want %d", len(got), len(rows))
	}
	for i := range rows {
		if !got[i].Fields[0].Equal(doubles(rows[i].L...)) || !got[i].Fields[1].Equal(doubles(rows[i].R...)) || got[i].Problem != "" {
			t.Fatalf("row %d: %+v, want %+v", i, got[i], rows[i])
		}
		if o := got[i].Fields[2].Elems(); len(o) != 2*(i%2) || len(o) > 0 && (o[0].Double() != 1.5 || !o[1].IsNull()) {
			t.Fatalf("row %d: %+v", i, got[i].Fields[2])
		}
	}
}

func TestJSONPaths(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.jsonl")
	lines := `{"m":{"at":1},"p":{"a":2.5},"v":[1,null],"s":{"b":1,"a":2}}
{"m":{"at":1},"p":null}
{"m":{"at":1},"p":7}
{"m":{"at":1},"p":{"a":1,"a":1}}
{"m":{"at":1},"s":{"a":1,"a":1}}
{"m":{"at":1},"v":["x"]}
`
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	f := []definition.Field{
		{Name: "at", Type: featurestore.Timestamp, Path: []string{"m", "at"}}, {Name: "a", Type: featurestore.Double, Path: []string{"p", "a"}},
		{Name: "v", Type: featurestore.List(featurestore.Double)}, {Name: "s", Type: featurestore.Map(featurestore.Int64)},
	}
	rows, _ := readAll(t, path, Spec{Format: definition.JSONL, Time: definition.TimeSpec{Name: "at", Format: definition.FormatUnixS}, Fields: f})
	if r := rows[0]; r.Problem != "" || r.Time != 1_000_000 || r.Fields[1].Double() != 2.5 || len(r.Fields[2].Elems()) != 2 || r.Fields[3].Keys()[0] != "a" {
		t.Errorf("%+v", r)
	}
	for i, want := range []string{"", "", "not an object", "twice", "twice", "element 0"} {
		if got := rows[i].Problem; (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("line %d: %q, want %q", i, got, want)
		}
	}
}
