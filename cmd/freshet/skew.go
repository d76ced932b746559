package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/dataset"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/predictions"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
	"github.com/freshet/freshet/featurestore/skew"
)

// skewFlags are the flags of `skew`.
type skewFlags struct {
	within   predictions.Range
	examples int
}

func (a *App) skewCommand() *cobra.Command {
	var f skewFlags
	var from, to string
	cmd := &cobra.Command{
		Use:   "skew SERVICE",
		Short: "Recompute what was served from history and compare, bit for bit (exit 2: a mismatch)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			if f.within, err = cli.ParseRange(from, to); err != nil {
				return err
			}
			report, err := a.skew(cmd.Context(), s, args[0], f)
			if err != nil {
				return err
			}
			if err := a.Print(report, skewTable(report)); err != nil {
				return err
			}
			return skewVerdict(report)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "lookups logged from this instant on (RFC 3339)")
	cmd.Flags().StringVar(&to, "to", "", "lookups logged before this instant")
	cmd.Flags().IntVar(&f.examples, "examples", 5, "differing values to show for each feature")
	return cmd
}

// skewVerdict is the exit: a difference, an error where nothing could be
// compared, or none.
func skewVerdict(r *skew.Report) error {
	switch {
	case r.Mismatches > 0:
		return cli.ErrDifference
	case r.Rows > 0 && r.Rows == r.Incomplete:
		return featurestore.Unavailablef("none of the %d rows could be compared: history does not hold yet, or no longer, what was applied to them; the ingester archives within minutes", r.Rows)
	}
	return nil
}

// skew compares what the log holds of a service with history.
func (a *App) skew(ctx context.Context, s *settings.Settings, service string, f skewFlags) (_ *skew.Report, err error) {
	db, err := openEngine(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, db.Close()) }()
	r, err := sqlite.Open(ctx, s.Registry.SQLite, s.Online.Lanes)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, r.Close()) }()
	c := &skew.Checker{Joiner: exactJoiner(s, db), Project: revisions(r), Examples: f.examples, Progress: a.skewProgress()}
	logged := newLoggedRows()
	report, err := c.Check(ctx, service, func(each func(*skew.Row) error) error {
		q := predictions.Query{Dir: s.Offline.Dir, Service: service, Within: f.within}
		return predictions.Read(ctx, q, func(r *predictions.Row) error { return each(logged.row(r)) })
	})
	if err != nil {
		return nil, err
	}
	if report.Rows == 0 {
		a.Note("note: nothing is logged of %s in this range: give the service a `log:`, and look it up at a server (`freshet serve` or `dev`); `freshet get` without one logs nothing.", service)
	}
	return report, nil
}

// revisions loads definitions as they were applied.
func revisions(r registry.Store) func(context.Context, int64) (*definition.Project, error) {
	return func(ctx context.Context, number int64) (*definition.Project, error) {
		revision, err := r.Revision(ctx, number)
		if err != nil {
			return nil, err
		}
		p, problems := definition.Load(revision.Files)
		if p == nil {
			return nil, featurestore.Invalidf("it does not load with this version of freshet: %w", problems)
		}
		return p, nil
	}
}

// skewProgress tells a person, every two seconds, how far a comparison is.
func (a *App) skewProgress() func(view string, records, rows int64) {
	start, next := time.Now(), time.Now().Add(2*time.Second)
	return func(view string, records, rows int64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(2 * time.Second)
			a.Note("%s: %d records read, %d rows compared, %.0f s", view, records, rows, now.Sub(start).Seconds())
		}
	}
}

// loggedRows gives rows of the prediction log as skew takes them. Rows of one
// file share a schema.
type loggedRows struct {
	schemas map[*predictions.Header]*skew.Schema
}

func newLoggedRows() *loggedRows {
	return &loggedRows{schemas: map[*predictions.Header]*skew.Schema{}}
}

func (l *loggedRows) schema(h *predictions.Header) *skew.Schema {
	if s := l.schemas[h]; s != nil {
		return s
	}
	names := func(fields []predictions.Field) []string {
		out := make([]string, len(fields))
		for i := range fields {
			out[i] = fields[i].Name
		}
		return out
	}
	s := &skew.Schema{Entities: names(h.Entities), Request: names(h.Request), Columns: names(h.Columns)}
	for _, r := range h.Roles {
		s.Roles = append(s.Roles, skew.Role(r))
	}
	l.schemas[h] = s
	return s
}

