package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/worker"
)

// acceptedTopic is the result of `accept-new-topic`.
type acceptedTopic struct {
	node.TopicState
	Accepted uint32 `json:"accepted_generation"`
	Reason   string `json:"reason"`

	// LostAtRest is what was at rest of the log before and is nowhere any more.
	LostAtRest []node.LostRest `json:"lost_at_rest,omitempty"`
}

// AcceptTopicCommand is `accept-new-topic`.
func (a *App) AcceptTopicCommand() *cobra.Command {
	var yes, force bool
	var reason string
	cmd := &cobra.Command{
		Use: "accept-new-topic SOURCE", Short: "Go on with what a topic holds now, after it was deleted, truncated or has expired", Args: cobra.ExactArgs(1),
		Long: "Go on with what the topic of a stream source holds now, where its views have halted in a GAP: the topic was deleted and made anew, was truncated, or has lost records that were not applied.\n" +
			"What was applied stays applied, and what is at rest stays and counts. The records of the topic count from now on as another log's, each once, also where some of them were applied before.\n" +
			"Running ingesters pick it up; the views answer again once they have caught up.",
		ValidArgsFunction: a.completeStreamSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.acceptTopic(cmd.Context(), args[0], acceptance{yes: yes, force: force, reason: reason})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&force, "force", false, "also where the log is the one that was applied")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever looks later")
	return cmd
}

// acceptance is how a person accepts.
type acceptance struct {
	yes, force bool
	reason     string
}

func (a *App) acceptTopic(ctx context.Context, name string, how acceptance) (err error) {
	parts, project, err := a.openSource(ctx, name)
	if err != nil {
		return err
	}
	defer closing(parts.Close, &err)
	found, err := parts.InspectTopic(ctx, project, project.StreamSource(name))
	if err != nil {
		return err
	}
	done := &acceptedTopic{TopicState: *found}
	if !how.force && !slices.ContainsFunc(done.Partitions, func(p worker.LogState) bool { return p.Gap != "" }) {
		return featurestore.Invalidf("source %q is not in a GAP: topic %q holds the records that were applied, and all that is missing. Where its views say GAP, the topic was restored: they go on within seconds, and where they do not, start the ingester again. --force accepts nevertheless", name, done.Topic)
	}
	done.Reason = done.because(how.reason)
	if !how.yes {
		if err := a.confirmTopic(done); err != nil {
			return err
		}
	}
	log, err := parts.Registry.AcceptTopic(ctx, name, done.Generation, done.Reason, featurestore.InstantOf(time.Now()))
	if err != nil {
		return err
	}
	done.Accepted = log.Generation
	missing, err := parts.AcceptMissingOf(ctx, project.StreamSource(name), done.Generation, "accepted with generation "+fmt.Sprint(log.Generation)+" of its log")
	if err != nil {
		return fmt.Errorf("source %q is at generation %d of its log; what of the one before was at rest, and may be lost, is not accepted yet (%s): %w", name, log.Generation, worker.AcceptLossCommand(name), err)
	}
	done.LostAtRest = node.LostOf(missing)
	t := done.table()
	t.Foot = fmt.Sprintf("Source %s is at generation %d of its log. Its views answer again once they have caught up: see `freshet status`.", name, log.Generation)
	if len(missing) > 0 {
		t.Foot += " " + worker.MissingText(missing) + ": that is accepted, too, and what is built from history lacks it."
	}
	return a.Print(done, t)
}

// because is the reason that stays on record: a person's, what was found, and
// what of the log before is nowhere any more.
func (t *acceptedTopic) because(reason string) string {
	var out []string
	if reason != "" {
		out = append(out, reason)
	}
	for _, p := range t.Partitions {
		if p.Gap != "" {
			out = append(out, fmt.Sprintf("partition %d: %s", p.Partition, p.Gap))
		}
	}
	for _, p := range t.Partitions {
		if p.Unarchived > 0 {
			out = append(out, fmt.Sprintf("partition %d: %d offsets (%d to %d) of generation %d were applied and are not at rest: what is built from history lacks them", p.Partition, p.Unarchived, p.AtRest+1, p.Applied, t.Generation))
		}
	}
	if len(out) == 0 {
		return "accepted by force"
	}
	return strings.Join(out, "; ")
}

func (t *acceptedTopic) table() Table {
	out := Table{Head: []string{"PARTITION", "APPLIED", "AT REST", "LOG", "RECORDS", "GAP"}, Names: []string{t.Source}}
	for _, p := range t.Partitions {
		out.Rows = append(out.Rows, []string{
			fmt.Sprint(p.Partition), through(p.Applied), through(p.AtRest), fmt.Sprintf("%d to %d", p.Start, p.End), p.Records, p.Gap,
		})
	}
	return out
}

func through(offset int64) string {
	if offset < 0 {
		return "-"
	}
	return fmt.Sprintf("to %d", offset)
}

// confirmTopic shows what was found and asks; without a terminal it refuses.
func (a *App) confirmTopic(t *acceptedTopic) error {
	fmt.Fprintf(a.Stderr, "Topic %s of source %s, against what was applied under generation %d of its log:\n", t.Topic, t.Source, t.Generation)
	if err := printTable(a.Stderr, t.table()); err != nil {
		return err
	}
	if t.Lost > 0 {
		fmt.Fprintf(a.Stderr, "%d offsets were applied and are not at rest: lookups have them, what is built from history will not.\n", t.Lost)
	}
	fmt.Fprint(a.Stderr, "From now on the topic counts as a new log. Type yes to go on: ")
	var answer string
	if _, err := fmt.Fscanln(a.Stdin, &answer); err != nil || answer != "yes" {
		return featurestore.Invalidf("not accepted: confirm with yes, or pass --yes")
	}
	return nil
}

// completeStreamSources gives the names of the sources that are applied.
func (a *App) completeStreamSources(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	project, err := a.appliedHere(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for _, s := range project.StreamSources {
		out = append(out, s.Name)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
