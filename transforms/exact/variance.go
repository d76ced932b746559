package exact

import "math/bits"

// Variance gives (n*squares - sum^2) / (n*m) rounded once to nearest even, where
// sum and squares are the exact sums of n values and of their squares, and m is
// n for the population and n-1 for a sample; m is above zero. ok is false beyond
// the range of float64.
func Variance(n, m int64, sum, squares *Float) (v float64, ok bool) {
	var b1, b2 [8]uint64
	m1, _ := sum.magnitude(b1[:0])
	m2, _ := squares.magnitude(b2[:0])
	s := moments{sum: m1, sumBase: int(sum.base), squares: m2, squaresBase: int(squares.base)}
	return s.variance(uint64(n), divisors{uint64(n), uint64(m)})
}

// VarianceInt is Variance for integers, or for decimals counted in units: each
// value is an integer divided by unit.
func VarianceInt(n, m int64, unit uint64, sum Int128, squares *Float) (v float64, ok bool) {
	var b2 [8]uint64
	hi, lo, _ := sum.magnitude()
	m2, _ := squares.magnitude(b2[:0])
	s := moments{sum: trim([]uint64{lo, hi}), squares: m2, squaresBase: int(squares.base)}
	d := divisors{uint64(n), uint64(m), unit, unit}
	return s.variance(uint64(n), d)
}

// moments are |sum| and the sum of squares as trimmed magnitudes, with the
// index of their lowest limbs.
type moments struct {
	sum, squares         []uint64
	sumBase, squaresBase int
}

func (s moments) variance(n uint64, d divisors) (v float64, ok bool) {
	if len(s.squares) == 0 {
		return 0, true // every value was zero
	}
	low := s.squaresBase
	top := s.squaresBase + len(s.squares) + 1
	if len(s.sum) > 0 {
		low = min(low, 2*s.sumBase)
		top = max(top, 2*(s.sumBase+len(s.sum)))
	}
	var buf [24]uint64
	var num []uint64
	if size := top - low; size <= len(buf) {
		num = buf[:size]
	} else {
		num = make([]uint64, size)
	}
	addProduct(num[s.squaresBase-low:], s.squares, n)
	if len(s.sum) > 0 && subSquare(num[2*s.sumBase-low:], s.sum) {
		return 0, false // not the moments of any values
	}
	return quotient(false, num, 64*low, d)
}

// addProduct adds a*by to dst, which is long enough.
func addProduct(dst, a []uint64, by uint64) {
	var carry uint64
	for i, v := range a {
		hi, lo := bits.Mul64(v, by)
		var c uint64
		lo, c = bits.Add64(lo, carry, 0)
		hi += c
		dst[i], c = bits.Add64(dst[i], lo, 0)
		carry = hi + c
	}
	for i := len(a); carry != 0 && i < len(dst); i++ {
		dst[i], carry = bits.Add64(dst[i], carry, 0)
	}
}

// subSquare takes a*a off dst and reports whether that went below zero.
func subSquare(dst, a []uint64) (negative bool) {
	for i, by := range a {
		if subProduct(dst[i:], a, by) {
			return true
		}
	}
	return false
}

// subProduct takes a*by off dst and reports whether that went below zero.
func subProduct(dst, a []uint64, by uint64) (negative bool) {
	var borrow uint64
	for i, v := range a {
		hi, lo := bits.Mul64(v, by)
		var b uint64
		lo, b = bits.Add64(lo, borrow, 0)
		hi += b
		dst[i], b = bits.Sub64(dst[i], lo, 0)
		borrow = hi + b
	}
	for i := len(a); borrow != 0; i++ {
		if i == len(dst) {
			return true
		}
		dst[i], borrow = bits.Sub64(dst[i], borrow, 0)
	}
	return false
}

// add adds a, which is not longer, to dst and reports a carry out of it.
func add(dst, a []uint64) (carry bool) {
	var c uint64
	for i := range dst {
		var v uint64
		if i < len(a) {
			v = a[i]
		}
		dst[i], c = bits.Add64(dst[i], v, c)
	}
	return c != 0
}
