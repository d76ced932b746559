package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry"
)

// Otherwise is that records of a source came to rest, for a part of a generation's life, by
// a definition that reads them otherwise than the generation did. What that one refused is
// a dead letter and not at rest, though the generation may have counted it; what that one
// took is at rest, though the generation may have refused it.
type Otherwise struct {
	Source   string
	Revision int64 // the first that did
}

func (o Otherwise) String() string {
	return fmt.Sprintf("from revision %d on records of source %q came to rest by a definition that reads them otherwise, so that history may lack what it counts, or have what it does not", o.Revision, o.Source)
}

// ReadOtherwise says this of each source of a generation of a stream view, up to the newest
// revision. A generation reads by the newest definition of its view while that has its
// meaning, and else by the one that made it.
func ReadOtherwise(g registry.Generation, newest int64, load registry.Loader) ([]Otherwise, error) {
	if g.Revision >= newest {
		return nil, nil
	}
	project, err := load(g.Revision)
	if errors.Is(err, featurestore.ErrInvalid) {
		return nil, nil // it is another version's of freshet
	}
	if err != nil {
		return nil, err
	}
	view := project.StreamView(g.View)
	if view == nil {
		return nil, nil
	}
	var out []Otherwise
	for n := g.Revision + 1; n <= newest && len(out) < len(view.Bindings); n++ {
		p, err := load(n)
		unread := errors.Is(err, featurestore.ErrInvalid) // another version's: nobody knows how that one read
		if err != nil && !unread {
			return nil, err
		}
		if !unread {
			if v := p.StreamView(g.View); v != nil && v.Hash == g.Hash {
				continue
			}
		}
		for i := range view.Bindings {
			s := view.Bindings[i].Source
			known := slices.ContainsFunc(out, func(o Otherwise) bool { return o.Source == s.Name })
			if !unread {
				now := p.StreamSource(s.Name)
				known = known || now != nil && sameRecords(s, now)
			}
			if !known {
				out = append(out, Otherwise{s.Name, n})
			}
		}
	}
	return out, nil
}

// otherwise is ReadOtherwise of a view of this worker; nothing of one that is retired.
func (w *Worker) otherwise(ctx context.Context, v *View) ([]Otherwise, error) {
	list, err := w.c.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	id := v.ID()
	i := slices.IndexFunc(list, func(g registry.Generation) bool { return g.View == id.View && g.Number == id.Number })
	if i < 0 {
		return nil, nil
	}
	w.mu.Lock()
	revision := w.revision
	w.mu.Unlock()
	return ReadOtherwise(list[i], revision, func(n int64) (*definition.Project, error) { return w.project(ctx, n) })
}

// otherwiseText says what that means where a generation is not what history says; "" for
// nothing.
func (x *examined) otherwiseText() string {
	var parts []string
	for _, o := range x.Otherwise {
		text := o.String()
		if n := x.Letters[o.Source]; n > 0 {
			text += fmt.Sprintf(" (%d dead letters are records that it reads: `%s`, before it is built anew, brings them to rest)", n, replayCommand(o.Source))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func replayCommand(source string) string { return "freshet dlq replay --source " + source }

// BrokenNext is the way on from a generation that is BROKEN: it is built anew, and where its
// reason says so, dead letters that it would lack are sent again before.
func BrokenNext(g registry.Generation) string {
	var steps []string
	for i, text := range strings.Split(g.Reason, "`") {
		if i%2 == 1 && strings.HasPrefix(text, replayCommand("")) {
			steps = append(steps, text)
		}
	}
	return strings.Join(append(steps, "freshet backfill "+g.View), " && ")
}
