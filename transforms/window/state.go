package window

import (
	"math"
	"sort"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// State is what is kept of one entity. The zero State is an entity never seen.
// It is a function of Applied alone: after each Settle, equal lists mean equal
// bytes. A State is reused with Reset; it is not safe for concurrent use, not
// even for reads, which use scratch memory of it. It may move from one plan to
// another only through Reset.
type State struct {
	Applied featurestore.Applied

	plan   *Plan   // whose layouts the cells have
	newest int64   // event time of the newest folded event; never for none
	edges  *edges  // the ladder as of the last Settle
	next   *edges  // scratch of Settle
	units  []units // of the ladder's calendars, at some time
	tiles  tiles
	cells  *agg.Cells // of the tiles

	life     *agg.Cells // of the lifetime windows, in slot lifetimeSlot
	sessions []session
	lists    []rowList
	readers  []*agg.Cells // of the lists: they are computed when they are read
	latest   latestRow    // the greatest folded row
	net      netRows
	half     half
	held     []pendingRow // in the total order
	due      []pendingRow // of a read: those of held that it sees
	ids      []idBucket   // ascending by partition, then tile
	closed   int          // len(Applied) when the closed part was stored; 0 where there was none

	order     agg.Order            // scratch of Apply
	scattered []featurestore.Value // scratch of reads from raw rows
	reader    pack.Reader          // scratch of DecodeState
	reading   reading              // scratch of Read
}

// lifetimeSlot is where the lifetime cells are.
const lifetimeSlot agg.Slot = 0

// never is the event time of no event.
const never = math.MinInt64

// latestRow is the greatest row that was folded, with the inputs of the Latest
// features in their order.
type latestRow struct {
	has    bool
	at     agg.Stamp
	values []agg.Held
}

// pendingRow is an event that the log took before it may be seen. A duplicate is
// kept too, without inputs: it counts for nothing but for whether the entity was
// seen.
type pendingRow struct {
	order      agg.Order
	duplicate  bool
	retraction bool
	visible    int64 // reads after it see the row
	inputs     []featurestore.Value
}

// counts reports whether the row contributes where a condition holds (-1: always).
func (r *pendingRow) counts(where int) bool {
	return !r.duplicate && (where < 0 || r.inputs[where].Bool())
}

// Reset empties the state and keeps its memory.
func (s *State) Reset() {
	s.Applied = s.Applied[:0]
	s.newest = never
	s.held, s.ids = s.held[:0], s.ids[:0]
	s.half, s.closed = half{}, 0
	if s.plan == nil {
		return
	}
	s.plan.ladder.unsettled(s.edges)
	s.net.reset()
	s.resetDerived()
}

// resetDerived empties what is folded from rows.
func (s *State) resetDerived() {
	s.tiles.reset()
	if s.cells != nil {
		s.cells.Reset()
	}
	if s.life != nil {
		s.life.Reset()
		s.life.Alloc()
	}
	for i := range s.sessions {
		s.sessions[i].reset()
	}
	for i := range s.lists {
		s.lists[i].reset()
	}
	s.latest.has = false
}

// bind readies a state for a plan.
func (s *State) bind(p *Plan) {
	if s.plan == p {
		return
	}
	*s = State{Applied: s.Applied, plan: p, edges: new(edges), next: new(edges)}
	if p.tiled.layout != nil {
		s.cells, s.tiles.least = p.tiled.layout.NewCells(), leastOf(p.tiled.tileBytes)
	}
	if p.lifetime.layout != nil {
		s.life = p.lifetime.layout.NewCells()
	}
	s.sessions = make([]session, len(p.sessions))
	for i := range s.sessions {
		s.sessions[i].cells, s.sessions[i].tiles.least = p.sessions[i].layout.NewCells(), leastOf(p.sessions[i].tileBytes)
	}
	s.lists = make([]rowList, len(p.lists))
	s.readers = make([]*agg.Cells, len(p.lists))
	for i := range s.lists {
		s.lists[i].columns, s.lists[i].least = p.lists[i].columns, leastOf(rowBytes(p.lists[i].columns))
	}
	s.net.columns, s.net.least = p.net.columns, leastOf(rowBytes(p.net.columns))
	s.latest.values = make([]agg.Held, len(p.latest))
	if len(p.lists) > 0 || p.raw {
		s.scattered = make([]featurestore.Value, p.inputs)
	}
	applied := s.Applied
	s.Reset()
	s.Applied = applied
}

// Newest is the event time of the newest folded event; ok is false for none.
func (s *State) Newest() (e featurestore.EventTime, ok bool) {
	return featurestore.EventTime(s.newest), s.plan != nil && s.newest != never
}

// Tiles is how many tiles of the ladder the state holds.
func (s *State) Tiles() int { return len(s.tiles.starts) }

// Pending is how many events wait raw for their event time.
func (s *State) Pending() int { return len(s.held) }

// tile gives the slot of the tile that holds e, making it where there is none;
// ok is false where the tile is of no more use.
func (s *State) tile(e int64) (slot agg.Slot, ok bool) {
	l, t := &s.plan.ladder, &s.tiles
	i := len(t.starts) - 1
	if i >= 0 && e < t.starts[i] {
		i = t.before(e+1) - 1
	}
	if i >= 0 && e < t.starts[i]+l.sizes[t.levels[i]] {
		t.mark.touch(t.starts[i])
		return t.slots[i], true
	}
	level, start := l.tile(s.edges, e)
	if start+l.sizes[level] <= s.edges.drop {
		return 0, false
	}
	slot = s.cells.Alloc()
	t.add(i+1, start, level, slot)
	return slot, true
}

func insert[T any](list []T, i int, v T) []T {
	list = append(list, v)
	copy(list[i+1:], list[i:])
	list[i] = v
	return list
}

// hold keeps a pending row, in the total order.
func (s *State) hold(row pendingRow, inputs []featurestore.Value) {
	row.order.Sequence = pack.CloneValue(row.order.Sequence)
	if !row.duplicate {
		row.inputs = make([]featurestore.Value, s.plan.inputs)
		for i := range row.inputs {
			row.inputs[i] = pack.CloneValue(inputs[i])
		}
	}
	s.net.stale = s.plan.raw // a retraction may take this row, and spare another
	i := sort.Search(len(s.held), func(i int) bool { return s.held[i].compare(&row) > 0 })
	s.held = insert(s.held, i, row)
}

// compare orders pending rows: in the total order, and of one record's two
// events the retracted one first.
func (r *pendingRow) compare(o *pendingRow) int {
	if c := r.order.Compare(&o.order); c != 0 {
		return c
	}
	return -compareBool(r.retraction, o.retraction)
}

// heldBefore is how many pending rows have e < x.
func (s *State) heldBefore(x int64) int {
	if len(s.held) == 0 {
		return 0
	}
	return sort.Search(len(s.held), func(i int) bool { return int64(s.held[i].order.Time) >= x })
}
