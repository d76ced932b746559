package verify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// resting is where what is at rest of each partition ends: every offset below is
// there. A partition without an entry has nothing at rest.
type resting map[featurestore.PartitionID]int64

// lacks reports whether a state has applied what is not at rest. A nil resting is
// of a batch view, whose answers have no list.
func (r resting) lacks(applied featurestore.Applied) bool {
	return slices.ContainsFunc(applied, func(a featurestore.AppliedEntry) bool { return a.Offset >= r[a.PartitionID] })
}

// restingOf asks history how far it reaches.
func (c *Checker) restingOf(ctx context.Context, v *definition.StreamView) (resting, error) {
	out := resting{}
	for i := range v.Bindings {
		segments, err := c.History.Segments(ctx, v.Bindings[i].Source)
		if err != nil {
			return nil, err
		}
		for _, s := range segments {
			id := s.Partition.Of(uint16(i))
			out[id] = max(out[id], s.Offsets.To)
		}
	}
	return out, nil
}

// found is what a stream view answers for chosen entities.
type found struct {
	chosen *picked
	reads  []Read
	rest   resting
}

// pause lies between two looks at what is at rest.
const pause = time.Second

// found chooses entities and looks them up. It waits, where that is wanted, until
// there are some, and until what they had applied then is at rest: what comes
// later matters no more, so that a busy stream is waited for no longer.
func (c *Checker) found(ctx context.Context, v *definition.StreamView) (*found, error) {
	end := time.NewTimer(c.Wait)
	defer end.Stop()
	out := &found{}
	for waits := false; ; waits = true {
		var err error
		if out.chosen == nil || len(out.chosen.keys) == 0 {
			if out.chosen, err = c.choose(ctx, v); err != nil {
				return nil, err
			}
			if out.reads, err = c.lookUp(ctx, v.Name, out.chosen.keys); err != nil {
				return nil, err
			}
		}
		if out.rest, err = c.restingOf(ctx, v); err != nil {
			return nil, err
		}
		ahead := slices.ContainsFunc(out.reads, func(r Read) bool { return out.rest.lacks(r.Applied) })
		if c.Wait <= 0 || len(out.reads) > 0 && !ahead {
			return out, nil
		}
		if !waits {
			c.note("%s: waiting up to %s for what its entities have applied to come to rest", v.Name, c.Wait)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-end.C:
			return out, nil
		case <-time.After(pause):
		}
	}
}

// lookUp reads entities, in their order.
func (c *Checker) lookUp(ctx context.Context, view string, keys [][]featurestore.Value) ([]Read, error) {
	var out []Read
	for lo := 0; lo < len(keys); lo += chunk {
		part := keys[lo:min(lo+chunk, len(keys))]
		reads, err := c.Get(ctx, view, part, c.AsOf)
		if err != nil {
			return nil, err
		}
		if len(reads) != len(part) {
			return nil, fmt.Errorf("view %q: %d answers for %d entities", view, len(reads), len(part))
		}
		out = append(out, reads...)
		c.note("%s: %d of %d entities", view, len(out), len(keys))
	}
	return out, nil
}

func (c *Checker) note(format string, args ...any) {
	if c.Note != nil {
		c.Note(format, args...)
	}
}

// rebuilding reports whether no generation of the view answers.
func (r *Read) rebuilding() bool {
	return slices.ContainsFunc(r.Cells, func(c featurestore.Cell) bool { return c.Status == featurestore.Rebuilding })
}

// nothing says why nothing was compared, and what to do then.
func (r *Report) nothing() string {
	const again = "they come to rest within about a minute: run it again, or with --wait 2m"
	switch {
	case r.Compared > 0:
		return ""
	case r.Entities == 0:
		return "none of its events are at rest yet; where there are some, " + again
	case r.Rebuilding > 0:
		return fmt.Sprintf("%d of its %d entities answer REBUILDING: freshet status says why, and what leads on", r.Rebuilding, r.Entities)
	case r.Ahead > 0:
		return fmt.Sprintf("%d of its %d entities have applied events that are not at rest yet; ", r.Ahead, r.Entities) + again
	}
	return "every value is past the instant asked for (TOO_OLD): choose a later --at"
}
