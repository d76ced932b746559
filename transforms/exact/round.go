package exact

import (
	"math"
	"math/bits"
)

const (
	mantissaBits  = 53
	leastExponent = -1074 // of the lowest bit of a subnormal
)

// trim cuts zero limbs off the top.
func trim(mag []uint64) []uint64 {
	for len(mag) > 0 && mag[len(mag)-1] == 0 {
		mag = mag[:len(mag)-1]
	}
	return mag
}

// bitLen is the length of a trimmed magnitude in bits.
func bitLen(mag []uint64) int {
	if len(mag) == 0 {
		return 0
	}
	return 64*(len(mag)-1) + bits.Len64(mag[len(mag)-1])
}

// round gives (mag + r) * 2^exp rounded to nearest even, where 0 < r < 1 iff
// sticky; a sticky magnitude must have more than 64 bits. ok is false where the
// result is beyond the range of float64.
func round(neg bool, mag []uint64, exp int, sticky bool) (f float64, ok bool) {
	mag = trim(mag)
	n := bitLen(mag)
	if n == 0 {
		return 0, true
	}
	lsb := max(exp+n-mantissaBits, leastExponent)
	if lsb+mantissaBits > 1100 {
		return 0, false
	}
	m := mantissa(mag, lsb-exp, sticky)
	f = math.Ldexp(float64(m), lsb)
	if math.IsInf(f, 0) {
		return 0, false
	}
	if f != 0 && neg { // an underflow to zero is +0.0
		f = -f
	}
	return f, true
}

// mantissa drops the lowest bits of mag, rounding to nearest even; a negative
// drop appends zero bits.
func mantissa(mag []uint64, drop int, sticky bool) uint64 {
	if drop <= 0 {
		return mag[0] << uint(-drop) // at most 53 bits by the choice of drop
	}
	m := bitsAt(mag, drop)
	half := bitsAt(mag, drop-1)&1 == 1
	if half && (m&1 == 1 || sticky || anyBelow(mag, drop-1)) {
		m++
	}
	return m
}

// bitsAt gives the 64 bits of mag from bit pos upwards.
func bitsAt(mag []uint64, pos int) uint64 {
	i, sh := pos>>6, uint(pos&63)
	var v uint64
	if i < len(mag) {
		v = mag[i] >> sh
	}
	if i+1 < len(mag) {
		v |= mag[i+1] << (64 - sh)
	}
	return v
}

// anyBelow reports whether a bit below pos is set.
func anyBelow(mag []uint64, pos int) bool {
	for i, v := range mag {
		if 64*(i+1) > pos {
			rest := pos - 64*i
			return rest > 0 && v<<uint(64-rest) != 0
		}
		if v != 0 {
			return true
		}
	}
	return false
}
