package exact

import "math/bits"

// wide is a number (-1 where neg)*mag * 2^(64*base) of any length, with a trimmed
// magnitude. Its limbs belong to an arena, or to the sum that it was taken from.
type wide struct {
	mag  []uint64
	base int
	neg  bool
}

// arena hands out limbs, from its own memory while that lasts: results of the
// usual size cost no allocation. It must not move while its limbs are in use.
type arena struct {
	limbs [384]uint64
	used  int
}

func (a *arena) take(n int) []uint64 {
	if n > len(a.limbs)-a.used {
		return make([]uint64, n)
	}
	a.used += n
	return a.limbs[a.used-n : a.used : a.used]
}

// sum gives the value of f.
func (a *arena) sum(f *Float) wide {
	mag, neg := f.magnitude(a.take(int(f.n))[:0])
	return wide{mag: mag, base: int(f.base), neg: neg}
}

// integer gives the value of s.
func (a *arena) integer(s Int128) wide {
	hi, lo, neg := s.magnitude()
	mag := a.take(2)
	mag[0], mag[1] = lo, hi
	return wide{mag: trim(mag), neg: neg}
}

// scale gives x * by.
func (a *arena) scale(x wide, by uint64) wide {
	mag := a.take(len(x.mag) + 1)
	clear(mag)
	addProduct(mag, x.mag, by)
	return wide{mag: trim(mag), base: x.base, neg: x.neg}
}

// product gives x * y.
func (a *arena) product(x, y wide) wide {
	mag := a.take(len(x.mag) + len(y.mag))
	clear(mag)
	for i, by := range y.mag {
		addProduct(mag[i:], x.mag, by)
	}
	return wide{mag: trim(mag), base: x.base + y.base, neg: x.neg != y.neg}
}

// plus gives x + y.
func (a *arena) plus(x, y wide) wide {
	if len(x.mag) == 0 {
		return y
	}
	if len(y.mag) == 0 {
		return x
	}
	low := min(x.base, y.base)
	top := max(x.base+len(x.mag), y.base+len(y.mag))
	x, y = a.spread(x, low, top), a.spread(y, low, top)
	if x.neg == y.neg {
		var c uint64
		for i, v := range y.mag {
			x.mag[i], c = bits.Add64(x.mag[i], v, c)
		}
		x.mag = trim(x.mag)
		return x
	}
	if less(x.mag, y.mag) {
		x, y = y, x
	}
	var b uint64
	for i, v := range y.mag {
		x.mag[i], b = bits.Sub64(x.mag[i], v, b)
	}
	x.mag = trim(x.mag)
	return x
}

// minus gives x - y.
func (a *arena) minus(x, y wide) wide {
	y.neg = !y.neg
	return a.plus(x, y)
}

// spread copies x into limbs low to top, with one more for a carry.
func (a *arena) spread(x wide, low, top int) wide {
	mag := a.take(top - low + 1)
	clear(mag)
	copy(mag[x.base-low:], x.mag)
	return wide{mag: mag, base: low, neg: x.neg}
}

// less compares two magnitudes of one length.
func less(x, y []uint64) bool {
	for i := len(x) - 1; i >= 0; i-- {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}
