package files

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
)

func TestGlob(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.csv", "d/b.csv", "d/e/c.csv", "d/e/x.txt", "d/B.csv"} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ patterns, want []string }{
		{[]string{"*.csv"}, []string{"a.csv"}},
		{[]string{"./d/*.csv", "d/b.csv"}, []string{"d/B.csv", "d/b.csv"}},
		{[]string{"**/*.csv"}, []string{"a.csv", "d/B.csv", "d/b.csv", "d/e/c.csv"}},
		{[]string{"d/*/*.csv", "a.csv"}, []string{"a.csv", "d/e/c.csv"}},
		{[]string{"d/../a.csv"}, []string{"a.csv"}},
		{[]string{filepath.Join(root, "d", "[bc].csv")}, []string{filepath.Join(root, "d", "b.csv")}},
	} {
		found, err := Glob(root, c.patterns)
		var got []string
		for _, f := range found {
			got = append(got, f.Name)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v; want %q", c.patterns, got, err, c.want)
		}
	}
	if _, err := Glob(root, []string{"*.parquet"}); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("no match: %v", err)
	}
	if _, err := Glob(root, []string{"[a"}); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("a wrong pattern: %v", err)
	}
}
