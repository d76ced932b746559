package exact

import (
	"math"
	"math/bits"
)

// inlineLimbs is how many limbs a Float holds without an allocation: 256 bits,
// which covers sums of numbers between 1e-19 and 1e19 and more.
const inlineLimbs = 4

// usualBase is the base that a Float prefers: its limbs then count from 2^-128 to
// the sign at 2^127, and sums with one base merge limb by limb.
const usualBase = -2

// Float is an exact sum of float64 values and of their powers: a superaccumulator
// in two's complement fixed point, of which only the limbs in use are kept (after
// Kulisch; Neal, "Fast exact summation using small and large superaccumulators",
// 2015, for the idea of a sparse one). The zero Float is the sum of nothing.
//
// State: 64 bytes, and a slice of up to 140 limbs for sums that span the whole
// range. Error: none. A Float in use must not be copied; merge it instead.
type Float struct {
	base int32 // limb i counts units of 2^(64*(base+i)); the last limb carries the sign
	n    int32 // limbs: 0 for the value zero, inlineLimbs, or more
	in   [inlineLimbs]uint64
	ext  []uint64 // holds the limbs where n > inlineLimbs
}

// Reset makes f the sum of nothing and keeps its memory.
func (f *Float) Reset() { f.n = 0 }

// Add adds x. NaN and the infinities are no numbers and are ignored: the caller
// has made null of them.
//
// This is the hot path: a normal number that falls into the inline limbs.
func (f *Float) Add(x float64) {
	b := math.Float64bits(x)
	e := int(b>>52) & 0x7ff
	p := e - 1075
	i := p>>6 - int(f.base)
	if uint(e-1) >= 0x7fe || f.n != inlineLimbs || uint(i) > inlineLimbs-2 {
		f.addAny(x)
		return
	}
	m := b&(1<<52-1) | 1<<52
	sh := uint(p) & 63
	f.addInline(i, m<<sh, m>>1>>(63-sh), uint64(int64(b)>>63))
}

// addInline adds (hi:lo) * 2^(64*(base+i)), i from 0 to 2, negated where s is all
// ones, to a sum in inline limbs; hi < 2^63. Each case is one chain of additions
// with carry, from the limb of x to the sign.
func (f *Float) addInline(i int, lo, hi, s uint64) {
	old := f.in[3]
	top := old
	lo, hi = lo^s, hi^s
	var c uint64
	switch i {
	case 0:
		f.in[0], c = bits.Add64(f.in[0], lo, s&1)
		f.in[1], c = bits.Add64(f.in[1], hi, c)
		f.in[2], c = bits.Add64(f.in[2], s, c)
		top, _ = bits.Add64(top, s, c)
	case 1:
		f.in[1], c = bits.Add64(f.in[1], lo, s&1)
		f.in[2], c = bits.Add64(f.in[2], hi, c)
		top, _ = bits.Add64(top, s, c)
	case 2:
		f.in[2], c = bits.Add64(f.in[2], lo, s&1)
		top, _ = bits.Add64(top, hi, c)
	}
	f.in[3] = top
	if (old^top)&(s^top)>>63 != 0 {
		f.push(s)
	}
}

// addAny is Add for any number and any sum.
func (f *Float) addAny(x float64) {
	m, p, ok := split(x)
	if !ok {
		return
	}
	sh := uint(p & 63)
	f.add2(p>>6, m<<sh, m>>(64-sh), signMask(x))
}

// Sub takes x away: the retraction of Add(x).
func (f *Float) Sub(x float64) { f.Add(-x) }

// split gives |x| = m * 2^p; ok is false for zero and for what is not finite.
func split(x float64) (m uint64, p int, ok bool) {
	b := math.Float64bits(x)
	e := int(b>>52) & 0x7ff
	m = b & (1<<52 - 1)
	switch e {
	case 0:
		return m, -1074, m != 0
	case 0x7ff:
		return 0, 0, false
	}
	return m | 1<<52, e - 1075, true
}

// signMask is all ones for a negative x, else zero.
func signMask(x float64) uint64 { return uint64(int64(math.Float64bits(x)) >> 63) }

