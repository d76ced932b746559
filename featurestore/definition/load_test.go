package definition_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
)

// readDir reads the definition files under a folder.
func readDir(t testing.TB, dir string) []definition.File {
	t.Helper()
	var files []definition.File
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files = append(files, definition.File{Path: filepath.ToSlash(rel), Data: data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// mustLoad loads a project that has neither errors nor warnings.
func mustLoad(t testing.TB, files []definition.File) *definition.Project {
	t.Helper()
	p, problems := definition.Load(files)
	if len(problems) > 0 || p == nil {
		t.Fatalf("problems:\n%s", problems.Format())
	}
	return p
}

func text(yaml string) []definition.File {
	return []definition.File{{Path: "x.yaml", Data: []byte(yaml)}}
}

func TestFlights(t *testing.T) {
	p := mustLoad(t, readDir(t, "../../testdata/nycflights/definitions"))
	if got := len(p.StreamView("airport_traffic").Features); got != 18 {
		t.Errorf("airport_traffic has %d features", got)
	}
	s := p.Service("arrival_delay_v1")
	t.Logf("%+v\n%+v\n%+v", s.Roles, s.Entities, s.Request)
}
