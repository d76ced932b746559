package exact

import (
	"math/big"
	"math/bits"
)

// Weight is 2^(at/half), the growth of exponential decay: a term of an event at
// time e counts x * 2^(e/half), and reading at t multiplies by 2^(-t/half). It is
// worked out once and serves every value of an event.
type Weight struct {
	n        int64    // floor(at/half)
	fraction fraction // 2^f - 1 with f = at/half - n, less than 32 units too small
	num, den uint64   // f as a fraction; num is 0 iff f is
}

// NewWeight gives 2^(at/half), of two durations in one unit; half is above zero and
// at/half below 2^60 in size.
func NewWeight(at, half int64) Weight {
	n, num := at/half, at%half
	if num < 0 {
		n, num = n-1, num+half
	}
	w := Weight{n: n, num: uint64(num), den: uint64(half)}
	if num != 0 {
		w.fraction = exp2(w.num, w.den)
	}
	return w
}

// scale gives m * 2^f as m2 * 2^up, rounded to nearest even to the 53 bits of a
// double; m has 53 bits. 2^f is irrational unless f is 0, so there are no ties,
// and enough digits always decide.
func (w *Weight) scale(m uint64) (m2 uint64, up int) {
	if w.num == 0 {
		return m, 0
	}
	// The product is (p2:p1) * 2^-64 and less than a unit more, for what is cut off of
	// it and of 2^f (32 * 2^53 units of 2^-128).
	h, _ := bits.Mul64(m, w.fraction.lo)
	p2, p1 := bits.Mul64(m, w.fraction.hi)
	p1, c := bits.Add64(p1, h, 0)
	p2 += m + c
	rest := p1 // behind the 53 bits
	if p2>>mantissaBits != 0 {
		rest = p2<<63 | p1>>1
		p2, up = p2>>1, 1
	}
	switch {
	case rest >= 1<<63:
		return p2 + 1, up
	case rest == 1<<63-1:
		return w.scaleBig(m, up, 256), up // the part that is missing may reach one half
	}
	return p2, up
}

// scaleBig is scale with as many digits as it takes, from prec bits.
func (w *Weight) scaleBig(m uint64, up int, prec uint) uint64 {
	for {
		p := exp2Big(w.num, w.den, prec)
		lo := new(big.Int).Mul(p, new(big.Int).SetUint64(m))
		hi := new(big.Int).Mul(p.Add(p, big.NewInt(exp2BigError)), new(big.Int).SetUint64(m))
		half := new(big.Int).Lsh(big.NewInt(1), prec+uint(up)-1)
		lo.Rsh(lo.Add(lo, half), prec+uint(up))
		hi.Rsh(hi.Add(hi, half), prec+uint(up))
		if lo.Cmp(hi) == 0 {
			return lo.Uint64()
		}
		prec *= 2
	}
}
