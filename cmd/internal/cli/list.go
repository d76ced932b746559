package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// appliedHere is the project that the registry says is in force.
func (a *App) appliedHere(ctx context.Context) (_ *definition.Project, err error) {
	s, err := a.Settings()
	if err != nil {
		return nil, err
	}
	r, err := sqlite.Open(ctx, s.Registry.SQLite, s.Online.Lanes)
	if err != nil {
		return nil, err
	}
	defer closing(r.Close, &err)
	_, project, err := appliedProject(ctx, r)
	if err == nil && project == nil {
		return nil, featurestore.NotFoundf("nothing is applied yet: run `freshet apply`")
	}
	return project, err
}

// object is one definition as list and describe show it.
type object struct {
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	Owner       string            `json:"owner,omitempty"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Place       string            `json:"place"`
	Details     any               `json:"details,omitempty"`
}

func objectOf(kind string, m definition.Meta, details any) object {
	return object{Kind: kind, Name: m.Name, Owner: m.Owner, Description: m.Description, Tags: m.Tags,
		Place: fmt.Sprintf("%s:%d", m.Place.File, m.Place.Line), Details: details}
}

func objects(p *definition.Project) []object {
	var out []object
	for _, e := range p.Entities {
		out = append(out, objectOf("Entity", e.Meta, entityDetails(e)))
	}
	for _, s := range p.StreamSources {
		out = append(out, objectOf("StreamSource", s.Meta, sourceDetails(s)))
	}
	for _, s := range p.BatchSources {
		out = append(out, objectOf("BatchSource", s.Meta, map[string]any{"files": s.Files}))
	}
	for _, v := range p.StreamViews {
		out = append(out, objectOf("StreamView", v.Meta, streamViewDetails(v)))
	}
	for _, v := range p.BatchViews {
		out = append(out, objectOf("BatchView", v.Meta, batchViewDetails(v)))
	}
	for _, v := range p.OnDemandViews {
		out = append(out, objectOf("OnDemandView", v.Meta, onDemandDetails(v)))
	}
	for _, s := range p.Services {
		out = append(out, objectOf("FeatureService", s.Meta, serviceDetails(s)))
	}
	return out
}

// ListCommand is `list`.
func (a *App) ListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list [entities|sources|views|services]", Short: "List what is applied", Args: cobra.MaximumNArgs(1),
		ValidArgs: []string{"entities", "sources", "views", "services"},
		RunE: func(cmd *cobra.Command, args []string) error {
			project, err := a.appliedHere(cmd.Context())
			if err != nil {
				return err
			}
			want := ""
			if len(args) == 1 {
				want = strings.TrimSuffix(strings.TrimSuffix(args[0], "ies"), "s")
			}
			list := []object{}
			t := Table{Head: []string{"KIND", "NAME", "OWNER", "DESCRIPTION"}}
			for _, o := range objects(project) {
				if !strings.Contains(strings.ToLower(o.Kind), strings.ToLower(want)) {
					continue
				}
				o.Details = nil
				list = append(list, o)
				t.Rows = append(t.Rows, []string{o.Kind, o.Name, o.Owner, o.Description})
				t.Names = append(t.Names, o.Name)
			}
			if len(list) == 0 && want != "" {
				return featurestore.NotFoundf("there is no kind %q: use entities, sources, views or services", args[0])
			}
			return a.Print(list, t)
		},
	}
}

// DescribeCommand is `describe`.
func (a *App) DescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Short: "Show one definition: keys, features with tiles and state, columns", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			project, err := a.appliedHere(cmd.Context())
			if err != nil {
				return err
			}
			names := []string{}
			for _, o := range objects(project) {
				if o.Name == args[0] {
					return a.Print(o, describeTable(o))
				}
				names = append(names, o.Name)
			}
			return featurestore.NotFoundf("there is nothing named %q; there are: %s", args[0], strings.Join(names, ", "))
		},
	}
}
