package cli

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore/definition"
)

// ValidateCommand is `validate`.
func (a *App) ValidateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "Check every definition; all problems at once, with their places", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			files, err := DefinitionFiles(s.Root)
			if err != nil {
				return err
			}
			project, problems := definition.Load(files)
			if a.format() == "table" || project == nil && a.Format == "" {
				fmt.Fprint(a.Stderr, problems.Format())
			} else if err := a.Print(problems, Table{}); err != nil {
				return err
			}
			if project == nil {
				return problemsIn(problems)
			}
			a.Note("%d files are valid: %d entities, %d sources, %d views, %d services, %d tests.", len(files),
				len(project.Entities), len(project.StreamSources)+len(project.BatchSources),
				len(project.StreamViews)+len(project.BatchViews)+len(project.OnDemandViews), len(project.Services), len(project.Tests))
			for _, note := range sorted(node.RetentionNotes(s, node.NeedsOf(project))) {
				a.Note("warning: ingest.archive: %s", note)
			}
			return nil
		},
	}
}

// sorted are the values of a map in the order of its keys.
func sorted(m map[string]string) (out []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// SchemaCommand is `schema`.
func (a *App) SchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema [KIND]", Short: "JSON Schema of the definitions, for editors", Args: cobra.MaximumNArgs(1),
		ValidArgs: definition.Kinds(),
		RunE: func(_ *cobra.Command, args []string) error {
			kind := ""
			if len(args) == 1 {
				kind = args[0]
			}
			b, err := definition.Schema(kind)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.Stdout, string(b))
			return err
		},
	}
}

// VersionCommand is `version`.
func (a *App) VersionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "The version of this program", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.Print(map[string]string{"version": a.Version}, Table{Foot: a.Version, Names: []string{a.Version}})
		},
	}
}
