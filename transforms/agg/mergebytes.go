package agg

import (
	"encoding/binary"

	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// TileMerge says where the tiles of AppendTiles go when they are read straight
// from bytes: runs of neighbours merge into one slot each. It keeps its memory.
type TileMerge struct {
	Origins []int64 // of each tile
	Runs    []TileRun

	counts []int64 // of the groups, a row a group
	cells  []int   // of each run: its tiles that have events of the group
	spare  Slot
	one    [1]Slot
}

// TileRun is a number of neighbours and the slot that they merge into.
type TileRun struct {
	Tiles int
	Into  Slot
	Needs *Needs // what of them is merged; nil for nothing
}

// Needs is a set of groups and partials of a layout.
type Needs struct{ groups, partials []bool }

// NewNeeds is an empty set.
func (l *Layout) NewNeeds() *Needs {
	return &Needs{groups: make([]bool, len(l.groups)), partials: make([]bool, len(l.partials))}
}

// Finisher adds what a finisher reads.
func (n *Needs) Finisher(f *Finisher) {
	n.groups[f.Group()] = true
	for _, p := range f.Partials() {
		n.partials[p] = true
	}
}

// Clear makes the set empty.
func (n *Needs) Clear() {
	clear(n.groups)
	clear(n.partials)
}

// Join adds another set.
func (n *Needs) Join(o *Needs) {
	for i, b := range o.groups {
		n.groups[i] = n.groups[i] || b
	}
	for i, b := range o.partials {
		n.partials[i] = n.partials[i] || b
	}
}

// MergeNeeds merges of slots into dst, which is not among them, what is needed.
func (c *Cells) MergeNeeds(dst Slot, src []Slot, n *Needs) {
	for g, want := range n.groups {
		if want {
			c.MergeGroup(dst, g, src)
		}
	}
	for p, want := range n.partials {
		if want {
			c.MergePartial(dst, p, src)
		}
	}
}

// MergeTiles reads tiles of AppendTiles and merges them into the slots of m.
// Equal bytes give what DecodeTiles and MergeNeeds give; a spelling that is not
// canonical may pass where it has no influence on the value.
func (c *Cells) MergeTiles(r *pack.Reader, m *TileMerge) {
	n := len(m.Origins)
	if n == 0 {
		return
	}
	m.counts = sized(m.counts, n*len(c.layout.groups))
	m.cells = sized(m.cells, len(m.Runs))
	m.spare = c.Alloc()
	for g := range c.layout.groups {
		counts := m.counts[g*n : (g+1)*n]
		m.readCounts(r, g, counts)
		if r.Err() != nil {
			break
		}
		c.addCounts(g, counts, m)
		for _, p := range c.layout.groups[g].partials {
			c.mergeColumn(r, p, counts, m)
		}
	}
	c.Free(m.spare)
}

func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	return s[:n]
}

func (m *TileMerge) readCounts(r *pack.Reader, g int, counts []int64) {
	same := r.Uint()
	if same > 0 {
		if same > uint64(g) {
			r.Fail(pack.ErrCanonical)
			return
		}
		n := len(counts)
		copy(counts, m.counts[int(same-1)*n:int(same)*n])
		return
	}
	b := r.Rest()
	at := 0
	for i := range counts {
		if at < len(b) && b[at] < 0x80 {
			counts[i] = int64(b[at])
			at++
			continue
		}
		v, k := binary.Uvarint(b[at:])
		if k <= 0 || v > maxCount {
			r.Fail(pack.ErrCanonical)
			return
		}
		counts[i] = int64(v)
		at += k
	}
	r.Continue(b[at:], nil)
}

// addCounts adds up the counts of each run, and how many of its tiles have cells.
func (c *Cells) addCounts(g int, counts []int64, m *TileMerge) {
	groups, at := len(c.layout.groups), 0
	for i := range m.Runs {
		run := &m.Runs[i]
		total, cells := int64(0), 0
		for _, n := range counts[at : at+run.Tiles] {
			total += n
			if n != 0 {
				cells++
			}
		}
		at += run.Tiles
		m.cells[i] = cells
		if run.Needs != nil && run.Needs.groups[g] {
			c.counts[int(run.Into)*groups+g] += total
		}
	}
}

// mergeColumn merges the cells of one partial.
func (c *Cells) mergeColumn(r *pack.Reader, p int, counts []int64, m *TileMerge) {
	switch col := c.cols[p].(type) {
	case *cells[intSum, *intSum]:
		b, err := r.Rest(), error(nil)
		for i := range m.Runs {
			b, err = mergeInts(b, &col.at[m.target(i, p)].sum, m.cells[i])
			if err != nil {
				break
			}
		}
		r.Continue(b, err)
	case *cells[intExtreme, *intExtreme]:
		b, err := r.Rest(), error(nil)
		for i := range m.Runs {
			b, err = mergeExtremes(b, &col.at[m.target(i, p)], m.cells[i])
			if err != nil {
				break
			}
		}
		r.Continue(b, err)
	default:
		c.mergeAny(r, p, counts, m)
	}
}

// target is the slot of a run where the partial is needed, else the spare one.
func (m *TileMerge) target(run, p int) Slot {
	if n := m.Runs[run].Needs; n != nil && n.partials[p] {
		return m.Runs[run].Into
	}
	return m.spare
}

// mergeAny decodes cell by cell.
func (c *Cells) mergeAny(r *pack.Reader, p int, counts []int64, m *TileMerge) {
	col, at := c.cols[p], 0
	m.one[0] = m.spare
	for i := range m.Runs {
		into := m.target(i, p)
		for range m.Runs[i].Tiles {
			if counts[at] != 0 {
				col.reset(m.spare)
				col.decode(r, m.spare, m.Origins[at])
				if into != m.spare && r.Err() == nil {
					col.merge(into, m.one[:])
				}
			}
			at++
		}
	}
}

// mergeInts adds n zigzag varints of 128 bits.
func mergeInts(b []byte, sum *exact.Int128, n int) ([]byte, error) {
	total := int64(0) // of small numbers: 2^31 of them are below 2^63
	at := 0
	for range n {
		if at+2 < len(b) {
			if u := uint64(b[at]); u < 0x80 {
				total += unzigzag(u)
				at++
				continue
			}
			if u := uint64(b[at+1]); u < 0x80 && u > 0 {
				total += unzigzag(uint64(b[at]&0x7f) | u<<7)
				at += 2
				continue
			}
			if u := uint64(b[at+2]); u < 0x80 && u > 0 {
				total += unzigzag(uint64(b[at]&0x7f) | uint64(b[at+1]&0x7f)<<7 | u<<14)
				at += 3
				continue
			}
		}
		var x exact.Int128
		rest, err := x.Decode(b[at:])
		if err != nil {
			return nil, err
		}
		at = len(b) - len(rest)
		sum.Merge(x)
	}
	sum.Add(total)
	return b[at:], nil
}

// mergeExtremes takes n zigzag varints.
func mergeExtremes(b []byte, c *intExtreme, n int) ([]byte, error) {
	at, best := 0, c.v
	for range n {
		var u uint64
		if at < len(b) && b[at] < 0x80 {
			u = uint64(b[at])
			at++
		} else {
			v, k := binary.Uvarint(b[at:])
			if k <= 0 || b[at+k-1] == 0 {
				return nil, pack.ErrCanonical
			}
			u = v
			at += k
		}
		v := unzigzag(u)
		if c.greater == (v > best) {
			best = v
		}
	}
	c.v = best
	return b[at:], nil
}

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
