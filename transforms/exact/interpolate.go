package exact

import "math/bits"

// Rank gives the place (n - 1) * num / den of a quantile among n values, as the
// index of the value at or below it and the share rest/den of the way to the
// next. num/den is from 0 to 1; n is above zero.
func Rank(n int64, num, den uint64) (index int64, rest uint64) {
	hi, lo := bits.Mul64(uint64(n-1), num)
	q, rest := bits.Div64(hi, lo, den)
	return int64(q), rest
}

// Interpolate gives lo + (hi - lo) * num/den, computed exactly and rounded once
// to nearest even. num/den is from 0 to 1, and den below 2^62. What is rounded
// lies between lo and hi, so it is always in range.
func Interpolate(lo, hi float64, num, den uint64) float64 {
	if num == 0 || lo == hi {
		return lo + 0 // -0.0 + 0 is +0.0
	}
	var f Float
	f.addScaled(lo, den-num)
	f.addScaled(hi, num)
	v, _ := f.Mean(int64(den))
	return v
}

// addScaled adds x * by, by below 2^62.
func (f *Float) addScaled(x float64, by uint64) {
	m, p, ok := split(x)
	if !ok || by == 0 {
		return
	}
	low := bits.TrailingZeros64(m)
	l := powerLimbs{m >> uint(low)}
	p += low
	l.scale(by)
	l.scale(1 << uint(p&63))
	f.addLimbs(p>>6, &l, signMask(x))
}

// InterpolateInt is Interpolate for integers, or for decimals counted in units:
// the result is divided by unit.
func InterpolateInt(lo, hi int64, num, den, unit uint64) float64 {
	var s Int128
	s.addProduct(lo, den-num)
	s.addProduct(hi, num)
	return s.Mean(int64(den), unit)
}

// addProduct adds n * by; the sum fits.
func (s *Int128) addProduct(n int64, by uint64) {
	hi, lo := bits.Mul64(magnitude64(n), by)
	p := Int128{hi: int64(hi), lo: lo}
	if n < 0 {
		s.Unmerge(p)
	} else {
		s.Merge(p)
	}
}
