package exact

import "math/bits"

// Int128 is an exact sum of int64 values: a signed 128-bit integer, which no sum
// of fewer than 2^63 of them can leave. The zero value is the sum of nothing.
type Int128 struct {
	hi int64
	lo uint64
}

// Add adds n.
func (s *Int128) Add(n int64) { s.Merge(Int128{hi: n >> 63, lo: uint64(n)}) }

// Sub takes n away: the retraction of Add(n).
func (s *Int128) Sub(n int64) { s.Unmerge(Int128{hi: n >> 63, lo: uint64(n)}) }

// Merge adds the sum o.
func (s *Int128) Merge(o Int128) {
	var c uint64
	s.lo, c = bits.Add64(s.lo, o.lo, 0)
	hi, _ := bits.Add64(uint64(s.hi), uint64(o.hi), c)
	s.hi = int64(hi)
}

// Unmerge takes the sum o away.
func (s *Int128) Unmerge(o Int128) {
	var b uint64
	s.lo, b = bits.Sub64(s.lo, o.lo, 0)
	hi, _ := bits.Sub64(uint64(s.hi), uint64(o.hi), b)
	s.hi = int64(hi)
}

// Int64 gives the sum; ok is false where it is out of the range of int64.
func (s Int128) Int64() (n int64, ok bool) {
	return int64(s.lo), s.hi == int64(s.lo)>>63
}

// magnitude is |s|.
func (s Int128) magnitude() (hi, lo uint64, neg bool) {
	hi, lo = uint64(s.hi), s.lo
	if s.hi < 0 {
		var c uint64
		lo, c = bits.Add64(^lo, 0, 1)
		return ^hi + c, lo, true
	}
	return hi, lo, false
}
