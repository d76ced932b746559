package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "materialize [VIEW...]", Short: "Batch views to Parquet and the online store, as of a cutoff",
		Long: `Computes batch views from their tables as of a cutoff (--at), writes each run to Parquet
and puts one row an entity online.

A view of latest values alone keeps, of each entity, the greatest row that any run
brought: a run never replaces a newer value. In a view that has aggregates all values of
an entity, its latest values too, are those of the run with the latest cutoff (of equal
ones the run that completed last): a run that looks further back replaces nothing, and an
entity without rows in the newest run reads as unknown. The same run again changes nothing.

A changed view takes over once its run is written, and once an ingester has filled the
stream views that changed with it (--wait): until then the revision before answers.`,
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
			return a.materialize(cmd.Context(), parts, args, cutoff, wait)
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "the cutoff: what was known by this instant (default: now)")
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for stream views that changed with it to be filled; 0s takes over at once")
	return cmd
}

func (a *App) materialize(ctx context.Context, parts *node.Parts, names []string, cutoff featurestore.Instant, wait time.Duration) (err error) {
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
			held = append(held, a.takeOver(ctx, parts, g, wait)) // the other views' runs go on
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

// takeOver makes a generation live whose run is written, once the stream views that changed
// with it are filled: else they would answer REBUILDING. An embedded store is open in this
// process alone, so that nobody fills them meanwhile.
func (a *App) takeOver(ctx context.Context, parts *node.Parts, g registry.Generation, wait time.Duration) error {
	over := time.Now().Add(wait)
	tick := time.NewTicker(waitStep)
	defer tick.Stop()
	for said := false; wait > 0 && parts.Settings.Online.Embedded == ""; said = true {
		unready, err := parts.Unready(ctx)
		if err != nil {
			return err
		}
		if len(unready) == 0 {
			break
		}
		names := strings.Join(unready, ", ")
		if time.Now().After(over) {
			return featurestore.Unavailablef("generation %d of view %q is written, and does not take over: no ingester has filled %s, which changed with it and would answer REBUILDING; the revision before answers. Run this again once they are filled (`freshet status`), or with --wait 0s to take over at once", g.Number, g.View, names)
		}
		if !said {
			a.Note("%s is written; waiting up to %s for an ingester to fill %s, which changed with it", g.View, wait, names)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return parts.TakeOver(ctx, g)
}

// waitStep is how often it is looked whether what is waited for is there.
const waitStep = 250 * time.Millisecond

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
