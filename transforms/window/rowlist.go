package window

import (
	"sort"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// rawRow is an event that is kept as it came, with the inputs that are of use.
type rawRow struct {
	order  agg.Order
	values []featurestore.Value // of the list's columns

	retraction bool // netRows: the row takes one away
}

// compare orders rows: in the total order, and of one record's two the retraction
// first.
func (r *rawRow) compare(o *rawRow) int {
	if c := r.order.Compare(&o.order); c != 0 {
		return c
	}
	return -compareBool(r.retraction, o.retraction)
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// rowList is a list of raw rows, in the total order.
type rowList struct {
	columns []int // the inputs that are kept
	rows    []rawRow
	spare   [][]featurestore.Value // memory of rows that are gone
	mark    mark
	least   int // of the plan: fewer are not cut
}

func (l *rowList) reset() {
	for i := range l.rows {
		l.recycle(&l.rows[i])
	}
	l.rows = l.rows[:0]
	l.mark.reset()
}

func (l *rowList) recycle(r *rawRow) {
	clear(r.values)
	l.spare = append(l.spare, r.values[:0])
	r.values = nil
}

func (l *rowList) memory() []featurestore.Value {
	if n := len(l.spare); n > 0 {
		m := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return m
	}
	return make([]featurestore.Value, 0, len(l.columns))
}

// insert keeps a copy of a row and gives its place.
func (l *rowList) insert(o *agg.Order, inputs []featurestore.Value, retraction bool) int {
	r := rawRow{order: *o, values: l.memory(), retraction: retraction}
	r.order.Sequence = pack.CloneValue(o.Sequence)
	for _, c := range l.columns {
		r.values = append(r.values, pack.CloneValue(inputs[c]))
	}
	i := l.find(o)
	if !retraction && i < len(l.rows) && l.rows[i].order.Compare(o) == 0 {
		i++ // of one record's two the retraction stands first
	}
	l.rows = insert(l.rows, i, r)
	l.mark.touch(int64(o.Time))
	return i
}

// find is where a row stands, or would stand.
func (l *rowList) find(o *agg.Order) int {
	if n := len(l.rows); n == 0 || l.rows[n-1].order.Compare(o) < 0 {
		return n
	}
	return sort.Search(len(l.rows), func(i int) bool { return l.rows[i].order.Compare(o) >= 0 })
}

// before is how many rows have e < x.
func (l *rowList) before(x int64) int {
	return sort.Search(len(l.rows), func(i int) bool { return int64(l.rows[i].order.Time) >= x })
}

// remove takes rows i to j-1 out.
func (l *rowList) remove(i, j int) {
	if i >= j {
		return
	}
	l.mark.touch(int64(l.rows[i].order.Time))
	for k := i; k < j; k++ {
		l.recycle(&l.rows[k])
	}
	n := copy(l.rows[i:], l.rows[j:]) + i
	clear(l.rows[n:])
	l.rows = l.rows[:n]
}

// scatter writes a row's values to the places of a row's inputs.
func (l *rowList) scatter(r *rawRow, inputs []featurestore.Value) {
	for i, c := range l.columns {
		inputs[c] = r.values[i]
	}
}

func (l *rowList) split() int {
	return split(len(l.rows), l.least, func(i int) int64 { return int64(l.rows[i].order.Time) })
}

// append writes rows from to to-1: their number and, of each, its distance from
// the one before, twice its partition's index in the applied list (plus 1 for a
// retraction), its offset
// less that of the one before, its sequence and its values.
func (l *rowList) append(dst []byte, s *State, from, to int) []byte {
	dst = pack.AppendUint(dst, uint64(to-from))
	var e, offset int64
	for i := from; i < to; i++ {
		r := &l.rows[i]
		if i == from {
			dst = pack.AppendInt(dst, int64(r.order.Time))
		} else {
			dst = pack.AppendUint(dst, uint64(int64(r.order.Time)-e))
		}
		dst = pack.AppendUint(dst, uint64(s.partition(r.order.PartitionID))<<1|bit(r.retraction))
		dst = pack.AppendInt(dst, r.order.Offset-offset)
		dst = pack.AppendValue(dst, r.order.Sequence)
		for _, v := range r.values {
			dst = pack.AppendValue(dst, v)
		}
		e, offset = int64(r.order.Time), r.order.Offset
	}
	return dst
}

// decode reads rows of append behind those that are there.
func (l *rowList) decode(r *pack.Reader, s *State) {
	n := r.Count(4 + len(l.columns))
	var e, offset int64
	for i := 0; i < n && r.Err() == nil; i++ {
		row := rawRow{values: l.memory()}
		if i == 0 {
			e = r.Int()
		} else if d := r.Uint(); int64(d) >= 0 && e+int64(d) >= e {
			e += int64(d)
		} else {
			r.Failf("row %d is out of the range of time", i)
		}
		head := r.Uint()
		id := s.appliedAt(r, head>>1)
		if row.retraction = head&1 == 1; row.retraction && l != &s.net.rowList {
			r.Fail(pack.ErrCanonical)
		}
		offset += r.Int()
		row.order = agg.Order{Time: featurestore.EventTime(e), Position: featurestore.Position{PartitionID: id, Offset: offset}}
		row.order.Sequence = r.Value()
		for _, c := range l.columns {
			v := r.Value()
			if k := s.plan.kinds[c]; !v.IsNull() && v.Kind() != k {
				r.Failf("input %d of a row is a %s, not a %s", c, v.Kind(), k)
			}
			row.values = append(row.values, v)
		}
		if k := len(l.rows); k > 0 && l.rows[k-1].compare(&row) >= 0 {
			r.Fail(pack.ErrCanonical)
		}
		l.rows = append(l.rows, row)
	}
}
