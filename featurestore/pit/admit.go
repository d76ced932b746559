package pit

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// admission decides which records of an entity count at all, in the order of
// the log as online and before any cut at an instant: late, quarantined and
// repeated records are out. What it accepts has no id any more.
type admission struct {
	fold
	accepted []*buffer
	repeats  []*buffer
}

// admit judges the records of one entity; rows ascend by position within each
// partition.
func (a *admission) admit(rows []*buffer) {
	a.reset()
	a.accepted, a.repeats = a.accepted[:0], a.repeats[:0]
	for _, r := range rows {
		switch a.apply(&r.Row) {
		case window.Folded, window.Pending:
			r.ID = ""
			a.accepted = append(a.accepted, r)
		case window.Duplicate:
			a.repeats = append(a.repeats, r)
		default: // late or ahead
		}
	}
}

// correct takes back NOT_FOUND where a repeated record lies within the view's
// retention: it does not count, and yet the entity was seen. seen says of each
// repeated record whether the read sees it.
func (a *admission) correct(view []window.Feature, at featurestore.Instant, counted bool, cells []featurestore.Cell, seen func(*buffer) bool) {
	if cells[0].Status != featurestore.NotFound || len(a.repeats) == 0 {
		return
	}
	keep, bounded := a.plan.Retention()
	known := slices.ContainsFunc(a.repeats, func(r *buffer) bool {
		return seen(r) && int64(r.Time) < int64(at) && (!bounded || int64(r.Time) >= int64(at)-int64(keep))
	})
	if !known {
		return
	}
	for k := range cells {
		cells[k].Status = featurestore.Empty
		if view[k].Kind == window.Latest && counted {
			cells[k].Status = featurestore.Expired
		}
	}
}
