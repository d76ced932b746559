package dataset

import (
	"context"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/pit"
)

// checkDropped refuses a spine that begins before what history still holds of the
// windows that it asks for: retention has dropped the rest, and the values of those
// rows would be of fewer events, silently.
func (x *Exporter) checkDropped(ctx context.Context, r *Request, join *pit.Request) error {
	if r.Mode == pit.Exact || len(join.Spine.Time) == 0 {
		return nil // that mode looks for each record
	}
	first := slices.Min(join.Spine.Time)
	for _, v := range r.Project.StreamViews {
		back, bounded := v.Plan.Retention()
		if !bounded || !reads(r.Service, v.Name) {
			continue
		}
		for _, b := range v.Bindings {
			dropped, err := x.History.Dropped(ctx, b.Source)
			if err != nil {
				return err
			}
			for _, d := range dropped {
				if whole := featurestore.Instant(d.Newest) + featurestore.Instant(back) + 1; first < whole {
					return featurestore.Invalidf("its first row is of %s: view %s reads the %s before it, and retention has dropped events of source %s up to %s; leave out the rows before %s",
						first, v.Name, back, b.Source.Name, d.Newest, whole)
				}
			}
		}
	}
	return nil
}
