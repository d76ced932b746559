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

	plan   *Plan        // whose layout cells has
	newest int64        // event time of the newest folded event; never for none
	edges  edges        // the ladder as of the last Settle
	cells  *agg.Cells   // slot 0 is the accumulator of reads
	starts []int64      // of the tiles, ascending
	levels []uint8      // their sizes, as levels of the ladder
	slots  []agg.Slot   // their cells
	latest latestRow    // the greatest folded row
	held   []pendingRow // in the total order
	ids    []idBucket   // ascending by partition, then tile
	order  agg.Order    // scratch of Apply
	reader pack.Reader  // scratch of DecodeState

	storedBoundary int64 // boundary() as it is stored
	touched        int64 // tiles before this are as they are stored
}

// accumulator is the slot that reads merge into.
const accumulator agg.Slot = 0

// never is the event time of no event.
const never = math.MinInt64

// latestRow is the greatest row that was folded, with the inputs of the Latest
// features in their order.
type latestRow struct {
	has    bool
	at     agg.Stamp
	values []agg.Held
}

// pendingRow is an event that the log took before its event time. A duplicate
// is kept too, without inputs: it counts for nothing but for whether the entity
// was seen.
type pendingRow struct {
	order     agg.Order
	duplicate bool
	inputs    []featurestore.Value
}

// Reset empties the state and keeps its memory.
func (s *State) Reset() {
	s.Applied = s.Applied[:0]
	s.newest = never
	s.starts, s.levels, s.slots = s.starts[:0], s.levels[:0], s.slots[:0]
	s.latest.has = false
	s.held, s.ids = s.held[:0], s.ids[:0]
	s.storedBoundary, s.touched = math.MinInt64, math.MaxInt64
	if s.plan != nil {
		s.edges = s.plan.ladder.unsettled()
		s.cells.Reset()
		s.cells.Alloc()
	}
}

// bind readies a state for a plan.
func (s *State) bind(p *Plan) {
	if s.plan == p {
		return
	}
	applied := s.Applied
	*s = State{plan: p, cells: p.layout.NewCells()}
	s.latest.values = make([]agg.Held, len(p.latest))
	s.Reset()
	s.Applied = applied
}

// Newest is the event time of the newest folded event; ok is false for none.
func (s *State) Newest() (e featurestore.EventTime, ok bool) {
	return featurestore.EventTime(s.newest), s.plan != nil && s.newest != never
}

// Tiles is how many tiles the state holds, and Pending how many raw rows.
func (s *State) Tiles() int { return len(s.starts) }

// Pending is how many events wait raw for their event time.
func (s *State) Pending() int { return len(s.held) }

// tile gives the slot of the tile that holds e, making it where there is none.
func (s *State) tile(e int64) agg.Slot {
	l := &s.plan.ladder
	i := len(s.starts) - 1
	if i >= 0 && e < s.starts[i] {
		i = s.before(e+1) - 1
	}
	if i >= 0 && e < s.starts[i]+l.sizes[s.levels[i]] {
		return s.slots[i]
	}
	level := l.level(&s.edges, e)
	slot := s.cells.Alloc()
	i++
	s.starts = insert(s.starts, i, floor(e, l.sizes[level]))
	s.levels = insert(s.levels, i, uint8(level))
	s.slots = insert(s.slots, i, slot)
	return slot
}

// before is how many tiles start before x.
func (s *State) before(x int64) int {
	if n := len(s.starts); n == 0 || s.starts[n-1] < x {
		return n
	}
	return sort.Search(len(s.starts), func(i int) bool { return s.starts[i] >= x })
}

func insert[T any](list []T, i int, v T) []T {
	list = append(list, v)
	copy(list[i+1:], list[i:])
	list[i] = v
	return list
}

// hold keeps a pending row, in the total order.
func (s *State) hold(o *agg.Order, duplicate bool, inputs []featurestore.Value) {
	row := pendingRow{order: *o, duplicate: duplicate}
	row.order.Sequence = pack.CloneValue(o.Sequence)
	if !duplicate {
		row.inputs = make([]featurestore.Value, s.plan.inputs)
		for i := range row.inputs {
			row.inputs[i] = pack.CloneValue(inputs[i])
		}
	}
	i := sort.Search(len(s.held), func(i int) bool { return s.held[i].order.Compare(o) > 0 })
	s.held = insert(s.held, i, row)
}
