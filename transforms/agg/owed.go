package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// What is owed. Where a feed's keys move between partitions, or partitions are read
// one after the other, a retraction may come before its row. A slot then holds what
// the events give all the same, less than nothing: a count of zero or below with the
// cells as they add up, so that its cells do not depend on the order in which
// events came. Which groups can owe follows from the layout (Owes).
//
// In bytes the count n <= 0 of a group that holds something is maxCount + 1 - n, and
// its cells follow; 0 is nothing at all.

// zeroer is a cell that tells whether it holds what no events give.
type zeroer interface{ isZero() bool }

// zeroColumn is a column whose cells may be such ones.
type zeroColumn interface {
	tellsZero() bool
	zero(slot Slot) bool
}

func (c *cells[T, P]) tellsZero() bool {
	_, ok := any(P(nil)).(zeroer)
	return ok
}

func (c *cells[T, P]) zero(slot Slot) bool { return any(P(&c.at[slot])).(zeroer).isZero() }

// Owes reports whether what was removed before it was added comes right when it
// is: in a layout that is Subtractable, where each cell tells when it holds nothing.
func (l *Layout) Owes() bool { return l.owes }

// Owing reports whether some slot may owe.
func (c *Cells) Owing() bool { return c.owing }

// take removes what an event gave, or is to give.
func (c *Cells) take(s Slot, o *Order, inputs []featurestore.Value) {
	counts := c.groupCounts(s)
	for g := range c.layout.groups {
		group := &c.layout.groups[g]
		if !group.admits(inputs) {
			continue
		}
		counts[g]--
		for _, p := range group.partials {
			c.cols[p].remove(s, o, inputs)
		}
		switch {
		case counts[g] < 0 || counts[g] == 0 && !c.zero(s, g):
			c.owing = true
		case counts[g] == 0:
			for _, p := range group.partials {
				c.cols[p].reset(s)
			}
		}
	}
}

// zero reports whether a group's cells hold nothing.
func (c *Cells) zero(s Slot, group int) bool {
	for _, p := range c.layout.groups[group].partials {
		if !c.cols[p].(zeroColumn).zero(s) {
			return false
		}
	}
	return true
}

// code is the count of a group as it is written; 0 for a group that holds nothing.
func (c *Cells) code(s Slot, group int) uint64 {
	n := c.count(s, group)
	if n > 0 || !c.owing || n == 0 && c.zero(s, group) {
		return uint64(n)
	}
	return maxCount + 1 + uint64(-n)
}

// countOf is the count that a code stands for.
func countOf(code uint64) int64 {
	if code <= maxCount {
		return int64(code)
	}
	return -int64(code - maxCount - 1)
}

// decodeCount is countOf what was read.
func (c *Cells) decodeCount(r *pack.Reader, code uint64) int64 {
	switch {
	case code <= maxCount:
	case !c.layout.owes || code > maxCode:
		r.Failf("a count of %d events is out of range", code)
		return 0
	default:
		c.owing = true
	}
	return countOf(code)
}

// codes are the counts of a group of the first n slots, as they are written; dst
// where it is not nil.
func (c *Cells) codes(dst []uint64, n int, slots []Slot, group int) []uint64 {
	if dst == nil {
		dst = make([]uint64, len(slots))
		for i, s := range slots[:n] {
			dst[i] = uint64(c.count(s, group)) // none before it owes
		}
	}
	return dst
}

// decodeOwed is decodeGroup where some slots owe: codes is what was read of each.
func (c *Cells) decodeOwed(r *pack.Reader, g int, slots []Slot, origins []int64, codes []uint64) {
	c.some = c.some[:0]
	for i, s := range slots {
		if codes[i] != 0 {
			c.some = append(c.some, s)
		}
	}
	for _, p := range c.layout.groups[g].partials {
		if all, ok := c.cols[p].(tileColumn); ok {
			all.decodeTiles(r, c.some)
			continue
		}
		for i, s := range slots {
			if codes[i] != 0 {
				c.cols[p].decode(r, s, origins[i])
			}
		}
	}
	for i, s := range slots {
		if r.Err() == nil && c.code(s, g) != codes[i] {
			r.Fail(pack.ErrCanonical)
		}
	}
}

// maxCount bounds the events of a cell, maxCode what is written of them.
const (
	maxCount = 1 << 62
	maxCode  = 2 * maxCount
)
