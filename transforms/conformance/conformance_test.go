package conformance

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
)

func load(t *testing.T) []*Case {
	t.Helper()
	cases, err := Load(os.DirFS(Dir()))
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestEveryVectorIsThere(t *testing.T) {
	file, err := read(os.DirFS(Dir()))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range file.Vectors {
		if v.ID != i+1 || v.Title == "" || len(v.Cases) == 0 {
			t.Errorf("vector %d of the file is %d %q with %d cases", i+1, v.ID, v.Title, len(v.Cases))
		}
	}
	batch := slices.DeleteFunc(slices.Clone(file.Vectors), func(v vectorJSON) bool { return v.Cases[0].Kind != KindBatch })
	if len(batch) < 12 || len(file.Vectors)-len(batch) < 203 {
		t.Errorf("%d vectors, want the 43 of semantics.md, 160 more, and 12 of batch views", len(file.Vectors))
	}
	names := map[string]bool{}
	for _, v := range file.Vectors {
		for _, c := range v.Cases {
			name := caseName(v.ID, c.Name)
			if names[name] {
				t.Errorf("two cases have the name %s", name)
			}
			names[name] = true
		}
	}
}

// needs of a case are words of the specification, and name every kind of window.
func TestNeedsAreKnown(t *testing.T) {
	for _, c := range load(t) {
		for _, need := range c.Needs {
			if !slices.Contains(capabilities, need) {
				t.Errorf("case %s needs an unknown capability %q", c.Name, need)
			}
		}
		for _, f := range c.Config.Features {
			if !slices.Contains(c.Needs, f.Kind.String()) {
				t.Errorf("case %s has a window of kind %s, which its needs do not say", c.Name, f.Kind.String())
			}
		}
	}
}

func TestOrdersExpand(t *testing.T) {
	count := map[int]int{}
	for _, c := range load(t) {
		count[c.Vector]++
	}
	// 15: two cases, each with 3 places for the record of the other partition.
	for vector, want := range map[int]int{1: 1, 12: 2, 14: 1, 15: 6, 20: 6} {
		if count[vector] != want {
			t.Errorf("vector %d gives %d cases, want %d", vector, count[vector], want)
		}
	}
}

func TestWireRecordsHoldTheRows(t *testing.T) {
	for _, c := range load(t) {
		for _, e := range c.Events {
			for _, row := range e.Rows {
				var object, envelope map[string]json.RawMessage
				if err := json.Unmarshal(e.Wire, &envelope); err != nil {
					t.Fatalf("%s: %s: %v", c.Name, e.Wire, err)
				}
				image := json.RawMessage(e.Wire)
				if row.Change != featurestore.NoChange {
					image = envelope[map[featurestore.Change]string{featurestore.Added: "after", featurestore.Retracted: "before"}[row.Change]]
				}
				if err := json.Unmarshal(image, &object); err != nil {
					t.Fatalf("%s: %s: %v", c.Name, e.Wire, err)
				}
				for i, col := range c.Columns {
					got, err := parseValue(object[col.Name], col.Type)
					if err != nil || !got.Equal(row.Inputs[i]) {
						t.Errorf("%s: field %s of %s is %v (%v)", c.Name, col.Name, e.Wire, got, err)
					}
				}
			}
		}
	}
}

func TestOracle(t *testing.T) {
	leftOut := RunAll(t, load(t), Oracle{})
	for _, name := range leftOut {
		vector, _, _ := strings.Cut(name, "/")
		if !slices.Contains([]string{"27", "28", "29", "30", "31", "32", "40", "255"}, vector) {
			t.Errorf("%s is left out", name)
		}
	}
}

// recorder counts the failures that RunAll reports.
type recorder struct{ failures int }

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failures++ }

// wrong answers with another value than the oracle, or another status.
type wrong struct {
	Oracle
	spoil func(*featurestore.Cell)
}

func (w wrong) Run(c *Case) (Result, error) {
	r, err := w.Oracle.Run(c)
	for i := range r.Cells {
		w.spoil(&r.Cells[i][0])
	}
	return r, err
}

func TestDifferencesAreReported(t *testing.T) {
	cases := slices.DeleteFunc(load(t), func(c *Case) bool { return c.Vector > 43 }) // enough, and fast
	readings := 0
	for _, c := range cases {
		readings += len(c.Readings)
	}
	for name, f := range map[string]func(*featurestore.Cell){
		"value":  func(c *featurestore.Cell) { c.Value = featurestore.StringValue("wrong") },
		"status": func(c *featurestore.Cell) { c.Status = featurestore.Stale },
	} {
		var r recorder
		RunAll(&r, cases, wrong{spoil: f})
		if r.failures != readings {
			t.Errorf("%s: %d differences reported of %d", name, r.failures, readings)
		}
	}
}

func TestLoadRefusesWhatItDoesNotKnow(t *testing.T) {
	if !reflect.DeepEqual(permutations(3), [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
		t.Errorf("permutations of 3: %v", permutations(3))
	}
	for name, text := range map[string]string{
		"unknown field": `{"version": 3, "vectors": [], "more": 1}`,
		"version":       `{"version": 2, "vectors": []}`,
		"two documents": `{"version": 3, "vectors": []} {}`,
		"column":        `{"version": 3, "vectors": [{"id": 1, "title": "x", "cases": [{"columns": [{"name": "v", "type": "int"}]}]}]}`,
		"aggregate of":  `{"version": 3, "vectors": [{"id": 1, "title": "x", "cases": [{"view": {"features": [{"name": "a", "agg": "sum(w)"}]}}]}]}`,
		"log":           `{"version": 3, "vectors": [{"id": 1, "title": "x", "cases": [{"log": "base"}]}]}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/"+FileName, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(os.DirFS(dir)); err == nil {
			t.Errorf("%s: %s is accepted", name, text)
		}
	}
}
