package exact

import "math/bits"

// Divisors of a quotient: their product divides. Each is above zero.
type divisors []uint64

// quotient gives mag * 2^exp / product(d), rounded once. ok is false beyond the
// range of float64. Dividing in steps keeps the floor: floor(floor(a/b)/c) is
// floor(a/(b*c)), and a remainder anywhere makes the rest non-zero.
func quotient(neg bool, mag []uint64, exp int, d divisors) (f float64, ok bool) {
	mag = trim(mag)
	if len(mag) == 0 {
		return 0, true
	}
	if by, ok := d.product(); ok {
		return quotientOne(neg, mag, exp, by)
	}
	var buf [32]uint64
	low := len(d) + 1 // leaves more than 64 bits after every division
	q := append(buf[:low], mag...)
	sticky := false
	for _, by := range d {
		if divide(q, by) != 0 {
			sticky = true
		}
	}
	return round(neg, q, exp-64*low, sticky)
}

// product multiplies the divisors; ok is false above 2^63.
func (d divisors) product() (p uint64, ok bool) {
	p = 1
	for _, by := range d {
		hi, lo := bits.Mul64(p, by)
		if hi != 0 || lo > 1<<63 {
			return 0, false
		}
		p = lo
	}
	return p, true
}

// quotientOne is quotient for one divisor up to 2^63: the top 128 bits of mag
// leave at least 65 of the quotient, and what is cut off shows as a remainder.
func quotientOne(neg bool, mag []uint64, exp int, by uint64) (f float64, ok bool) {
	if by == 1 {
		return round(neg, mag, exp, false)
	}
	top, cut := topBits(mag)
	hi, rem := bits.Div64(0, top.hi, by)
	lo, rem := bits.Div64(rem, top.lo, by)
	q := [2]uint64{lo, hi}
	return round(neg, q[:], exp+cut, rem != 0 || cut > 0 && anyBelow(mag, cut))
}

// divide replaces q by its quotient and gives the remainder.
func divide(q []uint64, by uint64) (rem uint64) {
	for i := len(q) - 1; i >= 0; i-- {
		q[i], rem = bits.Div64(rem, q[i], by)
	}
	return rem
}

// Mean gives sum/n rounded once to nearest even; n is above zero. ok is false
// beyond the range of float64, which only a sum that is no sum of n float64
// values can reach.
func (f *Float) Mean(n int64) (mean float64, ok bool) {
	var buf [8]uint64
	mag, neg := f.magnitude(buf[:0])
	return quotient(neg, mag, 64*int(f.base), divisors{uint64(n)})
}

// Mean gives sum/(n*unit) rounded once to nearest even. unit is 1, or ten to the
// scale of a decimal; n and unit are above zero.
func (s Int128) Mean(n int64, unit uint64) float64 {
	hi, lo, neg := s.magnitude()
	mag := [2]uint64{lo, hi}
	mean, _ := quotient(neg, mag[:], 0, divisors{uint64(n), unit})
	return mean
}
