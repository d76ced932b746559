package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/cmd/internal/verify"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/service"
)

func (a *App) verifyCommand() *cobra.Command {
	var sample int
	var at string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "verify [VIEW|SERVICE...]",
		Short: "Recompute sampled entities from history with the naive oracle and compare with the online store, bit for bit (exit 2: a mismatch; 1: of a view nothing could be compared)",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			var asOf *featurestore.Instant
			if at != "" {
				t, err := featurestore.ParseInstant(at)
				if err != nil {
					return featurestore.Invalidf("--at: %w", err)
				}
				asOf = &t
			}
			api, err := a.API(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { err = first(err, api.Close()) }()
			reports, err := a.verify(cmd.Context(), s, api, verifyRequest{args, sample, asOf, wait})
			if err != nil {
				return err
			}
			if err := a.Print(reports, verifyTable(reports)); err != nil {
				return err
			}
			return verified(reports)
		},
	}
	cmd.Flags().IntVar(&sample, "sample", 100, "entities a view; 0 checks all")
	cmd.Flags().StringVar(&at, "at", "", "compare as of an instant (RFC 3339)")
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait so long, for each view, until what its entities have applied is at rest")
	return cmd
}

// verifyRequest says what to verify: the views named, those of the services
// named, or all.
type verifyRequest struct {
	names  []string
	sample int                   // entities a view; 0 is all
	asOf   *featurestore.Instant // nil is now
	wait   time.Duration         // for what is not at rest yet
}

// verified is the outcome of a verb: nothing compared is not equal.
func verified(reports []*verify.Report) error {
	var views []string
	for _, r := range reports {
		if r.Mismatches > 0 {
			return cli.ErrDifference
		}
		if r.Nothing != "" {
			views = append(views, fmt.Sprintf("view %q: %s", r.View, r.Nothing))
		}
	}
	if len(views) > 0 {
		return featurestore.Unavailablef("nothing was compared of %s", strings.Join(views, "; "))
	}
	return nil
}

func (a *App) verify(ctx context.Context, s *settings.Settings, api *cli.API, q verifyRequest) ([]*verify.Report, error) {
	by, err := answeringOf(ctx, s, api)
	if err != nil {
		return nil, err
	}
	if by.older != "" {
		a.Note("note: %s", by.older)
	}
	project := by.Project
	views, err := viewsOf(project, q.names)
	if err != nil {
		return nil, by.lacks(err)
	}
	c := &verify.Checker{
		Root: s.Root, Dir: s.Offline.Dir, History: allHistory(s), Runs: runs.Open(s.Offline.Dir), Sample: q.sample, AsOf: q.asOf, Wait: q.wait, Note: a.Note,
		Get: func(ctx context.Context, view string, keys [][]featurestore.Value, asOf *featurestore.Instant) ([]verify.Read, error) {
			rows, err := api.ReadView(ctx, by.AppliedRevision, view, keys, asOf)
			out := make([]verify.Read, len(rows))
			for i, r := range rows {
				out[i] = verify.Read{At: r.ReadTime, Cells: r.Cells, Applied: r.Applied}
			}
			return out, err
		},
	}
	if api.Parts == nil { // else nothing is applied meanwhile
		c.CaughtUp = func(ctx context.Context, view string) (bool, error) { return caughtUp(ctx, api, view) }
	}
	reports := []*verify.Report{}
	for _, name := range views {
		var r *verify.Report
		if v := project.StreamView(name); v != nil {
			r, err = c.StreamView(ctx, v)
		} else {
			r, err = c.BatchView(ctx, project.BatchView(name))
		}
		if err != nil {
			return nil, err
		}
		r.ReadOtherwise = by.otherwise[name]
		reports = append(reports, r)
	}
	return reports, nil
}

// How long a view is watched for having caught up. RUNNING says that it was at its
// log's end at a moment of the last seconds: only one after the call counts.
const (
	caughtAfter = service.LateAfter + 2*time.Second // a server looks twice a second, an ingester says it each second
	caughtUntil = 3 * caughtAfter
)

// caughtUp waits until a view has applied all that its logs held at the call; false
// is one that has not in time. While a replay's clock stands, RUNNING says nothing.
func caughtUp(ctx context.Context, api *cli.API, view string) (bool, error) {
	end := time.NewTimer(caughtUntil)
	defer end.Stop()
	wait := caughtAfter
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-end.C:
			return false, nil
		case <-time.After(wait):
		}
		wait = time.Second
		s, err := api.Status(ctx)
		if err != nil || s.Replaying {
			return false, err
		}
		for _, v := range s.Views {
			if v.View == view && v.Answers && v.State == worker.ConditionOf(view, online.StateLive).State {
				return true, nil
			}
		}
	}
}

// viewsOf are the stored views behind names, each once.
func viewsOf(p *definition.Project, names []string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	add := func(view string) {
		if !seen[view] {
			seen[view] = true
			out = append(out, view)
		}
	}
	if len(names) == 0 {
		for _, v := range p.StreamViews {
			add(v.Name)
		}
		for _, v := range p.BatchViews {
			add(v.Name)
		}
	}
	for _, n := range names {
		switch s := p.Service(n); {
		case p.StreamView(n) != nil || p.BatchView(n) != nil:
			add(n)
		case s != nil:
			for _, r := range s.Roles {
				add(r.View)
			}
		default:
			return nil, featurestore.NotFoundf("there is no stored view or service %q (see `freshet list`)", n)
		}
	}
	return out, nil
}

func verifyTable(reports []*verify.Report) cli.Table {
	t := cli.Table{Head: []string{"VIEW", "ENTITIES", "VALUES", "MISMATCHES", "BEHIND", "AHEAD", "TOO OLD"}}
	total := 0
	for _, r := range reports {
		t.Rows = append(t.Rows, []string{r.View, fmt.Sprint(r.Entities), fmt.Sprint(r.Values), fmt.Sprint(r.Mismatches), fmt.Sprint(r.Behind), fmt.Sprint(r.Ahead), fmt.Sprint(r.TooOld)})
		if r.Nothing != "" {
			t.Rows = append(t.Rows, []string{"", "  nothing was compared: " + r.Nothing})
		} else if r.Rebuilding > 0 {
			t.Rows = append(t.Rows, []string{"", fmt.Sprintf("  %d of its entities answer REBUILDING and are not compared", r.Rebuilding)})
		}
		if r.ChangedSince != "" {
			t.Rows = append(t.Rows, []string{"", "  the table has changed since its run at " + r.ChangedSince + ": what differs may be that; materialize again to compare"})
		}
		if r.ReadOtherwise != "" {
			t.Rows = append(t.Rows, []string{"", "  " + r.ReadOtherwise})
		}
		for _, m := range r.Examples {
			t.Rows = append(t.Rows, []string{"", fmt.Sprintf("  %s of %s at %s: online %s, expected %s", m.Feature, m.Keys, m.At, m.Online, m.Expected)})
		}
		t.Names = append(t.Names, r.View)
		total += r.Mismatches
	}
	t.Foot = fmt.Sprintf("%d mismatches in what was compared", total)
	if !slices.ContainsFunc(reports, func(r *verify.Report) bool { return r.Compared < r.Entities || r.Nothing != "" }) {
		t.Foot = fmt.Sprintf("%d mismatches", total)
	}
	return t
}
