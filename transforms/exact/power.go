package exact

import "math/bits"

// AddCube adds x*x*x without rounding, also where that lies beyond the range of
// float64 on either side. What is not finite is ignored.
func (f *Float) AddCube(x float64) { f.addPower(x, 3, 0) }

// SubCube takes x*x*x away: the retraction of AddCube(x).
func (f *Float) SubCube(x float64) { f.addPower(x, 3, ^uint64(0)) }

// AddFourth adds the fourth power of x without rounding.
func (f *Float) AddFourth(x float64) { f.addPower(x, 4, 0) }

// SubFourth takes the fourth power of x away.
func (f *Float) SubFourth(x float64) { f.addPower(x, 4, ^uint64(0)) }

// AddCubeInt adds n*n*n.
func (f *Float) AddCubeInt(n int64) { f.addPowerInt(n, 3, 0) }

// SubCubeInt takes n*n*n away.
func (f *Float) SubCubeInt(n int64) { f.addPowerInt(n, 3, ^uint64(0)) }

// AddFourthInt adds the fourth power of n.
func (f *Float) AddFourthInt(n int64) { f.addPowerInt(n, 4, 0) }

// SubFourthInt takes the fourth power of n away.
func (f *Float) SubFourthInt(n int64) { f.addPowerInt(n, 4, ^uint64(0)) }

// addPower adds the k-th power of x, 3 or 4, negated where s is all ones.
func (f *Float) addPower(x float64, k int, s uint64) {
	m, p, ok := split(x)
	if !ok {
		return
	}
	low := bits.TrailingZeros64(m) // short numbers have short powers
	m, p = m>>uint(low), (p+low)*k
	if k == 3 {
		s ^= signMask(x)
	}
	l := power(m, k, uint(p&63))
	f.addLimbs(p>>6, &l, s)
}

func (f *Float) addPowerInt(n int64, k int, s uint64) {
	if n == 0 {
		return
	}
	if k == 3 {
		s ^= uint64(n >> 63)
	}
	l := power(magnitude64(n), k, 0)
	f.addLimbs(0, &l, s)
}

// powerLimbs holds the fourth power of an integer below 2^53 shifted by up to 63
// bits, and that of one up to 2^63, with room for a sign.
type powerLimbs [5]uint64

// power is m^k << shift, k 3 or 4; m is below 2^53, or at most 2^63 with no shift.
func power(m uint64, k int, shift uint) (l powerLimbs) {
	hi, lo := bits.Mul64(m, m)
	if k == 3 {
		l[1], l[0] = bits.Mul64(lo, m)
		h, t := bits.Mul64(hi, m)
		var c uint64
		l[1], c = bits.Add64(l[1], t, 0)
		l[2] = h + c
	} else {
		l[1], l[0] = bits.Mul64(lo, lo)
		l[3], l[2] = bits.Mul64(hi, hi)
		h, t := bits.Mul64(lo, hi)
		for range 2 { // lo*hi comes twice
			var c uint64
			l[1], c = bits.Add64(l[1], t, 0)
			l[2], c = bits.Add64(l[2], h, c)
			l[3] += c
		}
	}
	if shift != 0 {
		l[4] = l[3] >> (64 - shift)
		l[3] = l[3]<<shift | l[2]>>(64-shift)
		l[2] = l[2]<<shift | l[1]>>(64-shift)
		l[1] = l[1]<<shift | l[0]>>(64-shift)
		l[0] <<= shift
	}
	return l
}

// scale multiplies by a number; the product fits.
func (l *powerLimbs) scale(by uint64) {
	var carry uint64
	for i, v := range l {
		hi, lo := bits.Mul64(v, by)
		var c uint64
		l[i], c = bits.Add64(lo, carry, 0)
		carry = hi + c
	}
}

// addLimbs adds l * 2^(64*idx), negated where s is all ones.
func (f *Float) addLimbs(idx int, l *powerLimbs, s uint64) {
	n := len(l)
	for n > 1 && l[n-1] == 0 && l[n-2]>>63 == 0 { // the top bit is the sign's
		n--
	}
	f.reserve(idx, idx+n-1)
	dst := f.limbs()
	old := dst[len(dst)-1]
	c := s & 1
	i := idx - int(f.base)
	for j := range n {
		dst[i], c = bits.Add64(dst[i], l[j]^s, c)
		i++
	}
	for ; i < len(dst); i++ {
		dst[i], c = bits.Add64(dst[i], s, c)
	}
	f.extendOnOverflow(old, s)
}
