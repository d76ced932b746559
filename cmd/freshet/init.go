package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/featurestore"
)

// template is a repository of definitions that runs as it is.
//
//go:embed all:template
var template embed.FS

const templateRoot = "template"

// inited is the result of `init`.
type inited struct {
	Dir   string   `json:"dir"`
	Files []string `json:"files"`
}

func (a *App) initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init [DIR]", Short: "A repository of definitions that runs: entity, stream, view, service, test, settings, CI file", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := a.Dir
			if len(args) == 1 {
				dir = args[0]
			}
			dir, err := filepath.Abs(dir)
			if err != nil {
				return err
			}
			files, err := writeTemplate(dir)
			if err != nil {
				return err
			}
			t := cli.Table{Names: files, Foot: fmt.Sprintf("%d files in %s. Next:\n  cd %s\n  freshet validate\n  freshet test\n  freshet dev", len(files), dir, dir)}
			for _, f := range files {
				t.Rows = append(t.Rows, []string{f})
			}
			return a.Print(inited{Dir: dir, Files: files}, t)
		},
	}
}

// writeTemplate writes the template's files; none of them may be there.
func writeTemplate(dir string) (files []string, err error) {
	err = fs.WalkDir(template, templateRoot, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, templateRoot+"/")
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); !errors.Is(err, fs.ErrNotExist) {
			return featurestore.Invalidf("%s is there already in %s: nothing was written; choose an empty folder", name, dir)
		}
		files = append(files, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		data, err := template.ReadFile(templateRoot + "/" + name)
		if err != nil {
			return nil, err
		}
		if name == "freshet.yaml" {
			data = []byte(strings.ReplaceAll(string(data), "PROJECT", projectName(dir)))
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(target, data, 0o644); err != nil {
			return nil, err
		}
	}
	return files, nil
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// projectName is a valid project name for a folder.
func projectName(dir string) string {
	name := strings.Trim(notName.ReplaceAllString(strings.ToLower(filepath.Base(dir)), "_"), "_")
	if featurestore.CheckName(name) != nil {
		return "features"
	}
	return name
}
