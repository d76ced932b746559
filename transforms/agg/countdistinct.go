package agg

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// count_distinct is the number of different 64-bit XXH3 hashes (seed 0) of the
// non-null x, exactly up to max. Above it the max smallest hashes are kept and
// the value is their KMV estimate, (max-1) * 2^64 / (h_max+1) rounded half to
// even (Bar-Yossef et al., "Counting distinct elements in a data stream", 2002),
// with the status APPROXIMATE.
//
// Retraction: rebuilt, since a hash does not say how many values it stands for.
//
// State: 8 bytes a distinct value, at most 8*max. Error: none up to max but for
// colliding hashes (n values collide with probability n^2 / 2^65); above it a
// relative standard error of about 1/sqrt(max-2).

var specCountDistinct = &spec{
	name:  "count_distinct",
	takes: takesMax,
	gate:  gateValue,
	empty: emptyZero,
	check: func(c *Call) (featurestore.Type, error) {
		if c.Max != 0 {
			if err := within(c, "max", c.Max, MinDistinctMax, MaxDistinctMax); err != nil {
				return featurestore.Type{}, err
			}
		}
		return featurestore.Int64, wantScalar(c)
	},
	needs: func(c *Call) []need {
		size := int64(DefaultDistinctMax)
		if c.Max != 0 {
			size = c.Max
		}
		return []need{{quantity: distinctHashes, size: size}}
	},
	read: readCountDistinct,
}

var distinctHashes = &quantity{"distinct hashes", newCells[hashSet]}

// hashSet is the set of the smallest hashes.
type hashSet struct {
	hashes  []uint64 // ascending
	spare   []uint64 // memory for merges
	max     int
	dropped bool // a hash was dropped here or in a cell merged into this one
}

func (c *hashSet) reset(p *partial) {
	c.hashes, c.max, c.dropped = c.hashes[:0], int(p.size), false
}

func (c *hashSet) add(_ *Order, x *featurestore.Value) {
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

func (c *hashSet) merge(o *hashSet) {
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

func (c *hashSet) append(dst []byte, _ int64) []byte {
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

func (c *hashSet) decode(r *pack.Reader, _ int64) {
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

func readCountDistinct(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
	d := cellOf[hashSet](c, f.partials[0], s)
	if !d.dropped {
		return present(featurestore.Int64Value(int64(len(d.hashes))))
	}
	n, ok := estimate(uint64(d.max), d.hashes[d.max-1])
	if !ok {
		return overflow()
	}
	return capped(featurestore.Int64Value(n), true)
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
