package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/worker"
)

// acceptedLoss is the result of `archive accept-loss`.
type acceptedLoss struct {
	Source  string          `json:"source"`
	Lost    []node.LostRest `json:"lost"`
	Offsets int64           `json:"offsets"`
	Reason  string          `json:"reason,omitempty"`
}

func (a *App) archiveAcceptCommand() *cobra.Command {
	var how acceptance
	cmd := &cobra.Command{
		Use: "accept-loss SOURCE", Short: "Go on without events that were at rest and are lost", Args: cobra.ExactArgs(1),
		Long: "Go on without events of a stream source that were at rest (offline.dir), and are neither there nor in the log any more: its folder was lost or emptied.\n" +
			"Until then no generation is built from what is left. Restore the folder instead, where there is a backup of it: stop the ingesters, put it in place, and start them again.\n" +
			"What live views hold stays. What is built later lacks what was lost; running ingesters go on with it within seconds. This cannot be taken back.",
		ValidArgsFunction: a.completeStreamSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.acceptLoss(cmd.Context(), args[0], how)
		},
	}
	cmd.Flags().BoolVar(&how.yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&how.reason, "reason", "", "why, for whoever looks later")
	return cmd
}

func (a *App) acceptLoss(ctx context.Context, name string, how acceptance) (err error) {
	parts, project, err := a.openSource(ctx, name)
	if err != nil {
		return err
	}
	defer closing(parts.Close, &err)
	missing, err := parts.MissingRest(ctx, project.StreamSource(name))
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		return featurestore.Invalidf("nothing that was at rest of source %q is lost, as far as the online store knows", name)
	}
	done, table := lossOf(name, missing)
	done.Reason = how.reason
	if !how.yes {
		if err := a.confirmLoss(missing, table); err != nil {
			return err
		}
	}
	if err := parts.AcceptMissingRest(ctx, missing, how.reason); err != nil {
		return err
	}
	table.Foot = fmt.Sprintf("%d offsets of source %s are accepted to be lost. Generations that waited for them go on: see `freshet status`.", done.Offsets, name)
	return a.Print(done, table)
}

// openSource opens online store and log, for whoever decides about a stream source of what
// is applied.
func (a *App) openSource(ctx context.Context, name string) (parts *node.Parts, project *definition.Project, err error) {
	s, err := a.Settings()
	if err != nil {
		return nil, nil, err
	}
	// Someone waits: a part that does not answer is named within seconds.
	if parts, err = node.Open(ctx, s, node.StoredClock(), a.Logger(), node.NeedOnline|node.Now); err != nil {
		return nil, nil, inOneProcess(err, s.Online.Embedded)
	}
	if err = parts.OpenLog(ctx); err != nil {
		err = inOneProcess(err, s.Log.Embedded)
		closing(parts.Close, &err)
		return nil, nil, err
	}
	_, project, err = appliedProject(ctx, parts.Registry)
	if err == nil && (project == nil || project.StreamSource(name) == nil) {
		err = featurestore.NotFoundf("there is no stream source %q in what is applied (see `freshet list sources`)", name)
	}
	if err != nil {
		closing(parts.Close, &err)
		return nil, nil, err
	}
	return parts, project, nil
}

// inOneProcess is the error of a part that could not be opened, and what may be the reason
// where it is embedded in a folder.
func inOneProcess(err error, folder string) error {
	if folder == "" {
		return err
	}
	return fmt.Errorf("%w (embedded parts are open in one process only: stop the server first)", err)
}

func lossOf(source string, missing []worker.Missing) (*acceptedLoss, Table) {
	out := &acceptedLoss{Source: source, Lost: node.LostOf(missing)}
	t := Table{Head: []string{"LOG", "PARTITION", "LOST"}, Names: []string{source}}
	for i, l := range out.Lost {
		out.Offsets += missing[i].Offsets()
		t.Rows = append(t.Rows, []string{fmt.Sprint(l.Generation), fmt.Sprint(l.Partition), offsets(l.Offsets)})
	}
	return out, t
}

// confirmLoss shows what is lost and asks; without a terminal it refuses.
func (a *App) confirmLoss(missing []worker.Missing, t Table) error {
	fmt.Fprintf(a.Stderr, "%s.\n", worker.MissingText(missing))
	if err := printTable(a.Stderr, t); err != nil {
		return err
	}
	fmt.Fprint(a.Stderr, "What is built from now on lacks them. Type yes to go on: ")
	var answer string
	if _, err := fmt.Fscanln(a.Stdin, &answer); err != nil || answer != "yes" {
		return featurestore.Invalidf("not accepted: confirm with yes, or pass --yes")
	}
	return nil
}