// limbs is the live part of the number, least limb first.
func (f *Float) limbs() []uint64 {
	if f.n <= inlineLimbs {
		return f.in[:f.n]
	}
	return f.ext[:f.n]
}

// add2 adds (hi:lo) * 2^(64*idx), negated where s is all ones; hi < 2^63.
func (f *Float) add2(idx int, lo, hi, s uint64) {
	i := idx - int(f.base)
	if f.n == inlineLimbs && uint(i) <= inlineLimbs-2 {
		f.addInline(i, lo, hi, s)
		return
	}
	if lo == 0 && hi == 0 {
		return
	}
	f.reserve(idx, idx+1)
	i = idx - int(f.base)
	l := f.limbs()
	old := l[len(l)-1]
	var c uint64
	l[i], c = bits.Add64(l[i], lo^s, s&1)
	l[i+1], c = bits.Add64(l[i+1], hi^s, c)
	for j := i + 2; j < len(l); j++ {
		l[j], c = bits.Add64(l[j], s, c)
	}
	f.extendOnOverflow(old, s)
}

// add3 is add2 for three limbs; l2 < 2^63.
func (f *Float) add3(idx int, l0, l1, l2, s uint64) {
	f.reserve(idx, idx+2)
	i := idx - int(f.base)
	l := f.limbs()
	old := l[len(l)-1]
	var c uint64
	l[i], c = bits.Add64(l[i], l0^s, s&1)
	l[i+1], c = bits.Add64(l[i+1], l1^s, c)
	l[i+2], c = bits.Add64(l[i+2], l2^s, c)
	for j := i + 3; j < len(l); j++ {
		l[j], c = bits.Add64(l[j], s, c)
	}
	f.extendOnOverflow(old, s)
}

// extendOnOverflow appends a sign limb where an addition of sign s (its top bit)
// to a number whose top limb was old has changed the sign that it must keep.
func (f *Float) extendOnOverflow(old, s uint64) {
	top := f.limbs()[f.n-1]
	if (old^top)&(s^top)>>63 != 0 {
		f.push(uint64(int64(s) >> 63))
	}
}

// push appends a limb at the top.
func (f *Float) push(limb uint64) {
	if f.n == inlineLimbs {
		f.ext = append(f.ext[:0], f.in[:]...)
	}
	f.ext = append(f.ext[:f.n], limb)
	f.n++
}

// reserve makes f have limbs for every index from lo to hi.
func (f *Float) reserve(lo, hi int) {
	base := int(f.base)
	if f.n > 0 && lo >= base && hi < base+int(f.n) {
		return
	}
	if f.n == 0 {
		f.restart(lo, hi)
		return
	}
	if f.n == inlineLimbs {
		from, to := f.used()
		if to < from {
			f.restart(lo, hi) // zero
			return
		}
		if from, to = min(from, lo), max(to, hi); to-from < inlineLimbs {
			f.move(to - inlineLimbs + 1)
			return
		}
	}
	if down := base - lo; down > 0 {
		f.shiftUp(down)
	}
	for int(f.base)+int(f.n) <= hi {
		f.push(uint64(int64(f.limbs()[f.n-1]) >> 63))
	}
}

// restart makes f zero, with limbs from lo to hi.
func (f *Float) restart(lo, hi int) {
	f.n, f.in = inlineLimbs, [inlineLimbs]uint64{}
	f.base = usualBase
	if lo < usualBase || hi >= usualBase+inlineLimbs {
		f.base = int32(lo)
		for int(f.base)+int(f.n) <= hi {
			f.push(0)
		}
	}
}

// used gives the indexes of the lowest and highest limb that a number needs, its
// sign included; to is below from for zero.
func (f *Float) used() (from, to int) {
	l := f.limbs()
	n := len(l)
	for n > 1 && l[n-1] == uint64(int64(l[n-2])>>63) {
		n--
	}
	if n == 1 && l[0] == 0 {
		return 0, -1
	}
	low := 0
	for l[low] == 0 {
		low++
	}
	return int(f.base) + low, int(f.base) + n - 1
}

