package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry"
)

// meaning is what a backfill is ordered of.
type meaning struct {
	view     *definition.StreamView
	revision int64  // the one whose definition it is
	replaces uint32 // the generation being built that it is built instead of; 0 for none
	about    string // what a person should know; "" for nothing
}

// meaningOf is the meaning that a backfill of a view builds: that of the generation
// which answers. Where one of the newest revision's is being built, it is that one,
// and where that was found BROKEN, it is tried again.
func meaningOf(ctx context.Context, r registry.Store, view *definition.StreamView, newest int64) (m meaning, err error) {
	list, err := r.Generations(ctx)
	if err != nil {
		return m, err
	}
	list = slices.DeleteFunc(list, func(g registry.Generation) bool { return g.View != view.Name })
	in := func(s registry.GenerationState) *registry.Generation {
		if i := slices.IndexFunc(list, func(g registry.Generation) bool { return g.State == s }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	live, building, broken := in(registry.Live), in(registry.Building), in(registry.Broken)
	m = meaning{view: view, revision: newest}
	switch {
	case live == nil || live.Hash == view.Hash:
	case building != nil && building.Hash == view.Hash, building == nil && broken != nil && broken.Hash == view.Hash:
		return m, nil
	default:
		if m, err = meaningOfOlder(ctx, r, view, live, in(registry.Standby)); err != nil {
			return m, err
		}
	}
	if building != nil && building.Hash != m.view.Hash {
		m.replaces = building.Number
	}
	return m, nil
}

// meaningOfOlder is that of a live generation of an older revision than the newest.
func meaningOfOlder(ctx context.Context, r registry.Store, newest *definition.StreamView, live, standby *registry.Generation) (m meaning, err error) {
	forward, kept := "freshet apply", standby != nil && standby.Hash == newest.Hash
	if kept {
		forward = "freshet switch " + newest.Name + ", with the views that changed together with it,"
	}
	answers := fmt.Sprintf("generation %d of view %q, of revision %d, answers", live.Number, live.View, live.Revision)
	revision, err := r.Revision(ctx, live.Revision)
	if err != nil {
		return m, fmt.Errorf("%s, and its definition cannot be read: %w (%s goes on to the newest)", answers, err, forward)
	}
	project, problems := definition.Load(revision.Files)
	if project == nil {
		return m, featurestore.Invalidf("%s, and this version of freshet cannot read that revision: build it with the version that applied it; %s goes on to the newest meaning: %w", answers, forward, problems)
	}
	v := project.StreamView(live.View)
	if v == nil || v.Hash != live.Hash {
		return m, featurestore.Invalidf("%s, and this version of freshet computes or stores otherwise than the one that applied it: build it with that version; %s goes on to the newest meaning", answers, forward)
	}
	m = meaning{view: v, revision: live.Revision, about: answers + ", and that is the meaning which is built, not the newest"}
	if kept {
		m.about += fmt.Sprintf("; once it takes over, generation %d of the newest is not kept any more: `freshet apply` then builds that anew", standby.Number)
	} else {
		m.about += ": `freshet apply` goes on to that"
	}
	return m, nil
}
