package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/ingest/replay"
)

func (a *App) devCommand() *cobra.Command {
	var speed, until string
	cmd := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Everything in one process: applies saved changes, replays the history of the sources, serves",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.Dir = args[0]
			}
			s, err := a.Settings()
			if err != nil {
				return err
			}
			x, err := parseSpeed(speed)
			if err != nil {
				return err
			}
			var end featurestore.Instant
			if until != "" {
				if end, err = featurestore.ParseInstant(until); err != nil {
					return featurestore.Invalidf("--until: %w", err)
				}
			}
			return a.dev(cmd.Context(), s, x, end)
		},
	}
	cmd.Flags().StringVar(&speed, "speed", "max", "pace of the replay: max, or a multiple of real time as 60x")
	cmd.Flags().StringVar(&until, "until", "", "end with 0 once every event before an instant (RFC 3339) is applied")
	return cmd
}

// parseSpeed reads "max" (0) or "60x".
func parseSpeed(text string) (float64, error) {
	if text == "max" {
		return 0, nil
	}
	x, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || x <= 0 {
		return 0, featurestore.Invalidf("--speed %q: use max, or a multiple of real time as 60x", text)
	}
	return x, nil
}

// session is a node whose log is filled by a replay in this process.
type session struct {
	app     *App
	parts   *node.Parts
	node    *node.Node
	db      engine
	replay  *replay.Replay
	drive   *node.Drive
	project *definition.Project
	batches *batches
	closers []func() error
}

// startSession applies the definitions of the settings' root and starts
// everything; the replay waits for the drive to run.
func (a *App) startSession(ctx context.Context, s *settings.Settings, listen string) (*session, error) {
	x := &session{app: a}
	if err := x.start(ctx, s, listen); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

func (x *session) start(ctx context.Context, s *settings.Settings, listen string) (err error) {
	project, _, err := x.app.LoadProject(s.Root)
	if err != nil {
		return err
	}
	x.project = project
	clock := node.ReplayClock(featurestore.MinInstant)
	if len(node.Sources(project)) == 0 {
		clock = node.WallClock() // nothing is replayed: events come as they are sent
	}
	if x.parts, err = node.Open(ctx, s, clock, x.app.Logger(), node.NeedOnline|node.NeedLog); err != nil {
		return err
	}
	x.closers = append(x.closers, x.parts.Close)
	if x.db, err = openEngine(ctx, s); err != nil {
		return err
	}
	x.closers = append(x.closers, x.db.Close)
	for _, source := range project.StreamSources {
		spec := logrecord.TopicSpec{Name: source.Topic, Partitions: 1, Retention: logrecord.Forever}
		if err := x.parts.Log.CreateTopic(ctx, spec); err != nil {
			return fmt.Errorf("topic %q: %w", source.Topic, err)
		}
	}
	if err := x.app.ApplyIfChanged(ctx, x.parts.Registry, s.Root); err != nil {
		return err
	}
	replayed := func(src *definition.StreamSource) bool { return src.History != nil }
	x.node, err = node.Start(ctx, x.parts, node.Options{
		Role: node.Serve | node.Ingest, Version: x.app.Version, Listen: listen, Replayed: replayed, Gate: &node.Gate{},
	})
	if err != nil {
		return err
	}
	x.closers = append(x.closers, x.node.Stop)
	files := history.New(history.Options{Root: s.Root, Files: history.WithFiles})
	if x.replay, err = replay.Open(ctx, x.parts.Log, files, node.Sources(project)); err != nil {
		return err
	}
	x.closers = append(x.closers, x.replay.Close)
	x.batches = &batches{session: x, due: map[string]bool{}, failed: map[string]string{}}
	x.drive = &node.Drive{Node: x.node, Replay: x.replay, Materialize: x.batches.run}
	return nil
}

// Close ends the session; what runs last is ended first. It is idempotent.
func (x *session) Close() error {
	var errs []error
	for i := len(x.closers) - 1; i >= 0; i-- {
		errs = append(errs, x.closers[i]())
	}
	x.closers = nil
	return errors.Join(errs...)
}

// dev replays, then goes on serving until it is told to stop, or ends at until.
func (a *App) dev(ctx context.Context, s *settings.Settings, speed float64, until featurestore.Instant) (err error) {
	x, err := a.startSession(ctx, s, "")
	if err != nil {
		return err
	}
	defer func() { err = first(err, x.Close()) }()
	a.Note("serving at http://%s; definitions in %s are applied when they are saved", x.node.Server.Addr(), s.Root)
	saved := newSaved(s.Root)
	if until != 0 && len(node.Sources(x.project)) == 0 {
		return featurestore.Invalidf("--until: there is nothing to replay: no stream source has a history")
	}
	x.drive.Speed, x.drive.Until = speed, until
	x.batches.patient = until == 0 // somebody is there who saves again
	progress := a.replayProgress()
	x.drive.OnStep = func(ctx context.Context, p node.Progress) error {
		progress(p)
		return a.applySaved(ctx, x, saved)
	}
	start := time.Now()
	if err := x.drive.Run(ctx); err != nil {
		return err
	}
	a.Note("replayed %d events in %s; the clock stands at %s", x.drive.Records(), time.Since(start).Round(time.Millisecond), x.parts.Clock.Now())
	if until != 0 {
		if err := x.settle(ctx); err != nil {
			return err
		}
		return x.node.Worker.Flush()
	}
	x.parts.Clock.Run()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			a.Note("stopping")
			return nil
		case <-ticker.C:
			if err := a.applySaved(ctx, x, saved); err != nil {
				return err
			}
			if err := x.parts.KeepClock(ctx); err != nil {
				return err
			}
		}
	}
}

