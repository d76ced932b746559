package agg

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// TileMerge says where the tiles of AppendTiles go when they are read straight
// from bytes: runs of neighbours merge into one slot each. It keeps its memory.
type TileMerge struct {
	Runs    []TileRun
	Origins []int64 // of each tile; only where the layout needs them (Layout.Origins)

	counts []int64 // of each tile, a row a group: 0 for none; only where a column is read cell by cell
	totals []runTotal
	most   uint64 // what a count is written as
	owing  bool   // some tile that was read owes
	spare  Slot
	one    [1]Slot
}

// runTotal is what a run holds of a group: its events, and how many of its tiles
// have any.
type runTotal struct {
	events int64
	tiles  int
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

// Equal reports whether two sets of a layout are the same.
func (n *Needs) Equal(o *Needs) bool {
	return slices.Equal(n.groups, o.groups) && slices.Equal(n.partials, o.partials)
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
	n := 0
	for i := range m.Runs {
		n += m.Runs[i].Tiles
	}
	if n == 0 || n > len(r.Rest()) {
		if n > 0 {
			r.Fail(pack.ErrShort)
		}
		return
	}
	groups, runs := len(c.layout.groups), len(m.Runs)
	each := n // counts that are kept of a group: those of each tile
	if !c.layout.Origins() {
		each = 0
	}
	m.counts = sized(m.counts, each*groups)
	m.totals = sized(m.totals, runs*groups)
	m.spare, m.owing = c.Alloc(), false
	if m.most = maxCount; c.layout.owes {
		m.most = maxCode
	}
	for g := range groups {
		counts, totals := m.counts[g*each:(g+1)*each], m.totals[g*runs:(g+1)*runs]
		same := r.Uint()
		switch {
		case same > uint64(g):
			r.Fail(pack.ErrCanonical)
		case same > 0:
			copy(counts, m.counts[int(same-1)*each:])
			copy(totals, m.totals[int(same-1)*runs:])
		default:
			m.readCounts(r, counts, totals)
		}
		if r.Err() != nil {
			break
		}
		for i := range m.Runs {
			if run := &m.Runs[i]; run.Needs != nil && run.Needs.groups[g] {
				c.counts[int(run.Into)*groups+g] += totals[i].events
			}
		}
		for _, p := range c.layout.groups[g].partials {
			c.mergeColumn(r, p, counts, totals, m)
		}
	}
	c.owing = c.owing || m.owing
	c.Free(m.spare)
}

// Origins reports whether MergeTiles needs the origins of tiles: whether it reads
// a column cell by cell.
func (l *Layout) Origins() bool { return l.byCell }

func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	return s[:n]
}

// readCounts reads the counts of a group, and adds them up by run. Where they are
// of no more use, counts is empty.
func (m *TileMerge) readCounts(r *pack.Reader, counts []int64, totals []runTotal) {
	b := r.Rest()
	at, tile := 0, 0
	for i := range m.Runs {
		var total runTotal
		left := m.Runs[i].Tiles
		for left > 0 {
			if left >= 8 && len(counts) == 0 && at+8 <= len(b) {
				if w := binary.LittleEndian.Uint64(b[at:]); w&highs == 0 {
					total.events += sumOfBytes(w)
					total.tiles += bits.OnesCount64((w + ^uint64(highs)) & highs)
					at += 8
					left -= 8
					continue
				}
			}
			n, k := uint64(0), 1
			if at < len(b) && b[at] < 0x80 {
				n = uint64(b[at])
			} else if n, k = binary.Uvarint(b[at:]); k <= 0 || n > m.most {
				r.Fail(pack.ErrCanonical)
				return
			}
			at += k
			left--
			if len(counts) > 0 {
				counts[tile] = int64(min(n, maxCount))
				tile++
			}
			total.events += countOf(n)
			m.owing = m.owing || n > maxCount
			if n != 0 {
				total.tiles++
			}
		}
		totals[i] = total
	}
	r.Continue(b[at:], nil)
}

// highs are the high bits of eight bytes.
const highs = 0x8080808080808080

// sumOfBytes adds up eight bytes.
func sumOfBytes(w uint64) int64 {
	const even, ones = 0x00ff00ff00ff00ff, 0x0001000100010001
	return int64((w&even + w>>8&even) * ones >> 48)
}

// mergeColumn merges the cells of one partial.
func (c *Cells) mergeColumn(r *pack.Reader, p int, counts []int64, totals []runTotal, m *TileMerge) {
	col, ok := c.cols[p].(runMerger)
	if !ok {
		c.mergeAny(r, p, counts, m)
		return
	}
	b, err := r.Rest(), error(nil)
	for i := range m.Runs {
		if totals[i].tiles == 0 {
			continue
		}
		if b, err = col.mergeRun(b, m.target(i, p), totals[i].tiles); err != nil {
			break
		}
	}
	r.Continue(b, err)
}

// runMerger is a column that merges the cells of neighbours straight from bytes.
type runMerger interface {
	// mergeRun merges the n cells at the front of b and gives what follows them.
	mergeRun(b []byte, into Slot, n int) ([]byte, error)
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

// mergeRun adds n zigzag varints of 128 bits.
func (c *intSums) mergeRun(b []byte, into Slot, n int) ([]byte, error) {
	sum := &c.at[into].sum
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

// mergeRun takes n zigzag varints. A least value is taken as the greatest of the
// complements, which takes no branch on the values.
func (c *intExtremes) mergeRun(b []byte, into Slot, n int) ([]byte, error) {
	x := &c.at[into]
	flip := int64(-1)
	if x.greater {
		flip = 0
	}
	at, best := 0, x.v^flip
	for range n {
		var u uint64
		if at < len(b) && b[at] < 0x80 {
			u = uint64(b[at])
			at++
		} else if at+1 < len(b) && b[at+1] < 0x80 && b[at+1] > 0 {
			u = uint64(b[at]&0x7f) | uint64(b[at+1])<<7
			at += 2
		} else {
			v, k := binary.Uvarint(b[at:])
			if k <= 0 || b[at+k-1] == 0 {
				return nil, pack.ErrCanonical
			}
			u = v
			at += k
		}
		best = max(best, unzigzag(u)^flip)
	}
	x.v = best ^ flip
	return b[at:], nil
}

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
