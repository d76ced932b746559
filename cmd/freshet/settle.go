package main

import (
	"context"
	"slices"
	"time"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// settlePoll is how often a session looks whether its generations are live.
const settlePoll = 50 * time.Millisecond

// settle waits until the newest generation of every stream view answers, so that
// what comes after a replay reads by the definitions of the day and not by those
// before. It fails where a generation cannot be filled.
func (x *session) settle(ctx context.Context) error {
	told := false
	for {
		waiting, err := x.building(ctx)
		if err != nil {
			return err
		}
		if len(waiting) == 0 {
			return x.node.Worker.Advance(ctx, x.parts.Clock.Now()) // the new ones too are up to now
		}
		for _, id := range x.node.Worker.Unfillable() {
			if slices.Contains(waiting, id) {
				return featurestore.Unavailablef("generation %d of view %q cannot be filled from history: the lines above say why; the generation before it goes on answering", id.Number, id.View)
			}
		}
		if !told {
			x.app.Note("waiting for %d new generations to catch up", len(waiting))
			told = true
		}
		timer := time.NewTimer(settlePoll)
		select {
		case <-timer.C:
		case <-x.node.Worker.Done():
			timer.Stop()
			return x.node.Worker.Err()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// building are the generations of stream views that do not answer yet. It fails
// where one never will.
func (x *session) building(ctx context.Context) ([]online.Generation, error) {
	list, err := x.parts.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	var out []online.Generation
	var group []registry.Generation
	for _, g := range list {
		if g.State == registry.Broken && x.project.StreamView(g.View) != nil {
			return nil, featurestore.Unavailablef("generation %d of view %q is broken; the generation before it goes on answering: %s", g.Number, g.View, g.Reason)
		}
		if g.State == registry.Building && x.project.StreamView(g.View) != nil {
			out = append(out, online.Generation{Project: x.parts.Settings.Project, View: g.View, Number: g.Number})
			group = append(group, g)
		}
	}
	newest, err := x.parts.Registry.CurrentNumber(ctx)
	if err != nil {
		return nil, err
	}
	why, err := registry.Held(newest, list, group, cli.LoaderOf(ctx, x.parts.Registry))
	if err == nil && why != "" {
		err = featurestore.Unavailablef("generation %d of view %q does not take over; the generation before it goes on answering: %s", group[0].Number, group[0].View, why)
	}
	return out, err
}