// replayProgress tells a person, every second, how far a replay is.
func (a *App) replayProgress() func(node.Progress) {
	start, next := time.Now(), time.Now().Add(time.Second)
	return func(p node.Progress) {
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			a.Note("%s  %9d events  %7.0f events/s", p.Clock, p.Records, float64(p.Records)/now.Sub(start).Seconds())
		}
	}
}

// applySaved applies definitions that were saved since the last look, and runs the
// batch views that this makes due. What is wrong with them, or that an editor has
// them halfway, is told, and the applied revision goes on.
func (a *App) applySaved(ctx context.Context, x *session, saved *saved) error {
	valid := false
	if saved.changed() {
		var err error
		if valid, err = a.applyFiles(ctx, x); err != nil {
			return err
		}
	}
	return x.batches.runDue(ctx, valid)
}

// applyFiles applies the files as they are; valid is false where they are not.
func (a *App) applyFiles(ctx context.Context, x *session) (valid bool, err error) {
	root := x.parts.Settings.Root
	project, files, err := a.LoadProject(root)
	if err != nil {
		a.Note("not applied: %v", err)
		return false, nil
	}
	before, err := x.parts.Registry.CurrentNumber(ctx)
	if err != nil {
		return false, err
	}
	if err := cli.ApplyDesired(ctx, x.parts.Registry, cli.Desired{Root: root, Project: project, Files: files}); err != nil {
		if errors.Is(err, featurestore.ErrInvalid) {
			a.Note("not applied: %v", err)
			return false, nil
		}
		return false, err
	}
	changed := plan.Make(before, x.project, project)
	x.project = project // also where a line has moved only
	after, err := x.parts.Registry.CurrentNumber(ctx)
	if err != nil || after == before {
		return true, err
	}
	a.Note("revision %d is applied", after)
	runs, err := x.parts.RunTargets(ctx)
	if err != nil {
		return false, err
	}
	x.drive.SetViews(project.BatchViews)
	for _, v := range project.BatchViews {
		if runs.Into[v.Name].State == registry.Building || runs.Into[v.Name].Revision == after || changes(changed, v.Source) {
			x.batches.due[v.Name] = true
		}
	}
	return true, nil
}

// changes reports whether a plan touches a batch source: other files may be meant.
func changes(p *plan.Plan, s *definition.BatchSource) bool {
	return slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Kind == "BatchSource" && c.Name == s.Name })
}
