package node

import (
	"context"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// Unready are the stream views that would answer REBUILDING if the generations of batch
// views took over now: those of the newest revision that no ingester has filled yet, while
// lookups are answered whole by an older one. They are none where it would not help to
// wait, as at the first revision.
func (p *Parts) Unready(ctx context.Context) ([]string, error) {
	s, err := p.decision(ctx)
	if err != nil {
		return nil, err
	}
	var group []registry.Generation
	var unready []string
	for _, x := range s.building {
		filled := s.project.StreamView(x.View) == nil // runs of batch views follow one another
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
	if why, err := s.held(group); err != nil || why == "" {
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
	worst := online.Worst(lanes)
	return worst == online.StateLive || worst == online.StateCatchingUp, nil
}
