package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/materialize"
)

// materialized is the result of one run, as printed.
type materialized struct {
	View    string `json:"view"`
	Run     string `json:"run"`
	Cutoff  string `json:"cutoff"`
	Rows    int64  `json:"rows"`
	Written int64  `json:"written"`
	Outside int64  `json:"not_yet_known"`
	Bad     int64  `json:"bad"`
	Gone    int64  `json:"gone"`
	Files   int    `json:"files"`
}

func (a *App) materializeCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use: "materialize [VIEW...]", Short: "Batch views to Parquet and the online store, as of a cutoff",
		Long: `Computes batch views from their tables as of a cutoff (--at), writes each run to Parquet
and puts one row an entity online.

A view of latest values alone keeps, of each entity, the greatest row that any run
brought: a run never replaces a newer value. In a view that has aggregates all values of
an entity, its latest values too, are those of the run with the latest cutoff (of equal
ones the run that completed last): a run that looks further back replaces nothing, and an
entity without rows in the newest run reads as unknown. The same run again changes nothing.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			parts, err := node.Open(cmd.Context(), s, node.StoredClock(), a.Logger(), node.NeedOnline)
			if err != nil {
				return err
			}
			defer func() { err = first(err, parts.Close()) }()
			cutoff := parts.Clock.Now()
			if at != "" {
				if cutoff, err = featurestore.ParseInstant(at); err != nil {
					return featurestore.Invalidf("--at: %w", err)
				}
			}
			return a.materialize(cmd.Context(), parts, args, cutoff)
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "the cutoff: what was known by this instant (default: now)")
	return cmd
}

func (a *App) materialize(ctx context.Context, parts *node.Parts, names []string, cutoff featurestore.Instant) (err error) {
	db, err := openEngine(ctx, parts.Settings)
	if err != nil {
		return err
	}
	defer func() { err = first(err, db.Close()) }()
	runs, err := parts.RunTargets(ctx)
	if err != nil {
		return err
	}
	views, err := batchViews(runs.Project, names)
	if err != nil {
		return err
	}
	m := materializer(parts, db)
	out, held := []materialized{}, []error{}
	table := cli.Table{Head: []string{"VIEW", "ROWS", "WRITTEN", "BAD", "CUTOFF", "RUN"}}
	for _, v := range views {
		g := runs.Into[v.Name]
		r := materialize.Request{
			View: v, Cutoff: cutoff, Revision: runs.Revision, Lanes: g.Lanes,
			Generation: online.Generation{Project: parts.Settings.Project, View: v.Name, Number: g.Number},
			Bad:        func(b materialize.BadRow) { a.Note("%s: row %d: %s", b.File, b.Row, b.Reason) },
			Progress:   a.materializeProgress(v.Name),
		}
		report, err := m.Run(ctx, r)
		if err != nil {
			return err
		}
		if g.State == registry.Building {
			held = append(held, parts.TakeOver(ctx, g)) // the other views' runs go on
		}
		one := materialized{v.Name, report.Run.ID, cutoff.String(), report.Put, report.Written, report.Outside, report.Bad, report.Gone, len(report.Run.Files)}
		if report.Gone > 0 {
			a.Note("%s: %d entities have left the table, and read as unknown", v.Name, report.Gone)
		}
		for _, path := range report.Lost {
			a.Note("%s: %s is not there any more, so that it is not known who has left the table since: their last values stay online", v.Name, path)
		}
		out = append(out, one)
		table.Rows = append(table.Rows, []string{one.View, fmt.Sprint(one.Rows), fmt.Sprint(one.Written), fmt.Sprint(one.Bad), one.Cutoff, one.Run})
		table.Names = append(table.Names, one.View)
	}
	return errors.Join(a.Print(out, table), errors.Join(held...))
}

// materializeProgress tells a person, every two seconds, how far a run is.
func (a *App) materializeProgress(view string) func(materialize.Progress) {
	start, next := time.Now(), time.Now().Add(2*time.Second)
	return func(p materialize.Progress) {
		if now := time.Now(); now.After(next) {
			next = now.Add(2 * time.Second)
			a.Note("%s: %d rows read, %d online, %.0f rows/s", view, p.Read, p.Put, float64(p.Read)/now.Sub(start).Seconds())
		}
	}
}

func batchViews(p *definition.Project, names []string) ([]*definition.BatchView, error) {
	if len(names) == 0 {
		return p.BatchViews, nil
	}
	var out []*definition.BatchView
	for _, n := range names {
		v := p.BatchView(n)
		if v == nil {
			return nil, featurestore.NotFoundf("there is no batch view %q (see `freshet list views`)", n)
		}
		out = append(out, v)
	}
	return out, nil
}

// first is the first error that is not nil.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
