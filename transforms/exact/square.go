package exact

import "math/bits"

// AddSquare adds x*x without rounding, also where the square lies beyond the
// range of float64 on either side. What is not finite is ignored.
func (f *Float) AddSquare(x float64) { f.addSquare(x, 0) }

// SubSquare takes x*x away: the retraction of AddSquare(x).
func (f *Float) SubSquare(x float64) { f.addSquare(x, ^uint64(0)) }

func (f *Float) addSquare(x float64, s uint64) {
	m, p, ok := split(x)
	if !ok {
		return
	}
	hi, lo := bits.Mul64(m, m) // below 2^106
	p *= 2
	sh := uint(p & 63)
	f.add3(p>>6, lo<<sh, hi<<sh|lo>>(64-sh), hi>>(64-sh), s)
}

// AddSquareInt adds n*n.
func (f *Float) AddSquareInt(n int64) { f.addSquareInt(n, 0) }

// SubSquareInt takes n*n away: the retraction of AddSquareInt(n).
func (f *Float) SubSquareInt(n int64) { f.addSquareInt(n, ^uint64(0)) }

func (f *Float) addSquareInt(n int64, s uint64) {
	if n == 0 {
		return
	}
	m := magnitude64(n)
	hi, lo := bits.Mul64(m, m) // at most 2^126
	f.add2(0, lo, hi, s)
}

// magnitude64 is |n|, also of the least int64.
func magnitude64(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}
