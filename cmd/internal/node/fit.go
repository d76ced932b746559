package node

import (
	"context"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/worker"
)

// ConditionOf is how any generation is, also one that does not answer, as its lanes
// in the online store say. Why a log is in a GAP is said where the log is open.
func (p *Parts) ConditionOf(ctx context.Context, g registry.Generation) (worker.Condition, error) {
	project, err := p.project(ctx, g.Revision)
	if err != nil {
		return worker.Condition{}, err
	}
	if project.StreamView(g.View) == nil {
		return worker.ConditionOf(g.View, online.StateLive), nil // a batch view has no stream that could stand still
	}
	lanes, err := p.Online.Lanes(ctx, online.Generation{Project: p.Settings.Project, View: g.View, Number: g.Number}, g.Lanes)
	if err != nil {
		return worker.Condition{}, err
	}
	c := worker.ConditionOf(g.View, online.Worst(lanes))
	if c.State == online.StateGap.String() && p.Log != nil {
		c = p.gap(ctx, project, g.View, c)
	}
	return c, nil
}
