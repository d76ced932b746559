package agg

import (
	"github.com/freshet/freshet/transforms/agg/pack"
)

// Tiles in bytes: the cells of many slots, column by column, which is smaller
// and faster to read than slot by slot. For each group of the layout: a varint h;
// where h is 0, the counts of all tiles, a varint each; else they are those of
// the group h-1, the first that has the same ones. Then, for each partial of the
// group, the cells of the tiles whose count is not 0.

// tileColumn is a column that writes and reads the cells of many tiles at once,
// for speed, or because they have a spelling of their own in tiles.
type tileColumn interface {
	appendTiles(dst []byte, slots []Slot) []byte
	decodeTiles(r *pack.Reader, slots []Slot)
}

// AppendTiles appends the cells of slots, nothing where there are none; origins[i] is what the times in slot i
// are written relative to.
func (c *Cells) AppendTiles(dst []byte, slots []Slot, origins []int64) []byte {
	if len(slots) == 0 {
		return dst
	}
	for g := range c.layout.groups {
		dst = c.appendCounts(dst, g, slots)
		var filled []Slot
		for _, p := range c.layout.groups[g].partials {
			col := c.cols[p]
			if all, ok := col.(tileColumn); ok {
				if filled == nil {
					filled = c.filled(g, slots)
				}
				dst = all.appendTiles(dst, filled)
				continue
			}
			for i, s := range slots {
				if c.code(s, g) != 0 {
					dst = col.append(dst, s, origins[i])
				}
			}
		}
	}
	return dst
}

// filled are the slots that hold something of a group. It is valid until the next
// call, and not nil.
func (c *Cells) filled(g int, slots []Slot) []Slot {
	groups := len(c.layout.groups)
	for i, s := range slots {
		if c.counts[int(s)*groups+g] != 0 || c.owing && c.code(s, g) != 0 {
			continue
		}
		c.some = append(c.some[:0], slots[:i]...)
		for _, s := range slots[i+1:] {
			if c.counts[int(s)*groups+g] != 0 || c.owing && c.code(s, g) != 0 {
				c.some = append(c.some, s)
			}
		}
		return c.some
	}
	return slots
}

func (c *Cells) appendCounts(dst []byte, g int, slots []Slot) []byte {
	for h := range g {
		if c.sameCounts(g, h, slots) {
			return pack.AppendUint(dst, uint64(h)+1)
		}
	}
	dst = pack.AppendUint(dst, 0)
	for _, s := range slots {
		dst = pack.AppendUint(dst, c.code(s, g))
	}
	return dst
}

func (c *Cells) sameCounts(g, h int, slots []Slot) bool {
	for _, s := range slots {
		if c.count(s, g) != c.count(s, h) || c.owing && c.code(s, g) != c.code(s, h) {
			return false
		}
	}
	return true
}

// DecodeTiles reads cells of AppendTiles into cleared slots.
func (c *Cells) DecodeTiles(r *pack.Reader, slots []Slot, origins []int64) {
	groups := len(c.layout.groups)
	if len(slots) == 0 {
		return
	}
	for g := range groups {
		same := r.Uint()
		if same > uint64(g) {
			r.Fail(pack.ErrCanonical)
			return
		}
		var owed []uint64 // what was read of each, where one owes
		for i, s := range slots {
			n := uint64(0)
			if same > 0 {
				n = c.code(s, int(same)-1)
			} else {
				n = r.Uint()
			}
			c.counts[int(s)*groups+g] = c.decodeCount(r, n)
			if n > maxCount || owed != nil {
				owed = c.codes(owed, i, slots, g)
				owed[i] = n
			}
		}
		if r.Err() != nil {
			return
		}
		if owed != nil {
			c.decodeOwed(r, g, slots, origins, owed)
		} else {
			c.decodeGroup(r, g, slots, origins)
		}
		for h := range g {
			if r.Err() == nil && (same == 0 || h < int(same)-1) && c.sameCounts(g, h, slots) {
				r.Fail(pack.ErrCanonical)
			}
		}
	}
}

// decodeGroup reads the cells of a group whose counts are read.
func (c *Cells) decodeGroup(r *pack.Reader, g int, slots []Slot, origins []int64) {
	var filled []Slot
	for _, p := range c.layout.groups[g].partials {
		col := c.cols[p]
		if all, ok := col.(tileColumn); ok {
			if filled == nil {
				filled = c.filled(g, slots)
			}
			all.decodeTiles(r, filled)
			continue
		}
		for i, s := range slots {
			if c.count(s, g) != 0 {
				col.decode(r, s, origins[i])
			}
		}
	}
}
