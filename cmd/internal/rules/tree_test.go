// Package rules holds the rules of the repository as tests: which package may
// import which, how large a file may grow, what may not be written down. It has
// no code of its own. A rule that is in the way is changed here, in the open,
// with its reason.
package rules

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/freshet/freshet"

// root finds the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("there is no go.mod above the tests")
		}
		dir = filepath.Dir(dir)
	}
}

// files lists what belongs to the repository, by slash paths: what git tracks or
// would track. A copy without git is walked instead.
func files(t *testing.T) []string {
	t.Helper()
	dir := root(t)
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return walk(t, dir)
	}
	var list []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			list = append(list, name)
		}
	}
	return list
}

func walk(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(at string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		switch rel = filepath.ToSlash(rel); rel {
		case ".git", ".cache", ".freshet", ".bench", "bin": // what .gitignore names
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			list = append(list, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// text gives the content of a file, and whether it is text.
func text(t *testing.T, name string) (string, bool) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data), !bytes.Contains(data[:min(len(data), 8000)], []byte{0})
}

// source is one Go file. Build tags are not looked at: a rule holds for all.
type source struct {
	name      string // slash path in the repository
	pkg       string // its folder, such as "transforms/agg"
	test      bool   // *_test.go
	generated bool
	lines     int
	file      *ast.File
	set       *token.FileSet
}

// at says where a node stands, for messages.
func (s *source) at(n ast.Node) string {
	return s.name + ":" + strconv.Itoa(s.set.Position(n.Pos()).Line)
}

// imports are the paths that the file imports.
func (s *source) imports() []string {
	var list []string
	for _, spec := range s.file.Imports {
		list = append(list, strings.Trim(spec.Path.Value, `"`))
	}
	return list
}

// sources parses every Go file of the main module.
func sources(t *testing.T) []*source {
	t.Helper()
	var list []*source
	set := token.NewFileSet()
	for _, name := range files(t) {
		if path.Ext(name) != ".go" || strings.HasPrefix(name, ".") || strings.Contains(name, "testdata/") {
			continue
		}
		code, _ := text(t, name)
		file, err := parser.ParseFile(set, name, code, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, &source{
			name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(file),
			lines: strings.Count(code, "\n"), file: file, set: set,
		})
	}
	return list
}

// under reports whether a package matches a pattern: a path, or "path/..." for
// it and all below it.
func under(pkg, pattern string) bool {
	if stem, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == stem || strings.HasPrefix(pkg, stem+"/")
	}
	return pkg == pattern
}

func underAny(pkg string, patterns []string) bool {
	for _, p := range patterns {
		if under(pkg, p) {
			return true
		}
	}
	return false
}
