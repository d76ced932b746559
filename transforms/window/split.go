package window

import (
	"math"
	"math/bits"
)

// A state's bytes stand in two parts, so that an event rewrites few of them: the
// open part with the newest tiles and rows and all that changes often, and the
// closed part with the older ones, which is written anew only when one of them
// changes. Where a list of tiles or rows is cut is a function of that list
// alone, so that equal states are equal in both parts.

const (
	leastSplit = 24 // a shorter list is all open, however large its tiles or rows
	mostWhole  = 48 // one of as many is cut, however small they are
	mostOpen   = 32 // the open part holds the newest ones, at least one and at most this many
)

// splitBytes is what a list between these takes, about, from which on it is cut: a store writes and reads a few
// hundred bytes faster than it finds another key.
const splitBytes = 320

// leastOf is the length from which on a list is cut whose tiles or rows take so many
// bytes each, about.
func leastOf(bytes int) int { return min(max(leastSplit, splitBytes/bytes), mostWhole) }

// split is how many of a list's tiles or rows, the oldest ones, are closed. at
// gives their starts; those of tiles are multiples of the finest one, which has no
// say in which is rounder. The boundary is the roundest of the newest mostOpen (the
// one whose start most powers of two divide, the older of equal ones): it stays
// where it is while the list grows, until a rounder one comes or it is no longer
// among these. Of a list without gaps that is for mostOpen appends. A list of fewer
// than least is not cut.
func split(n, least int, at func(int) int64) int {
	if n < least {
		return 0
	}
	best, round := 0, -1
	for i := max(1, n-mostOpen); i < n; i++ {
		if z := bits.TrailingZeros64(uint64(at(i))); z > round {
			best, round = i, z
		}
	}
	return best
}

// mark knows whether the closed part of a list may have changed.
type mark struct {
	closed  int   // how many tiles or rows are closed, as it is stored
	stored  int64 // and the boundary
	touched int64 // what is before this is as it is stored
}

func (m *mark) reset() { *m = mark{stored: never, touched: math.MaxInt64} }

// touch notes that something at an instant changed.
func (m *mark) touch(at int64) { m.touched = min(m.touched, at) }

// changed reports whether the closed part may differ, where now as many are
// closed and the boundary is the given one.
func (m *mark) changed(closed int, boundary int64) bool {
	return closed != m.closed || boundary != m.stored || closed > 0 && m.touched <= boundary
}

// Splits reports whether entities of this view can ever have a closed part.
func (p *Plan) Splits() bool {
	return p.raw || len(p.ladder.sizes) > 0 || len(p.sessions) > 0 || len(p.lists) > 0
}

// ClosedChanged reports whether the closed part may differ from what it was when
// the state was decoded, or since the last call of Stored. It may be true of
// equal bytes, and is never false of others. The state is settled.
func (s *State) ClosedChanged() bool {
	if s.plan == nil {
		return false
	}
	if s.closed > 0 && s.closed != len(s.Applied) {
		return true // rows name partitions by their place in the list
	}
	changed := false
	s.each(func(m *mark, closed int, boundary int64) { changed = changed || m.changed(closed, boundary) })
	return changed
}

// Stored notes that the state's bytes are stored as they are now.
func (s *State) Stored() {
	if s.plan == nil {
		return
	}
	s.closed = 0
	s.each(func(m *mark, closed int, boundary int64) {
		*m = mark{closed: closed, stored: boundary, touched: math.MaxInt64}
		if closed > 0 {
			s.closed = len(s.Applied)
		}
	})
}

// each visits the lists of which parts may be closed: how many of their tiles or
// rows are, and the time of the first that is open, never where none is closed.
func (s *State) each(visit func(m *mark, closed int, boundary int64)) {
	rows := func(l *rowList) {
		n, boundary := l.split(), int64(never)
		if n > 0 {
			boundary = int64(l.rows[n].order.Time)
		}
		visit(&l.mark, n, boundary)
	}
	tiles := func(t *tiles) {
		n, boundary := t.split(), int64(never)
		if n > 0 {
			boundary = t.starts[n]
		}
		visit(&t.mark, n, boundary)
	}
	if s.plan.raw {
		rows(&s.net.rowList)
		return
	}
	tiles(&s.tiles)
	for i := range s.sessions {
		tiles(&s.sessions[i].tiles)
	}
	for i := range s.lists {
		rows(&s.lists[i])
	}
}
