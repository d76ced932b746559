package exact

import (
	"math/big"
	"math/bits"
)

// AddInt adds v/unit * 2^(e/h), rounded once: a term of an int64 (unit 1), or of a
// decimal by its unscaled integer and ten to its scale. w is NewWeight(e, h).
func (d *Decayed) AddInt(v int64, unit uint64, w *Weight) {
	age := d.reach(w.n >> eraBits)
	if age >= eras || v == 0 {
		return
	}
	m, p := w.scaleInt(magnitude64(v), unit)
	p += int(w.n & (eraTerms - 1))
	sh := uint(p & 63)
	d.sums[age].add2(p>>6, m<<sh, m>>(64-sh), uint64(v>>63))
}

// scaleInt gives v/unit * 2^f as m * 2^p, rounded to nearest even to the 53 bits
// of a double; v and unit are above zero.
func (w *Weight) scaleInt(v, unit uint64) (m uint64, p int) {
	s, u := bits.LeadingZeros64(v), bits.LeadingZeros64(unit)
	v, unit = v<<uint(s), unit<<uint(u)
	p = u - s - 64
	// The product is (carry:hi:lo) * 2^-64, and less than 34 units more: 32 for 2^f, one
	// for each part that is cut off.
	hi, lo, carry := v, uint64(0), uint64(0)
	if w.num != 0 {
		h1, l1 := bits.Mul64(v, w.fraction.hi)
		h0, _ := bits.Mul64(v, w.fraction.lo)
		var c uint64
		lo, c = bits.Add64(l1, h0, 0)
		hi, carry = bits.Add64(v, h1, c)
	}
	sticky := uint64(0) // of what is cut off here, where nothing else is
	for carry != 0 || hi >= unit {
		sticky |= lo & 1
		lo = lo>>1 | hi<<63
		hi = hi>>1 | carry<<63
		carry >>= 1
		p++
	}
	q, rest := bits.Div64(hi, lo, unit)
	if rest != 0 {
		sticky = 1
	}
	cut := uint(64 - mantissaBits - bits.LeadingZeros64(q))
	p += int(cut)
	m = q >> cut
	below, half := q&(1<<cut-1), uint64(1)<<(cut-1)
	switch {
	case w.num == 0: // a rational: it may lie in the middle
		if below > half || below == half && (sticky != 0 || m&1 == 1) {
			m++
		}
	case below+maxShort >= half && below < half || below+maxShort >= 1<<cut:
		return w.scaleIntBig(v, unit, u-s, 256) // the part that is missing may decide
	case below >= half:
		m++
	}
	return m, p
}

// maxShort bounds, in units of the quotient, how much scaleInt's product and
// divisions are too small: 35 units of the product over a divisor of 2^63.
const maxShort = 2

// scaleIntBig is scaleInt of v/unit * 2^exp * 2^f with as many digits as it takes,
// from prec bits. 2^f is irrational, so that there are no ties.
func (w *Weight) scaleIntBig(v, unit uint64, exp int, prec uint) (m uint64, p int) {
	numerator, denominator := new(big.Int).SetUint64(v), new(big.Int).SetUint64(unit)
	for {
		power := exp2Big(w.num, w.den, prec)
		m, p = round53(new(big.Int).Mul(power, numerator), denominator)
		m2, p2 := round53(power.Mul(power.Add(power, big.NewInt(exp2BigError)), numerator), denominator)
		if m == m2 && p == p2 {
			return m, p + exp - int(prec)
		}
		prec *= 2
	}
}

// round53 gives x/y, rounded down to many and then to nearest 53 bits, as m * 2^p.
// x is far longer than y.
func round53(x, y *big.Int) (m uint64, p int) {
	q := x.Quo(x, y)
	p = q.BitLen() - mantissaBits
	q.Add(q, new(big.Int).Lsh(big.NewInt(1), uint(p-1)))
	q.Rsh(q, uint(p))
	return q.Uint64(), p
}
