package exact

import (
	"math/big"
	"math/bits"
)

// Value gives the sum as it weighs at an instant t, S * 2^(-t/h), rounded once to
// nearest even; at is NewWeight(-t, h). ok is false beyond the range of double.
//
// Error: half a unit in the last place from here, and half of one from each term.
func (d *Decayed) Value(at *Weight) (v float64, ok bool) {
	var a arena
	s := d.total(&a)
	n := bitLen(s.mag)
	if n == 0 {
		return 0, true
	}
	exp := d.newest<<eraBits + at.n + int64(limbLen*s.base)
	switch {
	case exp+int64(n) > 1100:
		return 0, false
	case exp+int64(n) < -1200:
		return 0, true
	case at.num == 0:
		return round(s.neg, s.mag, int(exp), false)
	}
	return at.scaleWide(s, int(exp))
}

// scaleWide gives s.mag * 2^f * 2^exp, rounded once: from the top 128 bits of the
// sum between a lower and an upper bound, or with as many digits as it takes. f is
// not zero, so the product is irrational: never a tie.
func (w *Weight) scaleWide(s wide, exp int) (v float64, ok bool) {
	top, cut := topBits(s.mag)
	p := w.fraction.wideProduct(top)
	exp += cut - 128
	lo, okLo := round(s.neg, p[:], exp, true)
	// Missing: less than 1 of the sum's 128 bits, times 2^f, and 32 units of 2^f,
	// times 2^128; in units of 2^-128 less than 2^129 + 2^133.
	var c uint64
	p[2], c = bits.Add64(p[2], 1<<6, 0)
	p[3], c = bits.Add64(p[3], 0, c)
	p[4] += c
	hi, okHi := round(s.neg, p[:], exp, false)
	if lo == hi && okLo == okHi {
		return lo, okLo
	}
	return w.scaleWideBig(s, exp-cut+128, 512)
}

// topBits gives the top 128 bits of a magnitude, shifted up where it is shorter,
// and the exponent of their lowest.
func topBits(mag []uint64) (top fraction, cut int) {
	cut = bitLen(mag) - 128
	if cut >= 0 {
		return fraction{bitsAt(mag, cut+64), bitsAt(mag, cut)}, cut
	}
	var pad [4]uint64
	copy(pad[2:], mag)
	cut += 128 // the length of mag, below 128; pad has two limbs below it
	return fraction{bitsAt(pad[:], cut+64), bitsAt(pad[:], cut)}, cut - 128
}

// wideProduct gives x * (1 + a) of the integer x and the fraction a, in units of
// 2^-128.
func (a fraction) wideProduct(x fraction) (p [5]uint64) {
	fl := [2]uint64{a.lo, a.hi}
	addProduct(p[:], fl[:], x.lo)
	addProduct(p[1:], fl[:], x.hi)
	var c uint64
	p[2], c = bits.Add64(p[2], x.lo, 0)
	p[3], c = bits.Add64(p[3], x.hi, c)
	p[4] += c
	return p
}

// scaleWideBig is scaleWide with long integers, from prec bits.
func (w *Weight) scaleWideBig(s wide, exp int, prec uint) (v float64, ok bool) {
	m := new(big.Int)
	for i := len(s.mag) - 1; i >= 0; i-- {
		m.Lsh(m, limbLen).Or(m, new(big.Int).SetUint64(s.mag[i]))
	}
	m.Lsh(m, limbLen) // round wants more than 64 bits
	for {
		p := exp2Big(w.num, w.den, prec)
		lo := new(big.Int).Mul(m, p)
		hi := p.Mul(p.Add(p, big.NewInt(exp2BigError)), m)
		e := exp - limbLen - int(prec)
		x, okX := round(s.neg, limbsOf(lo), e, true)
		y, okY := round(s.neg, limbsOf(hi), e, false)
		if x == y && okX == okY {
			return x, okX
		}
		prec *= 2
	}
}

func limbsOf(v *big.Int) []uint64 {
	b := v.Bytes() // the highest first
	l := make([]uint64, (len(b)+7)/8)
	for i := range b {
		l[i/8] |= uint64(b[len(b)-1-i]) << (8 * (i % 8))
	}
	return l
}

// Ratio gives d / o rounded once to nearest even: the mean of a sum of terms over
// the sum of their weights, at any instant. ok is false where o is not above zero
// or the ratio is beyond the range of double.
func (d *Decayed) Ratio(o *Decayed) (v float64, ok bool) {
	var a arena
	num, den := d.total(&a), o.total(&a)
	if len(den.mag) == 0 || den.neg {
		return 0, false
	}
	if len(num.mag) == 0 {
		return 0, true
	}
	apart := max(-16, min(16, d.newest-o.newest)) // what is further apart is out of range as well
	return a.quotient(num, den, int(apart)*eraTerms)
}

// quotient gives num / den * 2^exp, rounded once: one step of long division
// (Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D) on operands that
// are shifted to give 63 or 64 bits.
func (a *arena) quotient(num, den wide, exp int) (v float64, ok bool) {
	exp += limbLen * (num.base - den.base)
	ln, ld := bitLen(num.mag), bitLen(den.mag)
	up := ld + 63 - ln
	n, m := max(up, 0), max(-up, 0)
	norm := (limbLen - (ld+m)%limbLen) % limbLen // makes the top bit of den that of a limb
	x, y := trim(a.shifted(num.mag, n+norm)), trim(a.shifted(den.mag, m+norm))
	q, _ := bits.Div64(x[len(y)], x[len(y)-1], y[len(y)-1]) // at most 2 too great
	for below := subProduct(x, y, q); below; q-- {
		below = !add(x, y)
	}
	return round(num.neg != den.neg, []uint64{0, q}, exp-up-limbLen, len(trim(x)) > 0)
}

// shifted gives mag << n.
func (a *arena) shifted(mag []uint64, n int) []uint64 {
	out := a.take(len(mag) + n/limbLen + 1)
	clear(out)
	low, sh := n/limbLen, uint(n%limbLen)
	for i, v := range mag {
		out[low+i] |= v << sh
		out[low+i+1] |= v >> (limbLen - sh)
	}
	return out
}
