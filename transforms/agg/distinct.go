package agg

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// count_distinct is the number of different 64-bit XXH3 hashes (seed 0) of the
// non-null x, exactly up to max. Above it the max smallest hashes are kept and
// the value is their KMV estimate, (max-1) * 2^64 / (h_max+1) rounded half to
// even (Bar-Yossef et al., "Counting distinct elements in a data stream", 2002),
// with the status APPROXIMATE.
//
// What is hashed: one byte 0 or 1 of a bool; the 8 bytes, least first, of an
// int64, of a timestamp's microseconds, of a decimal's unscaled integer, and of
// a double's IEEE bits; text and bytes as they are.
//
// State: 8 bytes a distinct value, at most 8*max. Error: none up to max but for
// colliding hashes (n values collide with probability n^2 / 2^65); above it a
// relative standard error of about 1/sqrt(max-2).
type distinct struct {
	hashes  []uint64 // ascending
	spare   []uint64 // memory for merges
	max     int
	dropped bool // a hash was dropped here or in a cell merged into this one
}

func (c *distinct) reset(p *partial) {
	c.hashes, c.max, c.dropped = c.hashes[:0], p.max, false
}

func (c *distinct) add(_ *Order, x *featurestore.Value) {
	h := hashValue(x)
	full := len(c.hashes) == c.max
	if full && h > c.hashes[c.max-1] {
		c.dropped = true
		return
	}
	i, found := slices.BinarySearch(c.hashes, h)
	if found {
		return
	}
	if full {
		c.dropped = true
		c.hashes = c.hashes[:c.max-1]
	}
	c.hashes = slices.Insert(c.hashes, i, h)
}

func (c *distinct) merge(o *distinct) {
	c.dropped = c.dropped || o.dropped
	if len(o.hashes) == 0 {
		return
	}
	out, a, b := c.spare[:0], c.hashes, o.hashes
	for len(out) < c.max && len(a)+len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case len(a) == 0 || b[0] < a[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	if len(a)+len(b) > 0 {
		c.dropped = true
	}
	c.hashes, c.spare = out, c.hashes
}

func (c *distinct) append(dst []byte, _ int64) []byte {
	head := uint64(len(c.hashes)) << 1
	if c.dropped {
		head |= 1
	}
	dst = pack.AppendUint(dst, head)
	for _, h := range c.hashes {
		dst = binary.LittleEndian.AppendUint64(dst, h)
	}
	return dst
}

func (c *distinct) decode(r *pack.Reader, _ int64) {
	head := r.Uint()
	n := head >> 1
	c.dropped = head&1 == 1
	if n == 0 || n > uint64(c.max) || c.dropped && n != uint64(c.max) {
		r.Failf("a distinct count keeps %d of at most %d hashes", n, c.max)
	}
	for i := uint64(0); i < n && r.Err() == nil; i++ {
		h := r.Uint64()
		if i > 0 && h <= c.hashes[i-1] {
			r.Fail(pack.ErrCanonical)
		}
		c.hashes = append(c.hashes, h)
	}
}

func (f *Finisher) readDistinct(c *Cells, s Slot) featurestore.Cell {
	d := &c.cols[f.partials[0]].(*cells[distinct, *distinct]).at[s]
	if !d.dropped {
		return present(featurestore.Int64Value(int64(len(d.hashes))))
	}
	n, ok := estimate(uint64(d.max), d.hashes[d.max-1])
	if !ok {
		return featurestore.Cell{Status: featurestore.Overflow}
	}
	return featurestore.Cell{Value: featurestore.Int64Value(n), Status: featurestore.Approximate}
}

// estimate is (k-1) * 2^64 / (greatest+1), half to even; ok is false beyond the
// range of int64.
func estimate(k, greatest uint64) (n int64, ok bool) {
	by := greatest + 1
	if by == 0 { // 2^64
		return int64(k - 1), true
	}
	if k-1 >= by {
		return 0, false
	}
	q, rem := bits.Div64(k-1, 0, by)
	if half := by - rem; rem > half || rem == half && q&1 == 1 {
		q++
	}
	return int64(q), q < 1<<63
}

// hashValue is the hash of a value's bytes.
func hashValue(x *featurestore.Value) uint64 {
	switch x.Kind() {
	case featurestore.KindString, featurestore.KindBytes:
		return xxh3.HashString(x.Str())
	case featurestore.KindBool:
		if x.Bool() {
			return xxh3.Hash([]byte{1})
		}
		return xxh3.Hash([]byte{0})
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(x.Int64()))
	return xxh3.Hash(b[:])
}
