package oracle

import (
	"math"
	"math/big"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

const (
	eraLength = 1024 // half-lives
	eras      = 3    // how many count: the newest that an input is of, and those before it
	precision = 320  // bits of a power of two
	double53  = 53   // bits of a double
)

// decayed is an exponentially weighted sum, count or mean at the read time.
//
// Each input is weighed against 1970: with e/h = n + f, n whole and 0 <= f < 1,
// its term is the exact x * 2^f rounded once to 53 bits, times 2^n. The terms are
// summed exactly, all over one power of two that keeps the numbers small. At t
// the product of the sum and 2^-(t/h) is rounded once, to a double. A mean is the
// quotient of the two exact sums, rounded once.
//
// Of the terms only those of the newest era and of the two before it count: an
// older one weighs less than 2^-1024 of the newest.
func (k *knowledge) decayed(f *window.Feature, rows []*event) featurestore.Cell {
	newest := int64(math.MinInt64)
	for _, x := range rows {
		newest = max(newest, eraOf(x, f.Call.HalfLife))
	}
	sum, count := new(big.Rat), new(big.Rat)
	for _, x := range rows {
		if eraOf(x, f.Call.HalfLife) <= newest-eras {
			continue
		}
		one := big.NewRat(1, 1)
		in := one
		if f.Input >= 0 {
			in = exact(f, x.Inputs[f.Input])
		}
		sum.Add(sum, k.term(in, x, f.Call.HalfLife, newest*eraLength))
		count.Add(count, k.term(one, x, f.Call.HalfLife, newest*eraLength))
	}
	if f.Call.Func == "ewm_avg" {
		return double(sum.Quo(sum, count))
	}
	n, part := split(-int64(k.at), f.Call.HalfLife)
	if n += newest * eraLength; n < -10_000 {
		return present(featurestore.DoubleValue(0)) // far below the least double
	}
	weight, _ := shifted(k.power(part, f.Call.HalfLife), n).Rat(nil)
	return double(sum.Mul(sum, weight))
}

// split writes t/h as a whole number and a rest of less than h.
func split(t int64, h featurestore.Duration) (n int64, rest featurestore.Duration) {
	n = int64(floor(featurestore.Instant(t), h)) / int64(h)
	return n, featurestore.Duration(t - n*int64(h))
}

func eraOf(x *event, h featurestore.Duration) int64 {
	n, _ := split(int64(x.Time), h)
	return int64(floor(featurestore.Instant(n), eraLength)) / eraLength
}

// term is the weighed input of an event, over 2^base.
func (k *knowledge) term(in *big.Rat, x *event, h featurestore.Duration, base int64) *big.Rat {
	n, part := split(int64(x.Time), h)
	weight, _ := k.power(part, h).Rat(nil)
	product := new(big.Rat).Mul(in, weight)
	rounded := new(big.Float).SetPrec(double53).SetRat(product)
	term, _ := shifted(rounded, n-base).Rat(nil)
	return term
}

// shifted is x * 2^n.
func shifted(x *big.Float, n int64) *big.Float {
	return new(big.Float).SetMantExp(x, int(n))
}

// powers keeps 2^f for the fractions that were asked for: it is the one slow
// thing here.
type powers map[fraction]*big.Float

type fraction struct{ part, of featurestore.Duration }

// power is 2^(part/of), 0 <= part < of, to about 300 bits: the series of
// exp(part/of * ln 2).
func (k *knowledge) power(part, of featurestore.Duration) *big.Float {
	if p := k.entity.powers[fraction{part, of}]; p != nil {
		return p
	}
	y := real(int64(part))
	y.Mul(y, ln2())
	y.Quo(y, real(int64(of)))
	total, term := real(1), real(1)
	for i := int64(1); term.Sign() != 0 && term.MantExp(nil) > -precision; i++ {
		term.Mul(term, y)
		term.Quo(term, real(i))
		total.Add(total, term)
	}
	k.entity.powers[fraction{part, of}] = total
	return total
}

func real(n int64) *big.Float { return new(big.Float).SetPrec(precision).SetInt64(n) }

// ln2 is the natural logarithm of 2, to 100 digits.
func ln2() *big.Float {
	const digits = "0.6931471805599453094172321214581765680755001343602552541206800094933936219696947156058633269964186875"
	v, _, err := big.ParseFloat(digits, 10, precision, big.ToNearestEven)
	if err != nil {
		panic(err) // a constant
	}
	return v
}
