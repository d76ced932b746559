package cli

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
)

// standing is where the generations stand against the newest revision.
type standing struct {
	newest  int64
	list    []registry.Generation
	way     registry.Way // to the newest revision
	load    registry.Loader
	applied *definition.Project // the newest revision's; nil where nothing is applied
}

func standingOf(ctx context.Context, r registry.Store, newest int64, applied *definition.Project) (*standing, error) {
	list, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	s := &standing{newest: newest, list: list, load: LoaderOf(ctx, r), applied: applied}
	if applied != nil {
		s.way = registry.WayTo(newest, applied, list)
	}
	return s, nil
}

// LoaderOf loads the definitions of revisions.
func LoaderOf(ctx context.Context, r registry.Store) registry.Loader {
	return func(n int64) (*definition.Project, error) {
		revision, err := r.Revision(ctx, n)
		if err != nil {
			return nil, err
		}
		project, problems := definition.Load(revision.Files)
		if project == nil {
			return nil, featurestore.Invalidf("revision %d does not load with this version of freshet: %w", n, problems)
		}
		return project, nil
	}
}

// held are the hashes under which generations hold each view, for an `apply`. Where it
// takes an `apply` of the newest revision's own definitions to go on to it, what is kept
// of it and does not answer counts for nothing.
func (s *standing) held() map[string][]codec.Hash {
	out := map[string][]codec.Hash{}
	for _, g := range s.list {
		out[g.View] = append(out[g.View], g.Hash)
	}
	if !s.way.Applies() {
		return out
	}
	for _, kept := range s.way.Switch {
		out[kept.View] = nil
		for _, g := range s.list {
			if g.View == kept.View && g.Number != kept.Number {
				out[g.View] = append(out[g.View], g.Hash)
			}
		}
	}
	return out
}

// older says of each view that a generation of an older revision answers for, in this
// version's own form, which that is.
func (s *standing) older() map[string]string {
	out := map[string]string{}
	for _, g := range s.way.Behind {
		if p, err := s.load(g.Revision); err == nil && plan.Targets(p)[g.View] == g.Hash {
			out[g.View] = fmt.Sprintf("generation %d, of revision %d, answers: this meaning takes over from it", g.Number, g.Revision)
		}
	}
	return out
}

// behind says that the newest revision does not answer, what does, and how to go on
// to it; "" where it does.
func (s *standing) behind() (string, error) {
	if len(s.way.Behind) == 0 {
		return "", nil
	}
	chosen, whole, err := registry.Choose(s.newest, registry.LiveOf(s.list), s.load)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("revision %d answers, not %d: ", chosen, s.newest)
	if !whole {
		text = "no revision has the meanings of all live generations, so that some views answer REBUILDING: "
	}
	text += "behind revision " + fmt.Sprint(s.newest) + " is " + registry.Named(s.way.Behind)
	next := s.way.Next()
	switch {
	case next == "":
		return text + "; its next generation is being built, and takes over by itself", nil
	case !whole:
		out, err := registry.WayOut(s.newest, s.list, s.load)
		if err != nil {
			return "", err
		}
		if out.Revision != s.newest {
			return fmt.Sprintf("%s. To make revision %d answer: %s; to go on to revision %d: %s", text, out.Revision, out.Next(), s.newest, next), nil
		}
	}
	return fmt.Sprintf("%s. To go on to revision %d: %s", text, s.newest, next), nil
}
