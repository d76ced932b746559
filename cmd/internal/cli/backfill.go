package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// BackfillCommand is `backfill`.
func (a *App) BackfillCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: "backfill VIEW", Short: "Rebuild a stream view from history as a new generation, which takes over when it is equal", Args: cobra.ExactArgs(1),
		Long: "Make another generation of what a stream view means now, beside the one that answers: after a `freshet switch` back that is the older meaning. The ingester fills it from history up to what is at rest, hands over to the log by position, " +
			"compares a sample with an independent fold, and lets it take over. The one before is kept for a while (`freshet switch` goes back to it).\n" +
			"It may be run again without harm: while one is being built, it is that one. Where the parts are embedded and no server runs, this process does the work itself.",
		RunE: func(cmd *cobra.Command, args []string) error { return a.backfill(cmd.Context(), args[0], wait) },
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "show progress until the new generation answers")
	return cmd
}

// Backfilled is the result of `backfill`: the generation that was ordered, as it is now.
type Backfilled struct {
	View       string `json:"view"`
	Generation uint32 `json:"generation"`
	State      string `json:"state"`
}

func (a *App) backfill(ctx context.Context, view string, wait bool) error {
	s, err := a.Settings()
	if err != nil {
		return err
	}
	g, about, err := orderGeneration(ctx, s, view)
	if err != nil {
		return err
	}
	if about != "" {
		a.Note("note: %s", about)
	}
	a.Note("generation %d of view %q is being built", g.Number, g.View)
	state := string(g.State)
	switch {
	case a.worksHere(s):
		state, err = a.buildHere(ctx, s, g)
	case wait:
		state, err = a.waitForServer(ctx, g)
	}
	if err != nil {
		return err
	}
	t := Table{Foot: fmt.Sprintf("Generation %d of view %q is %s.", g.Number, g.View, state), Names: []string{fmt.Sprint(g.Number)}}
	return a.Print(Backfilled{View: g.View, Generation: g.Number, State: state}, t)
}

// orderGeneration asks the registry for another generation of what a view means now,
// and says what a person should know of it.
func orderGeneration(ctx context.Context, s *settings.Settings, view string) (g registry.Generation, about string, err error) {
	r, err := sqlite.Open(ctx, s.Registry.SQLite, s.Online.Lanes)
	if err != nil {
		return g, "", err
	}
	defer closing(r.Close, &err)
	revision, project, err := appliedProject(ctx, r)
	if err != nil {
		return g, "", err
	}
	if project == nil {
		return g, "", featurestore.NotFoundf("nothing is applied yet: run `freshet apply`")
	}
	v := project.StreamView(view)
	if v == nil && project.BatchView(view) != nil {
		return g, "", featurestore.Invalidf("%q is a batch view: `freshet materialize %s --full` writes it anew", view, view)
	}
	if v == nil {
		return g, "", featurestore.NotFoundf("there is no stream view %q (see `freshet list views`)", view)
	}
	m, err := meaningOf(ctx, r, v, revision)
	if err != nil {
		return g, "", err
	}
	g, err = r.Rebuild(ctx, registry.Order{
		Target: registry.Target{View: view, Hash: m.view.Hash}, Revision: revision, Meaning: m.revision, Replaces: m.replaces,
		Reason: "to be filled from history: `freshet backfill`", At: featurestore.InstantOf(time.Now()),
	})
	return g, m.about, err
}

// worksHere reports whether nobody else can do the work: an embedded part is open
// in one process only, and none runs.
func (a *App) worksHere(s *settings.Settings) bool {
	return a.Addr == "" && (s.Online.Embedded != "" || s.Log.Embedded != "") && !listening(s.Serve.Listen)
}

