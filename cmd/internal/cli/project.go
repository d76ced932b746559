package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// DefinitionFiles reads every .yaml and .yml below root, and the schemas that
// they may name: folders that begin with
// a dot, the settings and what is not a definition's business are left out.
func DefinitionFiles(root string) ([]definition.File, error) {
	var files []definition.File
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" && !definition.IsSchemaFile(name) || strings.HasPrefix(name, ".") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if rel == "freshet.yaml" || !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files = append(files, definition.File{Path: filepath.ToSlash(rel), Data: data})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the definitions: %w", err)
	}
	if len(files) == 0 {
		return nil, featurestore.NotFoundf("there are no definitions (.yaml files) in %s", root)
	}
	slices.SortFunc(files, func(a, b definition.File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// ErrProblems has been told already, problem by problem.
var ErrProblems = errors.New("the definitions are not valid")

// problemsIn is ErrProblems, with how many there are.
func problemsIn(problems definition.Problems) error {
	if n := problems.Errors(); n != 1 {
		return fmt.Errorf("%w: %d problems", ErrProblems, n)
	}
	return fmt.Errorf("%w: 1 problem", ErrProblems)
}

// LoadProject reads and checks the definitions; problems go to stderr.
func (a *App) LoadProject(root string) (*definition.Project, []definition.File, error) {
	files, err := DefinitionFiles(root)
	if err != nil {
		return nil, nil, err
	}
	project, problems := definition.Load(files)
	if len(problems) > 0 && (project == nil || !a.Quiet) {
		fmt.Fprint(a.Stderr, problems.Format())
	}
	if project == nil {
		return nil, files, problemsIn(problems)
	}
	return project, files, nil
}
