package exact

import (
	"math/big"
	"math/bits"
)

// fraction is a number from 0 to 1, (hi:lo) * 2^-128. Its arithmetic is that of
// integers, so that every architecture gives the same, and it rounds down.
type fraction struct{ hi, lo uint64 }

// times gives the product.
func (a fraction) times(b fraction) fraction {
	low, _ := bits.Mul64(a.lo, b.lo)
	h1, l1 := bits.Mul64(a.hi, b.lo)
	h2, l2 := bits.Mul64(a.lo, b.hi)
	hi, lo := bits.Mul64(a.hi, b.hi)
	sum, c1 := bits.Add64(l1, l2, 0)
	_, c2 := bits.Add64(sum, low, 0)
	lo, c1 = bits.Add64(lo, h1, c1)
	hi += c1
	lo, c2 = bits.Add64(lo, h2, c2)
	return fraction{hi + c2, lo}
}

// plus gives the sum, which is below 1.
func (a fraction) plus(b fraction) fraction {
	lo, c := bits.Add64(a.lo, b.lo, 0)
	return fraction{a.hi + b.hi + c, lo}
}

// exp2 gives 2^(num/den) - 1, 0 <= num < den, less than 32 units of 2^-128 too
// small (one for each of f, ten products, two table entries and the series' end,
// and each of these is multiplied by less than 2):
// the exponent is cut into j/64 + k/4,096 + r, r < 2^-12, whose powers come from
// two tables and eight terms of the series (Tang's method, "Table-driven
// implementation of the exponential function", 1989).
func exp2(num, den uint64) fraction {
	hi, rem := bits.Div64(num, 0, den)
	lo, _ := bits.Div64(rem, 0, den)
	r := fraction{hi << 12 >> 12, lo}
	v := exp2Series[len(exp2Series)-1]
	for i := len(exp2Series) - 2; i >= 0; i-- {
		v = v.times(r).plus(exp2Series[i])
	}
	v = v.times(r)
	v = compound(v, exp2Fine[hi>>52&63])
	return compound(v, exp2Coarse[hi>>58])
}

// compound gives (1 + a) * (1 + b) - 1, which is below 1.
func compound(a, b fraction) fraction { return a.times(b).plus(a).plus(b) }

// exp2Big gives 2^(num/den) * 2^prec, 0 <= num < den, at most exp2BigError units
// too small: the series of the exponential and that of ln 2, in long integers. It
// decides the cases that exp2 is too short for.
func exp2Big(num, den uint64, prec uint) *big.Int {
	const guard = 64
	unit := new(big.Int).Lsh(big.NewInt(1), prec+guard)
	y := new(big.Int) // ln 2, the sum of 1 / (k * 2^k)
	for k := uint(1); k <= prec+guard; k++ {
		t := new(big.Int).Rsh(unit, k)
		y.Add(y, t.Quo(t, big.NewInt(int64(k))))
	}
	y.Mul(y, new(big.Int).SetUint64(num)).Quo(y, new(big.Int).SetUint64(den))
	sum, term := new(big.Int).Set(unit), new(big.Int).Set(unit)
	for k := int64(1); term.Sign() > 0; k++ {
		term.Mul(term, y).Rsh(term, prec+guard).Quo(term, big.NewInt(k))
		sum.Add(sum, term)
	}
	return sum.Rsh(sum, guard)
}

const exp2BigError = 2
