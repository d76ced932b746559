package agg

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// Doubles in tiles are mostly prices and measures, of few decimal digits. Such a
// one is n / 10^p with a small n, correctly rounded, and is written so: the
// varint of 8 x the zigzag of n, plus p, with the least p from 0 to 6 for which
// there is an n below 2^50 in size. Any other is the varint 7, and its spelling
// elsewhere behind that: eight bytes of a least or greatest value, the bytes of
// package exact for a sum.

const (
	mostDigits = 6
	notShort   = 7
	mostShort  = 1 << 50
)

var powersOfTen = [mostDigits + 1]float64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000}

// short gives f = n / 10^p; ok is false where there is no such n and p.
func short(f float64) (n int64, p int, ok bool) {
	for p := range powersOfTen {
		x := math.Round(f * powersOfTen[p])
		if math.Abs(x) >= mostShort {
			return 0, 0, false
		}
		if x/powersOfTen[p] == f {
			return int64(x), p, true
		}
	}
	return 0, 0, false
}

func appendShort(dst []byte, n int64, p int) []byte {
	return pack.AppendUint(dst, (uint64(n)<<1^uint64(n>>63))<<3|uint64(p))
}

// unshort gives the double of a varint that is not notShort; ok is false for one
// that appendShort does not write.
func unshort(u uint64) (f float64, ok bool) {
	n, p := unzigzag(u>>3), int(u&7)
	if p > mostDigits || n <= -mostShort || n >= mostShort || p > 0 && n%10 == 0 {
		return 0, false
	}
	return float64(n) / powersOfTen[p], true
}

// shortSum is short of a sum that is a double.
func shortSum(s *exact.Float) (n int64, p int, ok bool) {
	f, ok := s.Round()
	if !ok {
		return 0, 0, false
	}
	if n, p, ok = short(f); !ok {
		return 0, 0, false
	}
	var one exact.Float
	var a, b [64]byte
	one.Add(f)
	return n, p, bytes.Equal(one.Append(a[:0]), s.Append(b[:0]))
}

func (c *doubleSums) appendTiles(dst []byte, slots []Slot) []byte {
	for _, slot := range slots {
		dst = c.appendTile(dst, slot)
	}
	return dst
}

func (c *doubleSums) decodeTiles(r *pack.Reader, slots []Slot) {
	for _, slot := range slots {
		c.decodeTile(r, slot)
	}
}

func (c *doubleSums) appendTile(dst []byte, slot Slot) []byte {
	s := &c.at[slot].sum
	if n, p, ok := shortSum(s); ok {
		return appendShort(dst, n, p)
	}
	return s.Append(append(dst, notShort))
}

func (c *doubleSums) decodeTile(r *pack.Reader, slot Slot) {
	s := &c.at[slot].sum
	s.Reset()
	u := r.Uint()
	if u != notShort {
		f, ok := unshort(u)
		if !ok {
			r.Fail(pack.ErrCanonical)
		}
		s.Add(f)
		return
	}
	r.Continue(s.Decode(r.Rest()))
	if _, _, ok := shortSum(s); ok && r.Err() == nil {
		r.Fail(pack.ErrCanonical)
	}
}

// mergeRun adds n sums.
func (c *doubleSums) mergeRun(b []byte, into Slot, n int) ([]byte, error) {
	sum := &c.at[into].sum
	for range n {
		u, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, pack.ErrShort
		}
		b = b[k:]
		if u != notShort {
			f, ok := unshort(u)
			if !ok {
				return nil, pack.ErrCanonical
			}
			sum.Add(f)
			continue
		}
		var x exact.Float
		rest, err := x.Decode(b)
		if err != nil {
			return nil, err
		}
		b = rest
		sum.Merge(&x)
	}
	return b, nil
}

func (c *doubleExtremes) appendTiles(dst []byte, slots []Slot) []byte {
	for _, slot := range slots {
		dst = c.appendTile(dst, slot)
	}
	return dst
}

func (c *doubleExtremes) decodeTiles(r *pack.Reader, slots []Slot) {
	for _, slot := range slots {
		c.decodeTile(r, slot)
	}
}

func (c *doubleExtremes) appendTile(dst []byte, slot Slot) []byte {
	f := c.at[slot].v
	if n, p, ok := short(f); ok {
		return appendShort(dst, n, p)
	}
	return binary.LittleEndian.AppendUint64(append(dst, notShort), math.Float64bits(f))
}

func (c *doubleExtremes) decodeTile(r *pack.Reader, slot Slot) {
	x := &c.at[slot]
	u, ok := r.Uint(), false
	if u != notShort {
		x.v, ok = unshort(u)
	} else {
		x.v = math.Float64frombits(r.Uint64())
		_, _, isShort := short(x.v)
		ok = !isShort && !math.IsNaN(x.v) && !math.IsInf(x.v, 0)
	}
	if !ok {
		r.Fail(pack.ErrCanonical)
	}
}

// mergeRun takes n values.
func (c *doubleExtremes) mergeRun(b []byte, into Slot, n int) ([]byte, error) {
	x := &c.at[into]
	for range n {
		u, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, pack.ErrShort
		}
		b = b[k:]
		f, ok := 0.0, false
		if u != notShort {
			f, ok = unshort(u)
		} else if len(b) >= 8 {
			f, ok, b = math.Float64frombits(binary.LittleEndian.Uint64(b)), true, b[8:]
		}
		if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, pack.ErrCanonical
		}
		x.take(f)
	}
	return b, nil
}
