package node

import (
	"context"
	"slices"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
)

// Unready are the stream views that would answer REBUILDING if a generation of a batch
// view took over now: those of its revision that no ingester has filled yet, while
// lookups are answered whole by an older one. They are none where it would not help to
// wait, as at the first revision.
func (p *Parts) Unready(ctx context.Context, g registry.Generation) ([]string, error) {
	list, err := p.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	newest, err := p.Registry.CurrentNumber(ctx)
	if err != nil {
		return nil, err
	}
	project, err := p.project(ctx, newest)
	if err != nil {
		return nil, err
	}
	targets := plan.Targets(project)
	var group []registry.Generation
	var unready []string
	for _, x := range list {
		if x.State != registry.Building || targets[x.View] != x.Hash {
			continue
		}
		filled := project.StreamView(x.View) == nil // runs of other batch views follow by themselves
		if !filled {
			if filled, err = p.filled(ctx, x); err != nil {
				return nil, err
			}
		}
		if filled {
			group = append(group, x)
		} else {
			unready = append(unready, x.View)
		}
	}
	if len(unready) == 0 {
		return nil, nil
	}
	load := func(n int64) (*definition.Project, error) { return p.project(ctx, n) }
	if why, err := registry.Held(newest, list, group, load); err != nil || why == "" {
		return nil, err
	}
	return unready, nil
}

// filled reports whether the lanes of a generation of a stream view say that it is.
func (p *Parts) filled(ctx context.Context, g registry.Generation) (bool, error) {
	id := online.Generation{Project: p.Settings.Project, View: g.View, Number: g.Number}
	lanes, err := p.Online.Lanes(ctx, id, g.Lanes)
	if err != nil {
		return false, err
	}
	ready := func(l online.Lane) bool {
		return l.Meta.State == online.StateLive || l.Meta.State == online.StateCatchingUp
	}
	return !slices.ContainsFunc(lanes, func(l online.Lane) bool { return !ready(l) }), nil
}
