package window

import (
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// A rows window is the last n events with e < t, in the total order, of those
// that pass its where. It and the exact windows of the same where are read from
// one list of raw rows: the newest n, and for an exact window as many as it may
// read and one more, which tells whether the others reach back to its start.

// mostRows bounds a rows window.
const mostRows = 10_000

func resolveRows(f *Feature) error {
	if f.Count < 1 || f.Count > mostRows {
		return fmt.Errorf("rows %d is out of range: write 1 to %d", f.Count, mostRows)
	}
	f.Tile = 0
	return nil
}

// listPlan is the windows that are read from the raw rows of one where.
type listPlan struct {
	part
	where   int
	columns []int // the inputs that they read
	newest  int   // as many rows are kept whatever their age
	exact   int   // and as many that an exact window can still reach
	back    int64 // how far the exact windows reach
	quantum int64 // the grain in which rows beyond that are dropped
}

// keep drops the rows that no window reads any more, where now is the least
// instant at which the state can still be read.
func (p *listPlan) keep(l *rowList, now int64) {
	n := len(l.rows)
	drop := max(0, n-max(p.newest, p.exact))
	if n-drop > p.newest && p.exact > 0 {
		old := l.before(floor(now-p.back, p.quantum))
		drop = max(drop, min(old, n-p.newest))
	}
	l.remove(0, drop)
}

// fold keeps an event that passes the plan's where.
func (p *listPlan) fold(l *rowList, o *agg.Order, inputs []featurestore.Value) {
	if p.where >= 0 && !inputs[p.where].Bool() {
		return
	}
	most := max(p.newest, p.exact)
	if len(l.rows) >= most {
		if l.find(o) == 0 {
			return // older than all that are kept
		}
		if len(l.rows) >= 2*most { // between two calls of Settle no more than twice as many
			l.remove(0, len(l.rows)-most)
		}
	}
	l.insert(o, inputs, false)
}

// rawReader reads windows from raw rows: those of a list and the pending ones,
// from the newest to the oldest.
type rawReader struct {
	state *State
	plan  *listPlan
	list  *rowList
	i, j  int // the next ones
	cells *agg.Cells
	acc   agg.Slot
}

// next gives the greatest row that is left, which is the list's or is pending.
func (x *rawReader) next() (row *rawRow, pending *pendingRow) {
	s := x.state
	for x.j >= 0 && !s.due[x.j].counts(x.plan.where) {
		x.j--
	}
	switch {
	case x.i < 0 && x.j < 0:
		return nil, nil
	case x.j < 0 || x.i >= 0 && x.list.rows[x.i].order.Compare(&s.due[x.j].order) > 0:
		x.i--
		return &x.list.rows[x.i+1], nil
	}
	x.j--
	return nil, &s.due[x.j+1]
}

func (x *rawReader) add(row *rawRow, pending *pendingRow) {
	if pending != nil {
		x.cells.Add(x.acc, &pending.order, pending.inputs)
		return
	}
	x.list.scatter(row, x.state.scattered)
	x.cells.Add(x.acc, &row.order, x.state.scattered)
}

// read computes the features of a list at t. Those with exact: true hold their
// aligned value already. settled is the list as it was folded; that of x may lack rows
// of it which a pending change took away.
func (p *listPlan) read(x *rawReader, settled *rowList, t featurestore.Instant, out []featurestore.Cell) {
	s, l, cells := x.state, x.list, x.cells
	x.acc = cells.Alloc()
	for k := range p.uses {
		u := &p.uses[k]
		f := &s.plan.features[u.feature]
		start, end := int64(t)-int64(f.Offset+f.Width), int64(t)-int64(f.Offset)
		n := int64(forever)
		if f.Kind == Rows {
			start, end, n = never, forever, f.Count
		} else if !settled.reaches(f, t) {
			approximate(&out[u.feature])
			continue
		}
		cells.Clear(x.acc)
		x.i, x.j = len(l.rows)-1, len(s.due)-1
		x.addAll(n, start, end)
		u.finisher.ReadTo(&out[u.feature], cells, x.acc, t)
	}
	cells.Free(x.acc)
}

// reaches reports whether the rows that an exact window may read reach back to its
// start.
func (l *rowList) reaches(f *Feature, t featurestore.Instant) bool {
	i := len(l.rows) - int(f.MaxRows) - 1
	return i < 0 || int64(l.rows[i].order.Time) < int64(t)-int64(f.Offset+f.Width)
}

// listOf is the list that a feature is read from, which is one of a list.
func (p *Plan) listOf(s *State, feature int) *rowList {
	i := slices.IndexFunc(p.lists, func(l listPlan) bool {
		return slices.ContainsFunc(l.uses, func(u use) bool { return u.feature == feature })
	})
	return &s.lists[i]
}

// addAll adds the newest n rows, those of [start, end) among them.
func (x *rawReader) addAll(n, start, end int64) {
	for ; n > 0; n-- {
		row, pending := x.next()
		var e int64
		switch {
		case row != nil:
			e = int64(row.order.Time)
		case pending != nil:
			e = int64(pending.order.Time)
		default:
			return
		}
		if e < start {
			return
		}
		if e < end {
			x.add(row, pending)
		}
	}
}

// columnsOf are the inputs that calls read, ascending.
func columnsOf(features []Feature, of []int) []int {
	var out []int
	for _, i := range of {
		f := &features[i]
		out = append(out, f.Input)
		if f.Call.Second.Kind != featurestore.KindNull {
			out = append(out, f.Second)
		}
		if f.Call.By.Kind != featurestore.KindNull {
			out = append(out, f.By)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(c int) bool { return c < 0 })
}
