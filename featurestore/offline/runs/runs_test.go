package runs

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
)

func run(id string, completed featurestore.Instant) Run {
	return Run{
		ID: id, View: "plane", Definition: "ab", Cutoff: completed - 1, Completed: completed, Revision: 3, Rows: 10,
		Files: []File{{Path: "batch/plane/x.parquet", Rows: 10, Bytes: 99, XXH3: "0123456789abcdef"}},
	}
}

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	r := Open(dir)
	if list, err := r.List("plane"); err != nil || len(list) != 0 {
		t.Fatalf("no record: %v, %v", list, err)
	}
	const day = featurestore.Instant(featurestore.Day)
	for _, x := range []Run{run("c", 3*day), run("a", day), run("b2", 2*day), run("b1", 2*day), run("a", day)} {
		if err := r.Append(x); err != nil {
			t.Fatal(err)
		}
	}
	list, err := Open(dir).List("plane")
	if want := []Run{run("a", day), run("b1", 2*day), run("b2", 2*day), run("c", 3*day)}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("list %+v, %v; want %+v", list, err, want)
	}
	for at, want := range map[featurestore.Instant]string{day - 1: "", day: "a", 2*day + 1: "b2", 9 * day: "c"} {
		got, found, err := r.Latest("plane", at)
		if err != nil || got.ID != want || found != (want != "") {
			t.Errorf("latest at %v: %q, %v, %v; want %q", at, got.ID, found, err, want)
		}
	}
	other := run("a", 5*day)
	if err := r.Append(other); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("another run of the same id: %v", err)
	}
	other.View = "../x"
	if err := r.Append(other); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("a wrong name: %v", err)
	}
}

func TestDamagedRecord(t *testing.T) {
	dir := t.TempDir()
	r := Open(dir)
	if err := r.Append(run("a", 5)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "runs", "plane.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", string(whole[:len(whole)/2]), string(whole) + "x",
		strings.Replace(string(whole), `"version": 1`, `"version": 7`, 1), strings.Replace(string(whole), `000005Z`, `000005`, 1),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := r.List("plane"); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "plane.json") {
			t.Errorf("%q: %v", text, err)
		}
		if err := r.Append(run("b", 6)); !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("append to a damaged record: %v", err)
		}
	}
}
