package pit

import (
	"cmp"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// eventTime sweeps mode event_time: records become visible by their event time.
// Those that count are folded in the total order of events, each as if the log
// had taken it at its event time, so that it is never late or pending.
type eventTime struct {
	*answers
	fold
	admission admission
	order     []*buffer // scratch
}

func newEventTime(a *answers) *eventTime {
	plan := a.s.view.Plan
	return &eventTime{answers: a, fold: fold{plan: plan}, admission: admission{fold: fold{plan: plan}}}
}

// entity answers the reads of one entity; rows ascend by position.
func (e *eventTime) entity(rows []buffer, reads []read) {
	e.order = pointers(e.order, rows)
	e.admission.admit(e.order)
	accepted := e.admission.accepted
	slices.SortStableFunc(accepted, func(a, b *buffer) int {
		return cmp.Or(cmp.Compare(a.seen(), b.seen()), a.Sequence.Compare(b.Sequence), a.Position.Compare(b.Position))
	})
	e.reset()
	next := 0
	for i := range reads {
		r := &reads[i]
		end := featurestore.EventTime(int64(r.at) - int64(e.s.r.Delay))
		for ; next < len(accepted) && accepted[next].seen() < end; next++ {
			row := accepted[next].Row
			// Offsets are the ranks in the total order, so that they ascend as Apply
			// wants them. The partition stays: what a retraction takes goes by it.
			row.Offset = int64(next)
			row.LogTime = featurestore.LogTime(accepted[next].seen())
			e.apply(&row)
		}
		newest, seen := e.read(r.at, e.cells)
		e.admission.correct(e.s.view.Features, r.at, seen, e.cells, func(b *buffer) bool { return b.Time < end })
		e.s.o.set(r.role, r.row, e.cells, newest, seen)
	}
}

// pointers lists the rows for sorting.
func pointers(out []*buffer, rows []buffer) []*buffer {
	out = out[:0]
	for i := range rows {
		out = append(out, &rows[i])
	}
	return out
}