func (l *loggedRows) row(r *predictions.Row) *skew.Row {
	out := &skew.Row{
		Schema: l.schema(r.Header), RequestID: r.RequestID, Number: r.Number, Revision: r.Revision, ReadTime: r.ReadTime, AsOf: r.AsOf,
		Entities: r.Entities, Request: r.Request, Cells: r.Cells, States: make([]skew.State, len(r.States)),
	}
	for i := range r.States {
		s := &r.States[i]
		out.States[i] = skew.State{Applied: s.Applied, Run: s.Run, Watermark: s.Watermark, HasWatermark: s.HasWatermark}
	}
	return out
}

// lookups gives logged lookups to training sets of mode exact.
func lookups(s *settings.Settings, p *definition.Project) dataset.Lookups {
	return &recordedLookups{dir: s.Offline.Dir, project: p}
}

type recordedLookups struct {
	dir     string
	project *definition.Project
}

// Lookups implements dataset.Lookups: of lookups with one id the last counts.
func (l *recordedLookups) Lookups(ctx context.Context, name string, ids []dataset.LookupID) ([]dataset.Recorded, error) {
	service := l.project.Service(name)
	if service == nil {
		return nil, featurestore.Invalidf("mode exact reads the log of a service: name one")
	}
	wanted := map[dataset.LookupID]*skew.Row{}
	for _, id := range ids {
		wanted[id] = nil
	}
	logged := newLoggedRows()
	err := predictions.Read(ctx, predictions.Query{Dir: l.dir, Service: name}, func(r *predictions.Row) error {
		id := dataset.LookupID{Request: r.RequestID, Row: r.Number}
		if _, ok := wanted[id]; ok {
			wanted[id] = logged.row(r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]dataset.Recorded, len(ids))
	bindings := map[*skew.Schema]*skew.Binding{}
	for i, id := range ids {
		row := wanted[id]
		if row == nil {
			return nil, featurestore.NotFoundf("request %q, row %d, is not in the prediction log of service %s (see `freshet predictions ls %s`)", id.Request, id.Row, name, name)
		}
		b := bindings[row.Schema]
		if b == nil {
			if b, err = skew.Bind(l.project, service, row.Schema); err != nil {
				return nil, err
			}
			bindings[row.Schema] = b
		}
		out[i] = dataset.Recorded(b.Record(row))
	}
	return out, nil
}

func skewTable(r *skew.Report) cli.Table {
	t := cli.Table{Head: []string{"FEATURE", "ROWS", "EQUAL", "DIFFERENT", "RATE", "APART"}}
	for i := range r.Features {
		f := &r.Features[i]
		t.Rows = append(t.Rows, []string{f.Name, fmt.Sprint(f.Rows), fmt.Sprint(f.Matches), fmt.Sprint(f.Mismatches), percent(f.MatchRate), apart(f)})
		for _, e := range f.Examples {
			t.Rows = append(t.Rows, []string{"  " + differs(&e), "", "", "", "", ""})
		}
		t.Names = append(t.Names, f.Name)
	}
	t.Foot = fmt.Sprintf("%d logged rows of %s, revisions %v: %d values are equal, %d differ", r.Rows, r.Service, r.Revisions, r.Matches, r.Mismatches)
	if r.Incomplete > 0 {
		t.Foot += fmt.Sprintf("; %d rows could not be compared, since history does not hold all that was applied to them", r.Incomplete)
	}
	return t
}

func percent(rate *float64) string {
	if rate == nil {
		return "-"
	}
	return fmt.Sprintf("%.4g %%", 100**rate)
}

// apart says what was neither equal nor different.
func apart(f *skew.Feature) string {
	var out []string
	for _, c := range []struct {
		n    int64
		what string
	}{
		{f.Defaulted, "defaulted when stale"}, {f.Rebuilding, "rebuilding"}, {f.TooOld, "too old"}, {f.Errors, "errors"},
		{f.Inputs, "inputs unserved"}, {f.Incomplete, "history incomplete"},
	} {
		if c.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return strings.Join(out, ", ")
}

// differs says one differing value.
func differs(e *skew.Example) string {
	cell := func(c skew.Cell) string {
		if c.Value == nil {
			return "null " + c.Status
		}
		return *c.Value + " " + c.Status
	}
	return fmt.Sprintf("%s row %d: served %s, recomputed %s", e.RequestID, e.Row, cell(e.Served), cell(e.Recomputed))
}
