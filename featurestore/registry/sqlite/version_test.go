package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// Who only looks at a registry neither makes nor migrates it.
func TestVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.db")
	if _, _, err := sqlite.Version(t.Context(), path); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("it was made")
	}
	s, err := sqlite.Open(t.Context(), path, 4)
	if err != nil {
		t.Fatal(err)
	}
	have, known, err := sqlite.Version(t.Context(), path) // also while it is open
	if err != nil || have != known || have < 2 {
		t.Errorf("%d of %d, %v", have, known, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("no registry"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sqlite.Version(t.Context(), path); err == nil {
		t.Error("another file has a version")
	}
}
