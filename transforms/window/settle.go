package window

import "slices"

// Settle brings the state to the canonical form of its applied list: it folds
// pending rows that are due, drops ids that are out of date, compacts tiles and
// drops what no window can reach. It is called once after the rows of a batch,
// before the state is encoded. It looks at the applied list only, never at a
// batch or a clock.
func (p *Plan) Settle(s *State) {
	s.bind(p)
	s.half.open = false
	if len(s.held) > 0 {
		s.foldDue()
	}
	if len(s.ids) > 0 {
		s.ids = slices.DeleteFunc(s.ids, func(b idBucket) bool {
			return p.forgotten(b.partition, b.tile, s.Applied.Find(b.partition).MaxLogTime)
		})
	}
	largest, any := s.Applied.MaxLogTime()
	if !any {
		return
	}
	if p.raw {
		s.net.keep(&p.net, int64(largest)+1)
	}
	for i := range s.lists {
		p.lists[i].keep(&s.lists[i], int64(largest)+1)
	}
	if len(p.ladder.sizes) > 0 {
		p.ladder.at(largest, &s.units, s.next)
		s.compact()
	}
}

// foldDue folds the pending rows whose own partition has reached them in log
// time, retractions last.
func (s *State) foldDue() {
	var gone []pendingRow
	kept := s.held[:0]
	for i := range s.held {
		row := s.held[i]
		switch {
		case row.visible > int64(s.Applied.Find(row.order.PartitionID).MaxLogTime):
			kept = append(kept, row)
		case row.retraction:
			gone = append(gone, row)
		default:
			s.foldPending(&row)
		}
	}
	clear(s.held[len(kept):])
	s.held = kept
	for i := range gone {
		s.foldPending(&gone[i])
	}
}

func (s *State) foldPending(row *pendingRow) {
	switch {
	case row.duplicate:
		s.newest = max(s.newest, int64(row.order.Time))
	case row.retraction:
		s.retract(&row.order, row.inputs)
	default:
		s.fold(&row.order, row.inputs)
	}
}

// compact brings the tiles to the next edges: it merges those that a coarser
// tile replaces, and drops those that no window can reach any more. Only tiles
// between an old and a new edge change.
func (s *State) compact() {
	old, next := s.edges, s.next
	if old.equal(next) {
		return
	}
	s.edges, s.next = next, old
	s.dropTiles()
	l, t := &s.plan.ladder, &s.tiles
	from, to := l.changed(old, next)
	lo, hi := t.before(from), t.before(to)
	w := lo
	for i := lo; i < hi; i++ {
		level, start := l.tile(s.edges, t.starts[i])
		if w > lo && t.starts[w-1] == start {
			t.mark.touch(start)
			s.cells.Merge(t.slots[w-1], t.slots[i:i+1])
			s.cells.Free(t.slots[i])
			if s.cells.Owing() && s.cells.Blank(t.slots[w-1]) {
				s.cells.Free(t.slots[w-1])
				w--
			}
			continue
		}
		if level != int(t.levels[i]) {
			t.mark.touch(start)
		}
		t.starts[w], t.levels[w], t.slots[w] = start, uint8(level), t.slots[i]
		w++
	}
	t.remove(w, max(w, hi))
}

// dropTiles drops the tiles that end at the drop edge or before it.
func (s *State) dropTiles() {
	n, t := 0, &s.tiles
	for n < len(t.starts) && t.starts[n]+s.plan.ladder.sizes[t.levels[n]] <= s.edges.drop {
		s.cells.Free(t.slots[n])
		n++
	}
	t.remove(0, n)
}
