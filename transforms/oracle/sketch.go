package oracle

import (
	"math"
	"math/big"
	"math/bits"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// The shape of HyperLogLog.
const (
	registerBits = 12
	registers    = 1 << registerBits
	maxRank      = 64 - registerBits + 1 // of a hash whose other bits are zero
)

// hyperLogLog estimates how many different values there are. A register is
// chosen by the first 12 bits of a hash and keeps the greatest rank, the place of
// the first one among the other 52. The estimator is algorithm 6 of Ertl, "New
// cardinality estimation algorithms for HyperLogLog sketches", 2017, in doubles.
func hyperLogLog(xs []featurestore.Value) int64 {
	rank := map[uint64]int{}
	for _, x := range xs {
		h := hash(x)
		rest := h << registerBits
		rank[h>>(64-registerBits)] = max(rank[h>>(64-registerBits)], min(bits.LeadingZeros64(rest)+1, maxRank))
	}
	held := make([]float64, maxRank+1) // how many registers have a rank
	held[0] = float64(registers - len(rank))
	for _, r := range rank {
		held[r]++
	}
	const m = float64(registers)
	z := m * tau(1-held[maxRank]/m)
	for r := maxRank - 1; r >= 1; r-- {
		z = 0.5 * (z + held[r])
	}
	z += float64(m * sigma(held[0]/m))
	estimate := math.RoundToEven(0.5 / math.Ln2 * m * m / z)
	if estimate >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(estimate)
}

// sigma is x + sum over k >= 1 of x^(2^k) 2^(k-1).
func sigma(x float64) float64 {
	sum, weight := x, 1.0
	for last := math.NaN(); sum != last && !math.IsInf(sum, 0); {
		last = sum
		x *= x
		sum += float64(x * weight)
		weight += weight
	}
	return sum
}

// tau is (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 2^-k) / 3.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	sum, weight := 1-x, 1.0
	for last := math.NaN(); sum != last; {
		last = sum
		x = math.Sqrt(x)
		weight = 0.5 * weight
		sum -= float64(float64((1-x)*(1-x)) * weight)
	}
	return sum / 3
}

// The shape of DDSketch.
const (
	binsPerOctave = 35
	maxBins       = 2048
	fractionBits  = 52
)

// ddSketch estimates the value with a rank: the middle of its bin, where the
// values of each sign that lie more than maxBins - 1 bins below the greatest
// bin, by their size, count in the lowest of these.
func ddSketch(f *window.Feature, xs []featurestore.Value, rank int) float64 {
	greatest := map[int]int{}
	var doubles []float64
	for _, x := range xs {
		v, _ := exact(f, x).Float64()
		doubles = append(doubles, v)
		if v != 0 {
			sign := signOf(v)
			if old, seen := greatest[sign]; !seen || bin(math.Abs(v)) > old {
				greatest[sign] = bin(math.Abs(v))
			}
		}
	}
	slices.Sort(doubles)
	v := doubles[rank]
	if v == 0 {
		return 0
	}
	sign := signOf(v)
	return float64(sign) * middle(max(bin(math.Abs(v)), greatest[sign]-maxBins+1))
}

func signOf(v float64) int {
	if v < 0 {
		return -1
	}
	return 1
}

// bin numbers the bins: x = 2^e (1 + s) is in 35 e + floor(6 s^3 - 21 s^2 + 50 s).
func bin(x float64) int {
	fraction, exponent := math.Frexp(x) // x = fraction * 2^exponent, 1/2 <= fraction < 1
	s := uint64((2*fraction - 1) * (1 << fractionBits))
	return (exponent-1)*binsPerOctave + binOf(s)
}

// binOf is the bin of s within its power of two, s in units of 2^-52.
func binOf(units uint64) int {
	one := new(big.Int).Lsh(big.NewInt(1), fractionBits)
	s := new(big.Int).SetUint64(units)
	// ((6 s - 21) s + 50) s with each term over one cubed.
	v := new(big.Int).Mul(s, big.NewInt(6))
	v.Sub(v, new(big.Int).Mul(one, big.NewInt(21))).Mul(v, s)
	square := new(big.Int).Mul(one, one)
	v.Add(v, square.Mul(square, big.NewInt(50))).Mul(v, s)
	return int(v.Rsh(v, 3*fractionBits).Int64())
}

// edge is the least s in units of 2^-52 that is of a bin of the power of two, or
// its end.
func edge(i int) uint64 {
	lo, hi := uint64(0), uint64(1)<<fractionBits
	for lo < hi {
		mid := (lo + hi) / 2
		if binOf(mid) >= i {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// middle is as far from both ends of a bin, relative to them: 2ab / (a + b).
func middle(index int) float64 {
	octave := int(math.Floor(float64(index) / binsPerOctave))
	i := index - octave*binsPerOctave
	end := func(i int) *big.Rat {
		return new(big.Rat).SetFrac(
			new(big.Int).SetUint64(1<<fractionBits+edge(i)),
			new(big.Int).SetUint64(1<<fractionBits))
	}
	a, b := end(i), end(i+1)
	product := new(big.Rat).Mul(a, b)
	product.Mul(product, big.NewRat(2, 1))
	v, _ := product.Quo(product, a.Add(a, b)).Float64()
	return math.Ldexp(v, octave)
}
