package registry

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/plan"
)

// LookBack is how many revisions, from the newest on, may answer.
const LookBack = 8

// Loader gives the definitions of a revision.
type Loader func(number int64) (*definition.Project, error)

// LiveOf are the live generations by view.
func LiveOf(list []Generation) map[string]Generation {
	out := map[string]Generation{}
	for _, g := range list {
		if g.State == Live {
			out[g.View] = g
		}
	}
	return out
}

// Choose gives the revision that answers while these generations are live: the
// newest that is whole, or, where none of the last few is, the newest.
func Choose(newest int64, live map[string]Generation, load Loader) (chosen int64, isWhole bool, err error) {
	for n := newest; n > max(0, newest-LookBack); n-- {
		p, err := load(n)
		if passes(err, n, newest) {
			continue
		}
		if err != nil {
			return 0, false, err
		}
		if whole(p, live) {
			return n, true, nil
		}
	}
	return newest, false, nil
}

// passes reports whether a revision is passed by: one before the newest, which this
// version of freshet cannot read, answers nothing.
func passes(err error, n, newest int64) bool {
	return n < newest && errors.Is(err, featurestore.ErrInvalid)
}

// whole reports whether every stored view of a project has a live generation of
// its own meaning.
func whole(p *definition.Project, live map[string]Generation) bool {
	for view, hash := range plan.Targets(p) {
		if g, ok := live[view]; !ok || g.Hash != hash {
			return false
		}
	}
	return true
}

// Way is what is to be done for a revision to answer, whole.
type Way struct {
	Revision int64
	Newest   bool
	Behind   []Generation // live ones of another meaning than the revision's
	Switch   []Generation // STANDBY ones of its meanings
	Waits    []Generation // of stream views, being built
	Runs     []Generation // of batch views, which wait for a run
	Broken   []Generation
	Lacks    []string // views of which no generation in use has its meaning
}

// WayTo is the way to a revision.
func WayTo(revision int64, p *definition.Project, list []Generation) Way {
	w, targets, live := Way{Revision: revision}, plan.Targets(p), LiveOf(list)
	for _, view := range slices.Sorted(maps.Keys(targets)) {
		g, answers := live[view]
		if answers && g.Hash == targets[view] {
			continue
		}
		if answers {
			w.Behind = append(w.Behind, g)
		}
		w.add(p, view, slices.DeleteFunc(slices.Clone(list), func(g Generation) bool { return g.View != view || g.Hash != targets[view] }))
	}
	return w
}

// add adds a view, with its generations of the revision's meaning.
func (w *Way) add(p *definition.Project, view string, of []Generation) {
	in := func(s GenerationState) int {
		return slices.IndexFunc(of, func(g Generation) bool { return g.State == s })
	}
	switch {
	case in(Building) >= 0 && p.BatchView(view) != nil:
		w.Runs = append(w.Runs, of[in(Building)])
	case in(Building) >= 0:
		w.Waits = append(w.Waits, of[in(Building)])
	case in(Standby) >= 0:
		w.Switch = append(w.Switch, of[in(Standby)])
	case in(Broken) >= 0:
		w.Broken = append(w.Broken, of[in(Broken)])
	default:
		w.Lacks = append(w.Lacks, view)
	}
}

// Applies reports whether it takes an `apply` of the revision's own definitions:
// nothing in use holds the meaning of a view, or what is kept of one cannot go alone.
func (w *Way) Applies() bool {
	return len(w.Lacks) > 0 || len(w.Switch) > 0 && len(w.Waits)+len(w.Runs) > 0
}

// Next is the command that goes it; "" where nobody has to do anything.
func (w *Way) Next() string {
	switch {
	case len(w.Broken) > 0:
		return "freshet backfill " + w.Broken[0].View
	case w.Applies():
		return "freshet apply"
	case len(w.Switch) > 0:
		return "freshet switch " + viewsOf(w.Switch)
	case len(w.Runs) > 0:
		return "freshet materialize " + viewsOf(w.Runs)
	}
	return ""
}

func viewsOf(list []Generation) string {
	var names []string
	for _, g := range list {
		names = append(names, g.View)
	}
	return strings.Join(names, " ")
}

// Named says which generations these are, for people.
func Named(list []Generation) string {
	var out []string
	for _, g := range list {
		out = append(out, fmt.Sprintf("generation %d of view %q, of revision %d", g.Number, g.View, g.Revision))
	}
	return strings.Join(out, "; ")
}

// WayOut is the way out of a state in which no revision is whole: a switch to the
// newest one for which that is enough, or else what the newest revision takes.
func WayOut(newest int64, list []Generation, load Loader) (Way, error) {
	var first *Way
	for n := newest; n > max(0, newest-LookBack); n-- {
		p, err := load(n)
		if passes(err, n, newest) {
			continue
		}
		if err != nil {
			return Way{}, err
		}
		w := WayTo(n, p, list)
		w.Newest = n == newest
		if len(w.Switch) > 0 && len(w.Waits)+len(w.Runs)+len(w.Broken)+len(w.Lacks) == 0 {
			return w, nil
		}
		first = cmp.Or(first, &w)
	}
	if first == nil {
		return Way{}, nil
	}
	return *first, nil
}

// Held says why generations that are being built must not become live now, with the
// next command; "" where they may. While some revision answers, whole, one must
// afterwards.
func Held(newest int64, list, group []Generation, load Loader) (string, error) {
	live := LiveOf(list)
	after := maps.Clone(live)
	changes := false
	for _, g := range group {
		before, answers := live[g.View]
		changes = changes || !answers || before.Hash != g.Hash
		after[g.View] = g
	}
	if !changes {
		return "", nil
	}
	p, err := load(newest)
	if err != nil {
		return "", err
	}
	for _, g := range group {
		if why := Outlived(p, g, live); why != "" {
			return why, nil
		}
	}
	if _, is, err := Choose(newest, after, load); err != nil || is {
		return "", err
	}
	if _, was, err := Choose(newest, live, load); err != nil || !was {
		return "", err // it gets no worse, and nearer to the newest
	}
	w := WayTo(newest, p, list)
	rest := slices.DeleteFunc(slices.Clone(w.Behind), func(g Generation) bool { return after[g.View].Number != g.Number })
	why := "it waits for the other views of revision " + fmt.Sprint(newest) + ": with it alone no revision would have the meanings of all views, and some would answer REBUILDING"
	if len(rest) > 0 {
		why += "; behind is " + Named(rest)
	}
	if next := w.Next(); next != "" {
		why += " (next: " + next + ")"
	}
	return why, nil
}

// Outlived says why a generation that is being built must not become live at all: its
// view has another meaning by now, in the newest revision and in the live generation;
// "" where that is not so.
func Outlived(p *definition.Project, g Generation, live map[string]Generation) string {
	now, answers := live[g.View]
	if hash, wanted := plan.Targets(p)[g.View]; g.State != Building || !wanted || !answers || hash == g.Hash || now.Hash == g.Hash {
		return ""
	}
	return fmt.Sprintf("it does not take over: it has the meaning of revision %d, which answered when it was ordered, and generation %d, of another, answers now (next: freshet backfill %s, which builds that one's meaning instead)", g.Revision, now.Number, g.View)
}
