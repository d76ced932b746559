package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// planned is a plan with what it was made from.
type planned struct {
	settings *settings.Settings
	project  *definition.Project
	files    []definition.File
	registry *sqlite.Store
	plan     *plan.Plan
	behind   string // what answers, where it is not the newest revision; "" where it is
}

func (a *App) makePlan(ctx context.Context) (_ *planned, err error) {
	s, err := a.Settings()
	if err != nil {
		return nil, err
	}
	p := &planned{settings: s}
	if p.project, p.files, err = a.LoadProject(s.Root); err != nil {
		return nil, err
	}
	if p.registry, err = sqlite.Open(ctx, s.Registry.SQLite, s.Online.Lanes); err != nil {
		return nil, err
	}
	var now *standing
	if p.plan, now, err = planOf(ctx, p.registry, p.project); err != nil {
		return nil, errors.Join(err, p.registry.Close())
	}
	if p.behind, err = now.behind(); err != nil {
		p.behind = fmt.Sprintf("what answers is not known: %v", err)
	}
	return p, nil
}

// planOf says what is to be done for definitions to be in force.
func planOf(ctx context.Context, r registry.Store, desired *definition.Project) (*plan.Plan, *standing, error) {
	base, applied, err := appliedProject(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	now, err := standingOf(ctx, r, base, applied)
	if err != nil {
		return nil, nil, err
	}
	p := plan.Make(base, applied, desired)
	p.Anew(desired, now.held(), now.older())
	return p, now, nil
}

// appliedProject is what the registry says is in force; nil where nothing is.
func appliedProject(ctx context.Context, r registry.Store) (int64, *definition.Project, error) {
	current, err := r.Current(ctx)
	if err != nil || current == nil {
		return 0, nil, err
	}
	project, problems := definition.Load(current.Files)
	if project == nil {
		return 0, nil, featurestore.Invalidf("revision %d does not load with this version of freshet: %w", current.Number, problems)
	}
	return current.Number, project, nil
}

// PlanCommand is `plan`.
func (a *App) PlanCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what apply would change, with its risks (exit 2: there are changes)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			p, err := a.makePlan(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(p.registry.Close, &err)
			if out != "" {
				if err := writeJSON(out, p.plan); err != nil {
					return err
				}
			}
			if p.behind != "" {
				a.Note("note: %s", p.behind)
			}
			if err := a.Print(p.plan, planTable(p.plan)); err != nil {
				return err
			}
			if p.plan.Empty() {
				return nil
			}
			return ErrDifference
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write the plan to a file, for `apply FILE`")
	return cmd
}

// nothingToChange says so, and what answers, where it is not what the files say.
func nothingToChange(p *plan.Plan, behind string) string {
	text := fmt.Sprintf("Nothing to change: revision %d is what the files say.", p.Base)
	if behind != "" {
		text += " But " + behind + "."
	}
	return text
}

func planTable(p *plan.Plan) Table {
	if p.Empty() {
		return Table{Foot: nothingToChange(p, "")}
	}
	t := Table{Head: []string{"", "KIND", "NAME", "RISKS", "SERVICES"}}
	mark := map[plan.Action]string{plan.Create: "+", plan.Update: "~", plan.Replace: "!", plan.Delete: "-"}
	for _, c := range p.Changes {
		risks := make([]string, len(c.Risks))
		for i, r := range c.Risks {
			risks[i] = string(r)
		}
		t.Rows = append(t.Rows, []string{mark[c.Action], c.Kind, c.Name, strings.Join(risks, ","), strings.Join(c.Services, ",")})
		for _, d := range c.Details {
			t.Rows = append(t.Rows, []string{"", "", "  " + d, "", ""})
		}
		t.Names = append(t.Names, c.Kind+"/"+c.Name)
	}
	t.Foot = fmt.Sprintf("%d changes on revision %d. Apply them with `freshet apply`.", len(p.Changes), p.Base)
	return t
}

// Applied is the result of `apply`.
type Applied struct {
	Revision int64         `json:"revision"`
	Commit   string        `json:"commit"`
	Author   string        `json:"author"`
	Changes  []plan.Change `json:"changes"`
	Behind   string        `json:"behind,omitempty"` // what answers, where nothing was to change and it is not this revision
}

// ApplyCommand is `apply`.
func (a *App) ApplyCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "apply [plan.json]", Short: "Make the definitions the next revision; running processes pick it up", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			p, err := a.makePlan(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(p.registry.Close, &err)
			if len(args) == 1 {
				if err := samePlan(args[0], p.plan); err != nil {
					return err
				}
			}
			if p.plan.Empty() {
				a.Note("%s", nothingToChange(p.plan, p.behind))
				return a.Print(Applied{Revision: p.plan.Base, Changes: []plan.Change{}, Behind: p.behind}, Table{})
			}
			if !yes && len(args) == 0 {
				if err := a.confirm(p.plan); err != nil {
					return err
				}
			}
			done, err := ApplyProject(cmd.Context(), p.registry, Desired{p.settings.Root, p.project, p.files}, p.plan, featurestore.InstantOf(time.Now()))
			if err != nil {
				return err
			}
			if done.Commit == "" {
				a.Note("note: %s is outside a Git work tree; the revision has no commit.", p.settings.Root)
			}
			return a.Print(done, Table{Foot: fmt.Sprintf("Revision %d is applied (%d changes).", done.Revision, len(done.Changes)), Names: []string{fmt.Sprint(done.Revision)}})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask, also where data is dropped")
	return cmd
}

// ApplyIfChanged applies the definitions in root where they differ from what is
// in force, without asking: `dev` does so on every save.
func (a *App) ApplyIfChanged(ctx context.Context, r registry.Store, root string) error {
	project, files, err := a.LoadProject(root)
	if err != nil {
		return err
	}
	return ApplyDesired(ctx, r, Desired{root, project, files})
}

// ApplyDesired is ApplyIfChanged for definitions that are loaded.
func ApplyDesired(ctx context.Context, r registry.Store, d Desired) error {
	p, _, err := planOf(ctx, r, d.Project)
	if err != nil || p.Empty() {
		return err
	}
	_, err = ApplyProject(ctx, r, d, p, featurestore.InstantOf(time.Now()))
	return err
}

// Desired are the definitions in a folder.
type Desired struct {
	Root    string
	Project *definition.Project
	Files   []definition.File
}

// ApplyProject records a revision and the generations that it needs.
func ApplyProject(ctx context.Context, r registry.Store, d Desired, p *plan.Plan, now featurestore.Instant) (*Applied, error) {
	info := gitInfo(ctx, d.Root)
	var targets []registry.Target
	for view, hash := range plan.Targets(d.Project) {
		targets = append(targets, registry.Target{View: view, Hash: hash})
	}
	slices.SortFunc(targets, func(x, y registry.Target) int { return strings.Compare(x.View, y.View) })
	revision, err := r.Apply(ctx, p.Base, registry.Revision{Commit: info.Commit, Author: info.Author, Applied: now, Files: d.Files}, targets)
	if err != nil {
		return nil, err
	}
	return &Applied{Revision: revision.Number, Commit: info.Commit, Author: info.Author, Changes: p.Changes}, nil
}

// confirm asks before data is dropped; without a terminal it refuses.
func (a *App) confirm(p *plan.Plan) error {
	var lost []string
	for _, c := range p.Changes {
		if slices.Contains(c.Risks, plan.DropsData) || slices.Contains(c.Risks, plan.BreaksReaders) {
			lost = append(lost, c.Kind+" "+c.Name)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	fmt.Fprintf(a.Stderr, "This drops data or breaks readers: %s.\nType yes to go on: ", strings.Join(lost, ", "))
	var answer string
	if _, err := fmt.Fscanln(a.Stdin, &answer); err != nil || answer != "yes" {
		return featurestore.Invalidf("not applied: confirm with yes, or pass --yes")
	}
	return nil
}

// samePlan makes sure that what was reviewed is what is applied.
func samePlan(path string, now *plan.Plan) error {
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err
	}
	var reviewed plan.Plan
	if err := json.Unmarshal(data, &reviewed); err != nil {
		return featurestore.Invalidf("%s is not a plan: %w", path, err)
	}
	a, errA := json.Marshal(reviewed)
	b, errB := json.Marshal(now)
	if errA != nil || errB != nil || string(a) != string(b) {
		return featurestore.Invalidf("the plan in %s is no longer what would be done: plan again", path)
	}
	return nil
}

func writeJSON(path string, data any) error {
	b, err := json.MarshalIndent(data, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// closing closes something at the end of a verb and keeps the first error.
func closing(do func() error, err *error) {
	if e := do(); e != nil && *err == nil {
		*err = e
	}
}
