package pit

import (
	"cmp"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// eventTime sweeps mode event_time: records become visible by their event time.
// Which of them count at all is decided first, in the order of the log as
// online: late, quarantined and repeated records are out. What is left is folded
// in the total order of events, each as if the log had taken it at its event
// time, so that it is never late or pending.
type eventTime struct {
	*answers
	fold
	admission  fold
	accepted   []*window.Row
	duplicates []featurestore.EventTime // ascending
}

func newEventTime(a *answers) *eventTime {
	plan := a.s.view.Plan
	return &eventTime{answers: a, fold: fold{plan: plan}, admission: fold{plan: plan}}
}

// entity answers the reads of one entity; rows ascend by position.
func (e *eventTime) entity(rows []buffer, reads []read) {
	e.admit(rows)
	e.reset()
	next := 0
	for i := range reads {
		r := &reads[i]
		end := featurestore.EventTime(int64(r.at) - int64(e.s.r.Delay))
		for ; next < len(e.accepted) && e.accepted[next].Time < end; next++ {
			row := *e.accepted[next]
			// One partition whose offsets are the ranks in the total order: ties
			// fall as they did, and offsets ascend as Apply wants them.
			row.Position = featurestore.Position{Offset: int64(next)}
			row.LogTime = featurestore.LogTime(row.Time)
			row.ID = "" // repeats are out already
			row.Sequence = featurestore.Null
			e.apply(&row)
		}
		newest, seen := e.read(r.at, e.cells)
		e.known(r.at, end)
		e.s.o.set(r.role, r.row, e.cells, newest, seen)
	}
}

// admit decides which records count.
func (e *eventTime) admit(rows []buffer) {
	e.admission.reset()
	e.accepted, e.duplicates = e.accepted[:0], e.duplicates[:0]
	for i := range rows {
		switch e.admission.apply(&rows[i].Row) {
		case window.Folded, window.Pending:
			e.accepted = append(e.accepted, &rows[i].Row)
		case window.Duplicate:
			e.duplicates = append(e.duplicates, rows[i].Time)
		default: // late or ahead: out in every mode
		}
	}
	slices.SortFunc(e.accepted, func(a, b *window.Row) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), a.Sequence.Compare(b.Sequence), a.Position.Compare(b.Position))
	})
	slices.Sort(e.duplicates)
}

// known corrects NOT_FOUND where the only record within the view's retention is
// a repeated one: it does not count, and yet the entity was seen.
func (e *eventTime) known(at featurestore.Instant, end featurestore.EventTime) {
	keep, bounded := e.s.view.Plan.Retention()
	first := featurestore.EventTime(int64(at) - int64(keep))
	i := 0
	if bounded {
		i, _ = slices.BinarySearch(e.duplicates, first)
	}
	if i >= len(e.duplicates) || e.duplicates[i] >= end {
		return
	}
	for k := range e.cells {
		if e.cells[k].Status != featurestore.NotFound {
			continue
		}
		e.cells[k].Status = featurestore.Empty
		if e.s.view.Features[k].Kind == window.Latest && e.seen {
			e.cells[k].Status = featurestore.Expired
		}
	}
}
