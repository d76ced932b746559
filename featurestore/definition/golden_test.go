package definition_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
)

var update = flag.Bool("update", false, "write the golden files")

const corpus = "../../testdata/definitions"

func file(t testing.TB, path string) definition.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return definition.File{Path: filepath.Base(path), Data: data}
}

// TestInvalid loads each wrong file beside a project without problems, and
// compares what is said about it with its golden file.
func TestInvalid(t *testing.T) {
	paths, err := filepath.Glob(corpus + "/invalid/*.yaml")
	if err != nil || len(paths) < 220 {
		t.Fatalf("%d wrong files: %v", len(paths), err)
	}
	beside := []definition.File{file(t, corpus+"/base.yaml")}
	for _, f := range readDir(t, corpus+"/schemas") {
		beside = append(beside, definition.File{Path: "schemas/" + f.Path, Data: f.Data})
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			wrong := file(t, path)
			project, problems := definition.Load(append([]definition.File{wrong}, beside...))
			if (project == nil) != (problems.Errors() > 0) {
				t.Errorf("project %v with %d errors", project != nil, problems.Errors())
			}
			var about definition.Problems
			for _, p := range problems {
				if p.Place.File == wrong.Path {
					about = append(about, p)
				} else {
					t.Errorf("a problem in a file without problems:\n%s", p.Format())
				}
			}
			if len(about) == 0 {
				t.Fatal("nothing is said about it")
			}
			compareGolden(t, strings.TrimSuffix(path, ".yaml")+".golden", about.Format())
			for _, p := range about {
				if lines := strings.Split(string(wrong.Data), "\n"); p.Place.Line < 1 || p.Place.Line > len(lines) || p.Place.Column < 1 || p.Place.Column > len(lines[p.Place.Line-1])+1 {
					t.Errorf("%s is not in the file", p.Place)
				}
			}
		})
	}
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestValid loads each right project on its own: a file, or a folder of files.
func TestValid(t *testing.T) {
	entries, err := os.ReadDir(corpus + "/valid")
	if err != nil || len(entries) < 12 {
		t.Fatalf("%d right projects: %v", len(entries), err)
	}
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			path := filepath.Join(corpus, "valid", e.Name())
			files := []definition.File{}
			if e.IsDir() {
				files = readDir(t, path)
			} else {
				files = append(files, file(t, path))
			}
			mustLoad(t, files)
		})
	}
}

func TestProblemsAreInOrder(t *testing.T) {
	files := readDir(t, corpus+"/invalid")
	_, problems := definition.Load(files)
	slices.Reverse(files)
	_, again := definition.Load(files)
	compare := func(a, b definition.Problem) int {
		if a.Place.File != b.Place.File {
			return strings.Compare(a.Place.File, b.Place.File)
		}
		if a.Place.Line != b.Place.Line {
			return a.Place.Line - b.Place.Line
		}
		return a.Place.Column - b.Place.Column
	}
	if !slices.IsSortedFunc(problems, compare) {
		t.Error("problems are not in order of file, line and column")
	}
	if problems.Format() != again.Format() {
		t.Error("the order of the files changes the problems")
	}
}
