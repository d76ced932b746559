package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
)

// RunTargets are where runs of the batch views of a revision go.
type RunTargets struct {
	Revision int64
	Project  *definition.Project
	Into     map[string]registry.Generation // by view: the one that is being built, else the one that answers
}

// RunTargets are those of the newest revision. A generation has one meaning, and takes values
// of no other: it is an ErrLostRace where another revision came between.
func (p *Parts) RunTargets(ctx context.Context) (*RunTargets, error) {
	current, err := p.Registry.Current(ctx)
	if err != nil {
		return nil, err
	}
	if current == nil {
		return nil, featurestore.NotFoundf("nothing is applied yet: run `freshet apply`")
	}
	project, problems := definition.Load(current.Files)
	if project == nil {
		return nil, featurestore.Invalidf("revision %d does not load with this version of freshet: %w", current.Number, problems)
	}
	list, err := p.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	out := &RunTargets{Revision: current.Number, Project: project, Into: map[string]registry.Generation{}}
	targets := plan.Targets(project)
	for _, g := range list { // ascending: the newest stays
		if targets[g.View] == g.Hash && (g.State == registry.Building || g.State == registry.Live) {
			out.Into[g.View] = g
		}
	}
	for _, v := range project.BatchViews {
		if _, there := out.Into[v.Name]; there {
			continue
		}
		if now, err := p.Registry.CurrentNumber(ctx); err != nil || now != current.Number {
			return nil, errors.Join(err, fmt.Errorf("revision %d was applied meanwhile: run this again: %w", now, registry.ErrLostRace))
		}
		return nil, featurestore.NotFoundf("no generation of view %q has its meaning: run `freshet apply` with this version", v.Name)
	}
	return out, nil
}

// mostTries is how often a step is decided on anew where something else came first.
const mostTries = 5

// TakeOver makes a generation of a batch view live that a run has filled. Nobody writes
// the one before any more, so that it is not kept: where somebody has gone back to a
// revision meanwhile that needs it, or the view has another meaning by now, it is an
// ErrLostRace, and nothing changes.
func (p *Parts) TakeOver(ctx context.Context, g registry.Generation) error {
	var err error
	for range mostTries {
		// The counter comes first: what changes while the rest is read is seen by the step.
		var changes int64
		if changes, err = p.Registry.Changes(ctx); err != nil {
			return err
		}
		var now *registry.Generation
		if now, err = p.mayTakeOver(ctx, g); err != nil || now.State == registry.Live {
			return err
		}
		err = p.Registry.SetState(ctx, registry.Step{View: g.View, Number: g.Number, State: registry.Live, Reason: "materialized", At: wall(), Since: now.Since, Changes: changes})
		if !errors.Is(err, registry.ErrLostRace) {
			return err
		}
	}
	return err
}

// mayTakeOver gives the generation as it is, where it may become live or is it.
func (p *Parts) mayTakeOver(ctx context.Context, g registry.Generation) (*registry.Generation, error) {
	s, err := p.decision(ctx)
	if err != nil {
		return nil, err
	}
	var now *registry.Generation
	for i, x := range s.list {
		if x.View == g.View && x.Number == g.Number {
			now = &s.list[i]
		}
	}
	lost := func(why string) error {
		return fmt.Errorf("generation %d of view %q does not take over: %s: %w", g.Number, g.View, why, registry.ErrLostRace)
	}
	switch {
	case now == nil:
		return nil, lost("another revision was applied meanwhile")
	case now.State == registry.Live:
		return now, nil
	case plan.Targets(s.project)[g.View] != g.Hash:
		return nil, lost("its view has another meaning by now")
	}
	// What goes with it: the others of its revision follow by themselves, or by their runs.
	why, err := s.held(s.building)
	if err == nil && why != "" {
		err = lost(why)
	}
	return now, err
}

// decision is what a takeover is decided on.
type decision struct {
	newest   int64
	project  *definition.Project   // of the newest revision
	list     []registry.Generation // all
	building []registry.Generation // those with meanings of the newest revision
	load     registry.Loader
}

func (p *Parts) decision(ctx context.Context) (*decision, error) {
	list, err := p.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	newest, err := p.Registry.CurrentNumber(ctx)
	if err != nil {
		return nil, err
	}
	s := &decision{newest: newest, list: list, load: func(n int64) (*definition.Project, error) { return p.project(ctx, n) }}
	if s.project, err = s.load(newest); err != nil {
		return nil, err
	}
	targets := plan.Targets(s.project)
	for _, g := range list {
		if g.State == registry.Building && targets[g.View] == g.Hash {
			s.building = append(s.building, g)
		}
	}
	return s, nil
}

// held says why generations must not take over together, "" where they may.
func (s *decision) held(group []registry.Generation) (string, error) {
	return registry.Held(s.newest, s.list, group, s.load)
}