// buildHere runs an ingester until a generation is built.
func (a *App) buildHere(ctx context.Context, s *settings.Settings, g registry.Generation) (state string, err error) {
	parts, err := node.Open(ctx, s, node.StoredClock(), a.Logger(), node.NeedOnline|node.NeedLog)
	if err != nil {
		return "", err
	}
	defer closing(parts.Close, &err)
	n, err := node.Start(ctx, parts, node.Options{Role: node.Ingest, Version: a.Version})
	if err != nil {
		return "", err
	}
	defer closing(n.Stop, &err)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	worker := n.Worker // whoever stops the node takes it away
	go func() {
		select {
		case <-worker.Done():
			cancel(fmt.Errorf("the ingester has stopped: %w", worker.Err()))
		case <-ctx.Done():
		}
	}()
	return a.waitFor(ctx, g, func(ctx context.Context) (*node.Status, error) {
		text, err := n.Backend.Status(ctx)
		s := &node.Status{}
		if err == nil {
			err = json.Unmarshal(text, s)
		}
		return s, err
	})
}

// waitForServer asks the server, or the stores, until a generation is built.
func (a *App) waitForServer(ctx context.Context, g registry.Generation) (state string, err error) {
	api, err := a.API(ctx)
	if err != nil {
		return "", err
	}
	defer closing(api.Close, &err)
	return a.waitFor(ctx, g, func(ctx context.Context) (*node.Status, error) {
		other := a.otherProcess(ctx)
		defer other.stop()
		s, err := api.Status(ctx)
		if err != nil {
			return nil, err
		}
		a.askIngester(api, s, other)
		return s, nil
	})
}

const (
	backfillPoll = 200 * time.Millisecond
	backfillNote = 2 * time.Second
)

// waitFor waits until a generation is no longer being built, and shows how far it
// is, and why it does not get on.
func (a *App) waitFor(ctx context.Context, g registry.Generation, ask func(context.Context) (*node.Status, error)) (string, error) {
	ticker := time.NewTicker(backfillPoll)
	defer ticker.Stop()
	var noted time.Time
	still := stillness{since: time.Now()}
	for {
		s, err := ask(ctx)
		if err == nil && s.Registry != "" {
			err = errors.New(s.Registry)
		}
		if err != nil {
			return "", first(context.Cause(ctx), err)
		}
		if noted.IsZero() {
			a.noteRemoved(s)
		}
		now, waits := find(s.Generations, g), ""
		if now != nil {
			at := time.Now()
			still.look(now, at)
			waits = still.stuck(s, now, at)
		}
		switch {
		case now == nil:
			return "", featurestore.NotFoundf("generation %d of view %q was retired while it was being built: another change came first", g.Number, g.View)
		case now.State == string(registry.Broken):
			return "", featurestore.Invalidf("generation %d of view %q is broken, the one before goes on answering: %s", g.Number, g.View, now.Reason)
		case now.State != string(registry.Building):
			return now.State, nil
		case waits != "":
			return "", featurestore.Unavailablef("generation %d of view %q does not get on: %s; it goes on by itself once that is over, and waiting for it may be run again", g.Number, g.View, waits)
		case time.Since(noted) >= backfillNote:
			noted = time.Now()
			a.Note("%s", fillText(now.Fill)+still.text(s, now, noted))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// noteRemoved says of which sources history lacks what was applied.
func (a *App) noteRemoved(s *node.Status) {
	for _, x := range s.Archives {
		if len(x.Removed) > 0 {
			a.Note("note: source %s: %s", x.Source, x.Note)
		}
	}
}

func find(list []node.GenerationStatus, g registry.Generation) *node.GenerationStatus {
	for i := range list {
		if list[i].View == g.View && list[i].Generation == g.Number {
			return &list[i]
		}
	}
	return nil
}

// fillText is how far a generation is filled, for people.
func fillText(f *node.FillStatus) string {
	switch {
	case f == nil:
		return ""
	case f.Reread != nil:
		return fmt.Sprintf("%d of %d rows at rest were given fields that they lacked, read again from the log", f.Reread.Rows, f.Reread.Of)
	case f.Phase == node.PhaseCatchingUp:
		return fmt.Sprintf("filled with %d records; catching up with the log", f.Records)
	case f.Of < 0:
		return fmt.Sprintf("%d records, %.0f a second", f.Records, f.PerSecond)
	case f.PerSecond == 0:
		return fmt.Sprintf("%d of %d records", f.Records, f.Of)
	}
	return fmt.Sprintf("%d of %d records, %.0f a second, %s left", f.Records, f.Of, f.PerSecond, f.Left)
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