// move gives inline limbs another base, which leaves those in use within.
func (f *Float) move(base int) {
	var in [inlineLimbs]uint64
	sign := uint64(int64(f.in[inlineLimbs-1]) >> 63)
	d := base - int(f.base)
	for i := range in {
		switch j := i + d; {
		case j >= inlineLimbs:
			in[i] = sign
		case j >= 0:
			in[i] = f.in[j]
		}
	}
	f.in, f.base = in, int32(base)
}

// shiftUp puts k zero limbs below the lowest.
func (f *Float) shiftUp(k int) {
	old := int(f.n)
	for i := 0; i < k; i++ {
		f.push(0)
	}
	l := f.limbs()
	copy(l[k:], l[:old])
	clear(l[:k])
	f.base -= int32(k)
}

// Merge adds the sum o, which stays as it is; o must not be f.
func (f *Float) Merge(o *Float) { f.combine(o, 0) }

// Unmerge takes the sum o away: the retraction of Merge(o).
func (f *Float) Unmerge(o *Float) { f.combine(o, ^uint64(0)) }

// combine adds o, or its negation where flip is all ones.
func (f *Float) combine(o *Float, flip uint64) {
	if f.n != inlineLimbs || o.n != inlineLimbs || f.base != o.base {
		f.combineAny(o, flip)
		return
	}
	old := f.in[3]
	var c uint64
	f.in[0], c = bits.Add64(f.in[0], o.in[0]^flip, flip&1)
	f.in[1], c = bits.Add64(f.in[1], o.in[1]^flip, c)
	f.in[2], c = bits.Add64(f.in[2], o.in[2]^flip, c)
	top, _ := bits.Add64(old, o.in[3]^flip, c)
	f.in[3] = top
	if s := o.in[3] ^ flip; (old^top)&(s^top)>>63 != 0 {
		f.push(uint64(int64(s) >> 63))
	}
}

// combineAny is combine for any two sums.
func (f *Float) combineAny(o *Float, flip uint64) {
	from, to := 0, -1
	if o.n > 0 {
		from, to = o.used()
	}
	if to < from {
		return
	}
	f.reserve(from, to)
	l := f.limbs()
	src := o.limbs()[from-int(o.base) : to-int(o.base)+1]
	i := from - int(f.base)
	old := l[len(l)-1]
	c := flip & 1
	for _, v := range src {
		l[i], c = bits.Add64(l[i], v^flip, c)
		i++
	}
	s := uint64(int64(src[len(src)-1])>>63) ^ flip
	for ; i < len(l); i++ {
		l[i], c = bits.Add64(l[i], s, c)
	}
	f.extendOnOverflow(old, s)
}

// Negate makes f its negation.
func (f *Float) Negate() {
	if f.n == 0 {
		return
	}
	l := f.limbs()
	old := l[len(l)-1]
	c := uint64(1)
	for i, v := range l {
		l[i], c = bits.Add64(^v, 0, c)
	}
	if top := l[len(l)-1]; old>>63 == 1 && top>>63 == 1 {
		f.push(0) // the least number of this length has no negation of this length
	}
}

// IsZero reports whether the sum is zero.
func (f *Float) IsZero() bool {
	for _, v := range f.limbs() {
		if v != 0 {
			return false
		}
	}
	return true
}

// magnitude appends |f| to buf, least limb first, without zero limbs at the top.
func (f *Float) magnitude(buf []uint64) (mag []uint64, neg bool) {
	mag = buf
	mag = append(mag, f.limbs()...)
	if len(mag) > 0 && mag[len(mag)-1]>>63 == 1 {
		neg = true
		c := uint64(1)
		for i, v := range mag {
			mag[i], c = bits.Add64(^v, 0, c)
		}
	}
	return trim(mag), neg
}

// Round gives the sum rounded once to the nearest float64, ties to even. ok is
// false where that lies beyond the range of float64.
func (f *Float) Round() (sum float64, ok bool) {
	var buf [8]uint64
	mag, neg := f.magnitude(buf[:0])
	return round(neg, mag, 64*int(f.base), false)
}
