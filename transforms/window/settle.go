package window

import (
	"math"
	"slices"
)

// Settle brings the state to the canonical form of its applied list: it folds
// pending rows that are due, drops ids that are out of date and compacts tiles.
// It is called once after the rows of a batch, before the state is encoded. It
// looks at the applied list only, never at a batch or a clock.
func (p *Plan) Settle(s *State) {
	s.bind(p)
	if len(s.held) > 0 {
		s.foldDue()
	}
	if len(s.ids) > 0 {
		s.ids = slices.DeleteFunc(s.ids, func(b idBucket) bool {
			return p.forgotten(b.partition, b.tile, s.Applied.Find(b.partition).MaxLogTime)
		})
	}
	if largest, any := s.Applied.MaxLogTime(); any && len(p.ladder.sizes) > 0 {
		s.compact(p.ladder.at(largest))
	}
}

// foldDue folds the pending rows whose own partition has reached their event
// time in log time.
func (s *State) foldDue() {
	kept := s.held[:0]
	for i := range s.held {
		row := s.held[i]
		switch entry := s.Applied.Find(row.order.PartitionID); {
		case int64(row.order.Time) > int64(entry.MaxLogTime):
			kept = append(kept, row)
		case row.duplicate:
			s.newest = max(s.newest, int64(row.order.Time))
		default:
			s.fold(&row.order, row.inputs)
		}
	}
	clear(s.held[len(kept):])
	s.held = kept
}

// compact merges tiles to the sizes of the new edges and drops those that no
// window can reach any more. Only tiles between an old and a new edge change.
func (s *State) compact(next edges) {
	old := s.edges
	if old == next {
		return
	}
	s.edges = next
	s.dropTiles()
	sizes := s.plan.ladder.sizes
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for k := 1; k < len(sizes); k++ {
		if old.reach[k] != next.reach[k] {
			from, to = min(from, old.reach[k]), max(to, next.reach[k])
		}
	}
	lo, hi := s.before(from), s.before(to)
	if lo >= hi {
		return
	}
	s.touch(s.starts[lo])
	w := lo
	for i := lo; i < hi; i++ {
		level := s.plan.ladder.level(&s.edges, s.starts[i])
		start := floor(s.starts[i], sizes[level])
		if w > lo && s.starts[w-1] == start {
			s.cells.Merge(s.slots[w-1], s.slots[i:i+1])
			s.cells.Free(s.slots[i])
			continue
		}
		s.starts[w], s.levels[w], s.slots[w] = start, uint8(level), s.slots[i]
		w++
	}
	s.starts = slices.Delete(s.starts, w, hi)
	s.levels = slices.Delete(s.levels, w, hi)
	s.slots = slices.Delete(s.slots, w, hi)
}

// dropTiles drops the tiles that end at the drop edge or before it.
func (s *State) dropTiles() {
	n := 0
	for n < len(s.starts) && s.starts[n]+s.plan.ladder.sizes[s.levels[n]] <= s.edges.drop {
		s.cells.Free(s.slots[n])
		n++
	}
	if n > 0 {
		s.touch(s.starts[0])
		s.starts = slices.Delete(s.starts, 0, n)
		s.levels = slices.Delete(s.levels, 0, n)
		s.slots = slices.Delete(s.slots, 0, n)
	}
}
