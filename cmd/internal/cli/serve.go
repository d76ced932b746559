package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
)

// ServeCommand is `serve`.
func (a *App) ServeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Answer lookups over gRPC and HTTP", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			need := node.NeedOnline
			if s.Log.Kafka != nil {
				need |= node.NeedLog // events that are pushed over the API go through it
			}
			return a.runNode(cmd.Context(), s, need, node.Options{Role: node.Serve, Version: a.Version})
		},
	}
}

// IngestCommand is `ingest`.
func (a *App) IngestCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ingest", Short: "Fold events from the log into the online store", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			role := node.Ingest
			if s.Online.Embedded != "" || s.Log.Embedded != "" {
				// An embedded part is open in one process only: this one has to answer, too.
				a.Note("note: embedded parts belong to one process, so this ingester also serves at %s.", s.Serve.Listen)
				role |= node.Serve
			}
			return a.runNode(cmd.Context(), s, node.NeedOnline|node.NeedLog, node.Options{Role: role, Version: a.Version})
		},
	}
}

// runNode runs a node until the process is told to stop.
func (a *App) runNode(ctx context.Context, s *settings.Settings, need node.Need, o node.Options) (err error) {
	parts, err := node.Open(ctx, s, node.StoredClock(), a.Logger(), need)
	if err != nil {
		return err
	}
	defer closing(parts.Close, &err)
	if parts.Clock.Replay() {
		parts.Clock.Run() // after a replay, time goes on from where it stood
	}
	n, err := node.Start(ctx, parts, o)
	if err != nil {
		return err
	}
	defer closing(n.Stop, &err)
	if n.Backend.Catalog() == nil {
		a.Note("note: nothing is applied yet; waiting for `freshet apply`.")
	}
	select {
	case <-ctx.Done():
		a.Note("stopping")
		return nil
	case <-n.WorkerDone():
		return fmt.Errorf("the ingester has stopped: %w", n.Worker.Err())
	}
}

// PushCommand is `push`.
func (a *App) PushCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "push SOURCE [FILE|-]", Short: "Send events (JSON lines, CSV or Parquet) through the log; prints what was rejected and why", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "-"
			if len(args) == 2 {
				path = args[1]
			}
			return a.push(cmd.Context(), args[0], path, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "jsonl, csv or parquet (default: by the file's name; jsonl for -)")
	return cmd
}

// pushed is the result of `push`.
type pushed struct {
	Accepted int              `json:"accepted"`
	Rejected []pushedRejected `json:"rejected"`
}

type pushedRejected struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// pushBatch is how many events go in one request, below the server's limit on
// bodies also where each is large.
const pushBatch = 500

func (a *App) push(ctx context.Context, source, path, format string) (err error) {
	project, err := a.appliedHere(ctx)
	if err != nil {
		return err
	}
	s := project.StreamSource(source)
	if s == nil {
		return featurestore.NotFoundf("there is no stream source %q (see `freshet list sources`)", source)
	}
	events, err := a.openEvents(s, path, format)
	if err != nil {
		return err
	}
	defer closing(events.Close, &err)
	send, done, err := a.pusher(ctx, s)
	if err != nil {
		return err
	}
	defer closing(done, &err)
	result := pushed{Rejected: []pushedRejected{}}
	for {
		batch, lines, more, err := events.Next(pushBatch)
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			rejected, err := send(ctx, batch)
			if err != nil {
				return fmt.Errorf("after %d accepted events: %w", result.Accepted, err)
			}
			result.Accepted += len(batch) - len(rejected)
			for _, r := range rejected {
				result.Rejected = append(result.Rejected, pushedRejected{Line: lines[r.Index], Reason: r.Reason})
			}
		}
		if !more {
			break
		}
	}
	t := Table{Head: []string{"LINE", "REASON"}, Foot: fmt.Sprintf("%d accepted, %d rejected", result.Accepted, len(result.Rejected))}
	for _, r := range result.Rejected {
		t.Rows = append(t.Rows, []string{fmt.Sprint(r.Line), r.Reason})
	}
	if err := a.Print(result, t); err != nil {
		return err
	}
	if len(result.Rejected) > 0 {
		return ErrDifference
	}
	return nil
}
