package pit

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// settleEvery bounds what a state holds between two reads far apart.
const settleEvery = 4096

// fold is the state of one entity as a sweep goes through its records.
type fold struct {
	plan    *window.Plan
	state   window.State
	dirty   int // rows since the last Settle
	newest  featurestore.EventTime
	seen    bool
	pending []featurestore.EventTime // kept rows whose event time lies after their log time
}

func (f *fold) reset() {
	f.state.Reset()
	f.dirty, f.seen, f.pending = 0, false, f.pending[:0]
}

func (f *fold) apply(r *window.Row) window.Verdict {
	v := f.plan.Apply(&f.state, r)
	switch v {
	case window.Folded:
		f.note(r.Time)
	case window.Pending:
		f.pending = append(f.pending, seenAt(r))
	default:
	}
	if f.dirty++; f.dirty >= settleEvery {
		f.settle()
	}
	return v
}

func (f *fold) note(e featurestore.EventTime) {
	if !f.seen || e > f.newest {
		f.newest, f.seen = e, true
	}
}

func (f *fold) settle() {
	if f.dirty > 0 {
		f.plan.Settle(&f.state)
		f.dirty = 0
	}
}

// read computes the features at t, and the greatest event time before t.
func (f *fold) read(t featurestore.Instant, out []featurestore.Cell) (newest featurestore.EventTime, seen bool) {
	if len(f.state.Applied) == 0 {
		f.plan.Read(nil, t, out)
		return 0, false
	}
	f.settle()
	f.plan.Read(&f.state, t, out)
	left := f.pending[:0]
	for _, e := range f.pending {
		if featurestore.Instant(e) < t {
			f.note(e)
		} else {
			left = append(left, e)
		}
	}
	f.pending = left
	return f.newest, f.seen
}
