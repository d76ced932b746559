package window

import (
	"cmp"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// Retractions. A change record of a source with before-images takes a row away
// that another record added: from the change's own time on, on the event time of
// the row. A view takes one of two ways, by what it computes.
//
// Where every partial can be subtracted exactly and nothing but the ladder's
// tiles and a lifetime is kept, the row's contribution is subtracted. Whether the
// row was there cannot be told: a source delivers it, in whatever partition, or the
// values are those of a row less. It may also come later than its retraction, where
// that lies in another partition: until then a tile may hold less than nothing.
//
// Else the state keeps the raw rows of the log, retractions too (netRows), and
// nothing that follows from them; tiles and all else are folded from these when
// they are needed.

// planChanges decides how retractions are done.
func (p *Plan) planChanges() {
	p.changes = slices.ContainsFunc(p.sources, func(s SourceRule) bool { return s.Changes })
	if !p.changes {
		return
	}
	subtract := func(l *agg.Layout) bool { return l == nil || l.Subtractable() }
	p.raw = len(p.latest)+len(p.sessions)+len(p.lists) > 0 || !subtract(p.tiled.layout) || !subtract(p.lifetime.layout)
	if !p.raw {
		return
	}
	n := &p.net
	for i, k := range p.kinds {
		if k != featurestore.KindNull {
			n.columns = append(n.columns, i)
		}
	}
	n.bounded, n.back = p.bounded, int64(p.keep)
	n.quantum = quantum(int64(featurestore.Second), n.back)
}

// Rebuilds reports whether the view keeps raw rows so that what a retraction
// touches can be rebuilt; false where retractions are subtracted, or where no
// source has any.
func (p *Plan) Rebuilds() bool { return p.raw }

// half is a record of which the retraction was applied and the addition may
// follow.
type half struct {
	open      bool
	partition featurestore.PartitionID
	offset    int64
}

// completes reports whether a row is of the same record.
func (h *half) completes(r *Row) bool {
	return h.open && h.partition == r.PartitionID && h.offset == r.Offset && r.Change == featurestore.Added
}

// retract takes away what the row gave.
func (s *State) retract(o *agg.Order, inputs []featurestore.Value) {
	s.newest = max(s.newest, int64(o.Time))
	p := s.plan
	if p.raw {
		s.net.add(o, inputs, true)
		return
	}
	if len(s.held) > 0 {
		s.foldDue() // the row may be among these
	}
	if p.tiled.layout != nil {
		s.subtract(o, inputs)
	}
	if p.lifetime.layout != nil {
		s.life.Remove(lifetimeSlot, o, inputs)
	}
}

// subtract takes a row out of its tile, and the tile away with its last row. Where
// the tile is not there, the row is still to come: the tile then owes it.
func (s *State) subtract(o *agg.Order, inputs []featurestore.Value) {
	layout := s.plan.tiled.layout
	if !layout.Wants(inputs) || !layout.Owes() && s.findTile(int64(o.Time)) < 0 {
		return
	}
	if slot, ok := s.tile(int64(o.Time)); ok {
		s.cells.Remove(slot, o, inputs)
		s.dropBlank(int64(o.Time))
	}
}

// findTile is the place of the tile that holds e, -1 for none.
func (s *State) findTile(e int64) int {
	t := &s.tiles
	i := t.before(e+1) - 1
	if i < 0 || e >= t.starts[i]+s.plan.ladder.sizes[t.levels[i]] {
		return -1
	}
	return i
}

// dropBlank takes the tile that holds e away where it holds nothing.
func (s *State) dropBlank(e int64) {
	t := &s.tiles
	if i := s.findTile(e); i >= 0 && s.cells.Blank(t.slots[i]) {
		t.mark.touch(t.starts[i])
		s.cells.Free(t.slots[i])
		t.remove(i, i+1)
	}
}

// MostNetRows is how many rows of the log a view that rebuilds keeps of an
// entity; where an older one could be in a window, the window's value is
// APPROXIMATE.
const MostNetRows = 10_000

// netPlan is what a view keeps of the rows that may be retracted.
type netPlan struct {
	columns []int // the inputs that some feature reads
	bounded bool
	back    int64 // rows further back than this are dropped, where bounded
	quantum int64
}

// netRows are the rows of the log that were folded, retractions among them, in
// the total order; the newest 10,000, and one more that tells how far they reach.
// Which retraction takes which row is worked out when it is asked for, from all
// of them: so it does not matter in which order they came.
type netRows struct {
	rowList
	stale bool // what is folded from the rows is not what they give
}

func (n *netRows) reset() {
	n.rowList.reset()
	n.stale = false
}

// add keeps a row. What is folded from the rows is out of date where a retraction
// is or was there that may be about it.
func (n *netRows) add(o *agg.Order, inputs []featurestore.Value, retraction bool) {
	i := n.insert(o, inputs, retraction)
	if k := len(n.rows) - 2*MostNetRows; k > 0 {
		n.remove(0, k+MostNetRows/2)
		i -= k + MostNetRows/2
	}
	if len(n.rows) > MostNetRows {
		n.stale = true // one of them does not count any more
	}
	for j := i; j >= 0 && n.rows[j].order.Time == o.Time; j-- {
		n.stale = n.stale || n.rows[j].retraction
	}
	for j := i; j < len(n.rows) && n.rows[j].order.Time == o.Time; j++ {
		n.stale = n.stale || n.rows[j].retraction
	}
}

// keep drops the rows that are of no more use, where now is the least instant at
// which the state can still be read.
func (n *netRows) keep(p *netPlan, now int64) {
	drop := max(0, len(n.rows)-MostNetRows-1)
	if p.bounded {
		drop = max(drop, n.before(floor(now-p.back, p.quantum)))
	}
	n.remove(0, drop)
}

// witness is the time of the newest row that is not kept for want of room; ok is
// false for none.
func (n *netRows) witness() (e int64, ok bool) {
	if k := len(n.rows) - MostNetRows - 1; k >= 0 {
		return int64(n.rows[k].order.Time), true
	}
	return 0, false
}

// kept are the rows that count.
func (n *netRows) kept() []rawRow { return n.rows[max(0, len(n.rows)-MostNetRows):] }

// change is one row as the matching sees it.
type change struct {
	order      *agg.Order
	values     []featurestore.Value // of the net columns
	retraction bool
	pending    int // its place among the pending rows, -1 for one that is folded
	row        int // its place among the kept rows, -1 for a pending one
	taker      int // of the changes: the one that takes it away, -1 for none
}

// match lists the kept rows and the pending ones by event time and in the order
// of the log, and gives each row that is retracted its retraction (take).
func (s *State) match() []change {
	var all []change
	for i := range s.net.kept() {
		r := &s.net.kept()[i]
		all = append(all, change{order: &r.order, values: r.values, retraction: r.retraction, pending: -1, row: i, taker: -1})
	}
	for i := range s.held {
		h := &s.held[i]
		if h.duplicate {
			continue
		}
		values := make([]featurestore.Value, 0, len(s.plan.net.columns))
		for _, c := range s.plan.net.columns {
			values = append(values, h.inputs[c])
		}
		all = append(all, change{order: &h.order, values: values, retraction: h.retraction, pending: i, row: -1, taker: -1})
	}
	// By event time, and within one in the order of the log, a retraction before
	// the row that takes its place: only rows of one event time match.
	slices.SortFunc(all, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.order.Time, b.order.Time), a.order.Position.Compare(b.order.Position), -compareBool(a.retraction, b.retraction))
	})
	for i := range all {
		if all[i].retraction {
			take(all, i)
		}
	}
	return all
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// take lets retraction i, those before it done, take a row that is free, of its
// source, with the same event time and the same inputs: of those before it the
// greatest in the total order, else the greatest of other partitions. In its own
// partition no later one: between partitions the order of the log says nothing
// (a key moves when partitions are added), within one it is that of the table.
//
// Where only such later ones are left, it takes the greatest row that a retraction
// of another partition has, and that one takes one of these in its place. So as
// many rows go as can, and which ones follows from the set of the changes alone.
func take(all []change, i int) {
	r := &all[i]
	earlier, apart, later, held := -1, -1, -1, -1
	first := i
	for first > 0 && all[first-1].order.Time == r.order.Time {
		first--
	}
	for k := first; k < len(all) && all[k].order.Time == r.order.Time; k++ {
		x := &all[k]
		if x.retraction || x.order.Source != r.order.Source || !slices.EqualFunc(x.values, r.values, featurestore.Value.Equal) {
			continue
		}
		own, reached := x.order.PartitionID == r.order.PartitionID, k < i || x.order.Generation == r.order.Generation
		switch {
		case x.taker < 0 && k < i:
			earlier = greater(all, earlier, k)
		case x.taker < 0 && own:
			later = greater(all, later, k)
		case x.taker < 0 && reached:
			apart = greater(all, apart, k)
		case x.taker >= 0 && reached && (k < i || !own) && movable(&all[x.taker], r):
			held = greater(all, held, k)
		}
	}
	switch {
	case earlier >= 0:
		all[earlier].taker = i
	case apart >= 0:
		all[apart].taker = i
	case later >= 0 && held >= 0:
		all[held].taker, all[later].taker = i, all[held].taker
	}
}

