package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/canary"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
)

// statusWithin bounds how long a status takes, whatever hangs: a server that does not say
// whether it is there, the store, or the log. Whoever is elsewhere may be slow.
const statusWithin = 1900 * time.Millisecond

// StatusCommand is `status`.
func (a *App) StatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Streams and views: lag, watermark, late, dead letters, generation", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			other := a.otherProcess(ctx)
			defer other.stop()
			soon, cancel := ctx, func() {}
			if a.Addr == "" {
				soon, cancel = context.WithTimeout(ctx, statusWithin)
			}
			defer cancel()
			api, err := a.API(soon)
			if err != nil {
				return errors.Join(err, a.printWithoutStore(ctx, err, other))
			}
			defer closing(api.Close, &err)
			s, err := api.Status(soon)
			if err != nil {
				return err
			}
			note, heard := a.askIngester(api, s, other)
			if !heard {
				note = strings.TrimPrefix(note+"; "+a.lookAtRest(soon, api, s), "; ")
			}
			return a.printStatus(s, strings.TrimSuffix(note, "; "))
		},
	}
}

// printStatus shows a status, and what is to be said of the ingester's.
func (a *App) printStatus(s *node.Status, note string) error {
	t := statusTable(s)
	if note != "" {
		t.Rows = append(t.Rows, nil, []string{"ingester", note})
	}
	return a.Print(*s, t)
}

// printWithoutStore shows what is known without a server and without the online store,
// where that is what does not answer.
func (a *App) printWithoutStore(ctx context.Context, why error, other *otherProcess) (err error) {
	conf, wrong := a.Settings()
	if wrong != nil || a.Addr != "" || conf.Online.Redis == nil || !errors.Is(why, featurestore.ErrUnavailable) {
		return nil // the error is all that there is to say
	}
	quiet := *a
	quiet.Quiet = true
	parts, wrong := node.Open(ctx, conf, node.StoredClock(), quiet.Logger(), 0)
	if wrong != nil {
		return nil
	}
	defer closing(parts.Close, &err)
	s, wrong := parts.StatusWithoutStore(ctx, why)
	if wrong != nil {
		return nil
	}
	note, _ := a.askIngester(&API{Parts: parts}, s, other)
	return a.printStatus(s, note)
}

func statusTable(s *node.Status) Table {
	t := Table{Rows: [][]string{{"project", s.Project}, {"revision", fmt.Sprint(s.Revision)}, {"clock", s.Clock}}}
	if s.Replaying {
		t.Rows = append(t.Rows, []string{"replay", "running"})
	}
	if s.Store != "" {
		t.Rows = append(t.Rows, []string{"store", s.Store})
	}
	if s.Log != "" {
		t.Rows = append(t.Rows, []string{"log", s.Log})
	}
	if len(s.Partitions) > 0 {
		t.Rows = append(t.Rows, nil, []string{"SOURCE", "PARTITION", "APPLIED", "LAG", "DEAD", "LOG TIME", "TROUBLE"})
	}
	for _, p := range s.Partitions {
		t.Rows = append(t.Rows, []string{p.Source, fmt.Sprint(p.Partition), fmt.Sprint(p.Applied), fmt.Sprint(p.Lag), fmt.Sprint(p.Dead), p.LogTime, p.Trouble})
	}
	if len(s.Sources) > 0 {
		t.Rows = append(t.Rows, nil, []string{"SOURCE", "LOG", "ACCEPTED", "REASON"})
	}
	for _, l := range s.Sources {
		t.Rows = append(t.Rows, []string{l.Source, fmt.Sprint(l.Generation), l.Accepted, l.Reason})
	}
	t.Rows = append(t.Rows, nil, []string{"VIEW", "GENERATION", "STATE", "WATERMARK", "FOLDED", "LATE", "DUPLICATE", "NEXT", "REASON"})
	for _, v := range s.Views {
		row := []string{v.View, fmt.Sprint(v.Generation), v.State, v.Watermark, "", "", "", v.Next, v.Reason}
		if v.Counts != nil {
			row[4], row[5], row[6] = fmt.Sprint(v.Counts.Folded), fmt.Sprint(v.Counts.Late), fmt.Sprint(v.Counts.Duplicate)
		}
		t.Rows = append(t.Rows, row)
		t.Names = append(t.Names, v.View)
	}
	t.Rows = append(t.Rows, generationRows(s)...)
	t.Rows = append(t.Rows, archiveRows(s)...)
	if s.Canary != nil {
		t.Rows = append(t.Rows, canaryRows(s.Canary)...)
	}
	if p := s.Predictions; p != nil {
		t.Foot = fmt.Sprintf("predictions: %d logged, %d dropped", p.Logged, p.Dropped)
	}
	return t
}

// archiveRows are the events at rest.
func archiveRows(s *node.Status) (rows [][]string) {
	for i, a := range s.Archives {
		if i == 0 {
			rows = [][]string{nil, {"AT REST", "FILES", "BYTES", "ROWS", "HOLES", "DROPPED", "NOTE"}}
		}
		rows = append(rows, []string{a.Source, fmt.Sprint(a.Files), fmt.Sprint(a.Bytes), fmt.Sprint(a.Rows), fmt.Sprint(a.Holes), fmt.Sprint(a.DroppedRows), strings.Trim(a.Note+"; "+a.Trouble, "; ")})
	}
	return rows
}

// canaryRows are what the canary of the process has seen.
func canaryRows(c *canary.Status) [][]string {
	return [][]string{nil, {"CANARY", "STATE", "DELAY", "WRITTEN", "SERVED", "LOSSES", "DOUBLES", "NEXT", "REASON"}, {
		c.Topic, c.State, time.Duration(c.Delay * float64(time.Second)).Round(100 * time.Microsecond).String(),
		fmt.Sprint(c.Written), fmt.Sprint(c.Served), fmt.Sprint(c.Losses), fmt.Sprint(c.Doubles), c.Next, c.Reason,
	}}
}

// generationRows are the generations of views that have others than the one that
// answers, and the audit.
func generationRows(s *node.Status) (rows [][]string) {
	more := map[string]bool{}
	for _, g := range s.Generations {
		more[g.View] = more[g.View] || g.State != string(registry.Live)
	}
	for _, g := range s.Generations {
		if !more[g.View] {
			continue
		}
		if rows == nil {
			rows = [][]string{nil, {"VIEW", "GENERATION", "STATE", "SINCE", "REVISION", "NEXT", "REASON"}}
		}
		row := []string{g.View, fmt.Sprint(g.Generation), g.State, g.Since, fmt.Sprint(g.Revision), g.Next, g.Reason}
		switch {
		case g.Trouble != "":
			row[6] = g.Trouble
		case g.Fill != nil:
			row[6] = fillText(g.Fill)
		}
		rows = append(rows, row)
	}
	if s.Registry != "" {
		rows = append(rows, nil, []string{"registry", s.Registry})
	}
	if a := s.Audit; a != nil {
		rows = append(rows, nil, []string{"AUDIT", "ENTITIES", "COMPARED", "FINDINGS", "REPAIRED", "TROUBLE"},
			[]string{a.Started, fmt.Sprint(a.Entities), fmt.Sprint(a.Compared), fmt.Sprint(a.Findings), fmt.Sprint(a.Repaired), a.Trouble})
	}
	return rows
}
