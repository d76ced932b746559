package verify

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// missing looks again at entities that were behind, once the view has applied all
// that its logs held: what is at rest was in them. A state that still lacks it has
// lost it, or never had it; it agrees with its own list, as one does that is behind.
func (c *Checker) missing(ctx context.Context, s *subject, l *looked, r *Report, behind []int) error {
	if c.CaughtUp == nil || len(behind) == 0 {
		return nil
	}
	c.note("%s: %d entities lack what is at rest: looking again once the view has caught up", s.view, len(behind))
	if caught, err := c.CaughtUp(ctx, s.view); err != nil || !caught {
		return err
	}
	keys := make([][]featurestore.Value, len(behind))
	for i, at := range behind {
		keys[i] = l.keys[at]
	}
	reads, err := c.lookUp(ctx, s.view, keys)
	if err != nil {
		return err
	}
	for i, read := range reads {
		if read.rebuilding() || l.rest.lacks(read.Applied) {
			continue // it has gone on: it was behind
		}
		want, err := l.of(behind[i]).at(read.At)
		if err != nil {
			return fmt.Errorf("view %q: %w", s.view, err)
		}
		if found := differences(read, want); len(found) > 0 {
			r.Behind--
			r.add(s, keys[i], read, want, found)
		}
	}
	return nil
}
