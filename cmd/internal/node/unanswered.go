package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/worker"
)

// unanswered is the condition of a view of which no generation of the revision's
// meaning is live: one is being built, or another version of freshet holds it, or the
// live generations are of revisions that do not go together.
func (p *Parts) unanswered(ctx context.Context, project *definition.Project, view string) worker.Condition {
	c := worker.Condition{State: online.StateBuilding.String(), Reason: "no generation of its meaning is live yet"}
	if project.BatchView(view) != nil {
		c.Next = materializeNext(view)
	}
	newest, err := p.Registry.CurrentNumber(ctx)
	if err != nil {
		p.Logger.Warn("the registry could not be read", "error", err)
		return c
	}
	list, err := p.Registry.Generations(ctx)
	if err != nil {
		p.Logger.Warn("the registry could not be read", "error", err)
		return c
	}
	want := plan.Targets(project)[view]
	of := slices.DeleteFunc(slices.Clone(list), func(g registry.Generation) bool { return g.View != view })
	in := func(s registry.GenerationState, here bool) bool {
		return slices.ContainsFunc(of, func(g registry.Generation) bool { return g.State == s && (g.Hash == want) == here })
	}
	switch {
	case in(registry.Building, true), in(registry.Live, true): // a moment ago it was not
		return c
	case !slices.ContainsFunc(of, func(g registry.Generation) bool { return g.Hash == want || p.reads(ctx, g) }):
		if len(of) > 0 {
			return worker.OtherVersionCondition()
		}
		return c
	case !in(registry.Live, false):
		return c
	}
	return p.mixed(ctx, newest, list, c)
}

// reads reports whether this version computes a generation as the one did that made it.
func (p *Parts) reads(ctx context.Context, g registry.Generation) bool {
	project, err := p.project(ctx, g.Revision)
	return err == nil && plan.Targets(project)[g.View] == g.Hash
}

// mixed is the condition of a view whose live generation is of another revision than
// those of others, and that nothing leads out of but a person; c where that cannot be seen.
func (p *Parts) mixed(ctx context.Context, newest int64, list []registry.Generation, c worker.Condition) worker.Condition {
	load := func(n int64) (*definition.Project, error) { return p.project(ctx, n) }
	out, err := registry.WayOut(newest, list, load)
	if err != nil {
		p.Logger.Warn("the way to a revision that is whole could not be seen", "error", err)
		return c
	}
	project, err := load(newest)
	if err != nil {
		p.Logger.Warn("the newest revision could not be read", "error", err)
		return c
	}
	to := registry.WayTo(newest, project, list)
	why := fmt.Sprintf("no revision has the meanings of all live generations: behind revision %d is %s", newest, registry.Named(to.Behind))
	return worker.MixedCondition(why, cmp.Or(out.Next(), "freshet status"))
}

// meanings are those of the newest revision, by view, as far as they can be read.
func (p *Parts) meanings(ctx context.Context) map[string]codec.Hash {
	newest, err := p.Registry.CurrentNumber(ctx)
	if err != nil || newest == 0 {
		return nil
	}
	project, err := p.project(ctx, newest)
	if err != nil {
		return nil
	}
	return plan.Targets(project)
}

// waits says of each view whose generation is being built why it will not take over,
// as far as the registry shows.
func (p *Parts) waits(ctx context.Context, list []registry.Generation) map[string]string {
	out, live := map[string]string{}, registry.LiveOf(list)
	var group []registry.Generation
	newest, err := p.Registry.CurrentNumber(ctx)
	if err != nil || newest == 0 {
		return out
	}
	project, err := p.project(ctx, newest)
	if err != nil {
		return out
	}
	for _, g := range list {
		switch {
		case g.State != registry.Building || project.StreamView(g.View) == nil:
		case registry.Outlived(project, g, live) != "":
			out[g.View] = registry.Outlived(project, g, live)
		default:
			group = append(group, g)
		}
	}
	why, err := registry.Held(newest, list, group, func(n int64) (*definition.Project, error) { return p.project(ctx, n) })
	if err != nil || why == "" {
		return out
	}
	for _, g := range group {
		if live[g.View].Hash != g.Hash {
			out[g.View] = why
		}
	}
	return out
}
