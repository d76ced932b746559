package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// Slot is the place of one set of cells, one cell for each partial of a layout.
type Slot int32

// Cells stores the partials of one entity: for each slot the count of every
// group and the cell of every partial. It keeps its memory over Reset. It is
// not safe for concurrent use, not even for reads, which may tidy up a cell.
type Cells struct {
	layout *Layout
	counts []int64 // of group g in slot s: counts[s*groups+g]
	cols   []column
	free   []Slot
	some   []Slot // scratch
	owing  bool   // some slot may owe
	next   Slot   // slots below were handed out
	size   Slot   // slots below exist
}

// NewCells gives empty storage.
func (l *Layout) NewCells() *Cells {
	c := &Cells{layout: l, cols: make([]column, len(l.partials))}
	for i := range l.partials {
		c.cols[i] = l.partials[i].column(&l.partials[i])
	}
	return c
}

// Reset takes all slots back.
func (c *Cells) Reset() { c.free, c.next, c.owing = c.free[:0], 0, false }

// Alloc hands out a slot that holds the identity everywhere.
func (c *Cells) Alloc() Slot {
	var s Slot
	if n := len(c.free); n > 0 {
		s, c.free = c.free[n-1], c.free[:n-1]
	} else {
		s = c.next
		c.next++
		if s == c.size {
			c.size = max(4, 2*c.size)
			c.counts = append(c.counts, make([]int64, int(c.size)*len(c.layout.groups)-len(c.counts))...)
			for _, col := range c.cols {
				col.grow(int(c.size))
			}
		}
	}
	c.Clear(s)
	return s
}

// AllocAll hands out n slots.
func (c *Cells) AllocAll(dst []Slot, n int) []Slot {
	first := len(dst)
	for len(dst)-first < n {
		if len(c.free) > 0 || c.next == c.size {
			dst = append(dst, c.Alloc())
			continue
		}
		from := c.next
		c.next = min(c.next+Slot(n-(len(dst)-first)), c.size)
		for s := from; s < c.next; s++ {
			dst = append(dst, s)
		}
		g := len(c.layout.groups)
		clear(c.counts[int(from)*g : int(c.next)*g])
		for _, col := range c.cols {
			if all, ok := col.(rangeResetter); ok {
				all.resetAll(from, c.next)
				continue
			}
			for s := from; s < c.next; s++ {
				col.reset(s)
			}
		}
	}
	return dst
}

// Free takes a slot back.
func (c *Cells) Free(s Slot) { c.free = append(c.free, s) }

// Clear makes every cell of a slot the identity.
func (c *Cells) Clear(s Slot) {
	clear(c.groupCounts(s))
	for _, col := range c.cols {
		col.reset(s)
	}
}

func (c *Cells) groupCounts(s Slot) []int64 {
	g := len(c.layout.groups)
	return c.counts[int(s)*g : int(s)*g+g]
}

func (c *Cells) count(s Slot, group int) int64 {
	return c.counts[int(s)*len(c.layout.groups)+group]
}

// Add lets one event contribute to a slot. The inputs' memory is not kept.
func (c *Cells) Add(s Slot, o *Order, inputs []featurestore.Value) {
	counts := c.groupCounts(s)
	for g := range c.layout.groups {
		group := &c.layout.groups[g]
		if group.many { // admits, inlined for what most groups are
			if !group.admits(inputs) {
				continue
			}
		} else if group.x >= 0 && inputs[group.x].IsNull() {
			continue
		}
		counts[g]++
		for _, p := range group.partials {
			c.cols[p].add(s, o, inputs)
		}
	}
}

// Remove is the reverse of Add, for a Subtractable layout: it takes away what an
// event with these inputs gave to the slot before. A group that loses its last
// event is the identity again. Taking away what was never added leaves numbers
// that no events have, but nothing that does not encode. Where the layout Owes, it
// comes right when it is added; else a group without events loses nothing.
func (c *Cells) Remove(s Slot, o *Order, inputs []featurestore.Value) {
	if c.layout.owes {
		c.take(s, o, inputs)
		return
	}
	counts := c.groupCounts(s)
	for g := range c.layout.groups {
		group := &c.layout.groups[g]
		if counts[g] == 0 || !group.admits(inputs) {
			continue
		}
		counts[g]--
		for _, p := range group.partials {
			if counts[g] == 0 {
				c.cols[p].reset(s)
			} else {
				c.cols[p].remove(s, o, inputs)
			}
		}
	}
}

// Blank reports whether a slot is the identity: no event contributes to any of
// its groups.
func (c *Cells) Blank(s Slot) bool {
	for g, n := range c.groupCounts(s) {
		if n != 0 || c.owing && !c.zero(s, g) {
			return false
		}
	}
	return true
}

// Merge merges whole slots into dst, which is not among them.
func (c *Cells) Merge(dst Slot, src []Slot) {
	for g := range c.layout.groups {
		c.MergeGroup(dst, g, src)
	}
	for i := range c.cols {
		c.MergePartial(dst, i, src)
	}
}

// MergeGroup merges the count of one group.
func (c *Cells) MergeGroup(dst Slot, group int, src []Slot) {
	g := len(c.layout.groups)
	n := c.counts[int(dst)*g+group]
	for _, s := range src {
		n += c.counts[int(s)*g+group]
	}
	c.counts[int(dst)*g+group] = n
}

// MergePartial merges the cells of one partial.
func (c *Cells) MergePartial(dst Slot, partial int, src []Slot) {
	c.cols[partial].merge(dst, src)
}

// Append appends a slot's canonical bytes: for each group its count and, unless
// that is zero, its cells. Times are written relative to origin.
func (c *Cells) Append(dst []byte, s Slot, origin int64) []byte {
	for g := range c.groupCounts(s) {
		n := c.code(s, g)
		dst = pack.AppendUint(dst, n)
		if n == 0 {
			continue
		}
		for _, p := range c.layout.groups[g].partials {
			dst = c.cols[p].append(dst, s, origin)
		}
	}
	return dst
}

// Decode reads a slot of Append into a cleared slot. It never panics and
// allocates in proportion to what it reads; after a failure of the reader the
// slot must be cleared before it is used.
func (c *Cells) Decode(r *pack.Reader, s Slot, origin int64) {
	counts := c.groupCounts(s)
	for g := range counts {
		n := r.Uint()
		counts[g] = c.decodeCount(r, n)
		if r.Err() != nil || n == 0 {
			continue
		}
		for _, p := range c.layout.groups[g].partials {
			c.cols[p].decode(r, s, origin)
		}
		if r.Err() == nil && c.code(s, g) != n {
			r.Fail(pack.ErrCanonical)
		}
	}
}