// movable reports whether a retraction may take what comes later in the partition
// of r: it is of another one, of the same life of the topic.
func movable(x, r *change) bool {
	return x.order.Generation == r.order.Generation && x.order.Partition != r.order.Partition
}

// greater is the one of two rows that is greater in the total order; best is -1
// for none.
func greater(all []change, best, k int) int {
	if best < 0 || all[k].order.Compare(all[best].order) > 0 {
		return k
	}
	return best
}

// refold folds all that follows from the net rows anew: of those that count,
// what no folded retraction has taken.
func (s *State) refold() {
	s.net.stale = false
	if kept := s.net.kept(); !slices.ContainsFunc(kept, func(r rawRow) bool { return r.retraction }) {
		s.resetDerived() // most entities have no retraction: then every row counts
		for i := range kept {
			s.net.scatter(&kept[i], s.scattered)
			s.derive(&kept[i].order, s.scattered)
		}
		return
	}
	all := s.match()
	s.foldNet(s, all, func(x *change) bool { return x.pending < 0 })
}

// foldNet folds into another state the folded rows that no change for which gone
// holds has taken.
func (s *State) foldNet(into *State, all []change, gone func(*change) bool) {
	into.resetDerived()
	kept := s.net.kept()
	counts := make([]bool, len(kept))
	for i := range all {
		x := &all[i]
		if x.row >= 0 && !x.retraction && (x.taker < 0 || !gone(&all[x.taker])) {
			counts[x.row] = true
		}
	}
	for i := range kept {
		if counts[i] {
			s.net.scatter(&kept[i], s.scattered)
			into.derive(&kept[i].order, s.scattered)
		}
	}
}

// sight is the state as a read at t sees it where rows may be retracted: folded
// anew without the rows that a pending retraction has taken by then, beside the
// pending rows that can be seen. It is s itself where there are none of these.
func (s *State) sight(t int64) *State {
	if s.net.stale {
		s.refold()
	}
	if !slices.ContainsFunc(s.held, func(h pendingRow) bool { return h.visible < t }) {
		return s
	}
	all := s.match()
	seen := func(x *change) bool { return x.pending < 0 || s.held[x.pending].visible < t }
	v := &State{}
	v.bind(s.plan)
	*v.edges = *s.edges
	s.foldNet(v, all, seen)
	for i := range all {
		x := &all[i]
		if x.pending >= 0 && !x.retraction && seen(x) && (x.taker < 0 || !seen(&all[x.taker])) {
			v.held = append(v.held, s.held[x.pending])
		}
	}
	slices.SortFunc(v.held, func(a, b pendingRow) int { return a.compare(&b) })
	for i := range v.sessions {
		v.sessions[i].keepOf(&s.sessions[i])
	}
	return v
}
