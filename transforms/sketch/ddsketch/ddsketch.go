// Package ddsketch estimates quantiles with a relative error of 1 %: DDSketch
// (Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
// relative-error guarantees", 2019), with the cubic interpolation of the
// logarithm that its authors' implementations use. It counts values in bins
// whose ends are 2 % apart.
//
// Bins collapse as follows, for the values above zero and, by their size, for
// those below it: with T the greatest bin in use, every value of a bin below
// T - 2,047 counts in bin T - 2,047. So the state is a function of the multiset of
// values: counting into clamp(i) = max(i, T - 2,047) and clamping again when a
// merge or a value raises T to T' gives max(max(i, T - 2,047), T' - 2,047) =
// max(i, T' - 2,047), which is what clamping once at the end gives. Neither the
// order of values nor the tree of merges can show, and neither can the form in
// memory, which does not reach the bytes. A sketch cannot take a value away: a
// lower T would need what was collapsed. Retractions rebuild.
//
// State: up to 2 x 2,048 counts of int64; 16 bytes a bin in use up to 64, then
// 16 KiB for each sign; 1 to 3 bytes a bin once it is written. Error: 1 % of the
// value for values within a factor of 2^58 (3e17) of the greatest one of their
// sign, and 2^-1075 for subnormal results; smaller ones read as the lowest bin.
package ddsketch

import (
	"math"
	"math/bits"
)

// maxBins is how many bins a sign has: a power of two, see ring.
const maxBins = 2048

// Sketch is a multiset of doubles, estimated. The zero Sketch is the empty one.
// It must not be copied while in use.
type Sketch struct {
	zeros    int64
	positive store
	negative store // by absolute value
}

// Reset makes s the empty multiset and keeps its memory.
func (s *Sketch) Reset() {
	s.zeros = 0
	s.positive.reset()
	s.negative.reset()
}

// Add adds x. NaN and the infinities are no numbers and are ignored: the caller
// has made null of them.
func (s *Sketch) Add(x float64) {
	switch {
	case x-x != 0:
	case x > 0:
		s.positive.add(index(x), 1)
	case x < 0:
		s.negative.add(index(-x), 1)
	default:
		s.zeros++
	}
}

// Merge adds the values of o, which stays as it is; o must not be s.
func (s *Sketch) Merge(o *Sketch) {
	s.zeros += o.zeros
	s.positive.merge(&o.positive)
	s.negative.merge(&o.negative)
}

// Count is how many values were added.
func (s *Sketch) Count() int64 { return s.zeros + s.positive.n + s.negative.n }

// Quantile estimates the value with the rank floor((n - 1) * num / den) among the
// n values in ascending order; the least has rank 0. num/den is from 0 to 1. ok is
// false where there is no value.
func (s *Sketch) Quantile(num, den uint64) (x float64, ok bool) {
	n := s.Count()
	if n == 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(uint64(n-1), num)
	q, _ := bits.Div64(hi, lo, den)
	rank := int64(q)
	if rank < s.negative.n {
		return -value(s.negative.at(s.negative.n - 1 - rank)), true
	}
	rank -= s.negative.n
	if rank < s.zeros {
		return 0, true
	}
	return value(s.positive.at(rank - s.zeros)), true
}

// index is the bin of x, finite and above zero: 35 bins to each power of two.
// With x = 2^e * (1 + s) it is 35e + floor(6s^3 - 21s^2 + 50s), a cubic that runs
// from 0 to 35 as s does from 0 to 1 and rises by at least 50 for each e-fold of
// x. So the ends of a bin are at most a factor of exp(1/50) apart, and its middle
// is within tanh(1/100) < 1 % of all of it.
func index(x float64) int32 {
	b := math.Float64bits(x)
	e, frac := int32(b>>fractionBits), b&(1<<fractionBits-1)
	if e == 0 { // subnormal
		up := bits.LeadingZeros64(frac) - (63 - fractionBits)
		frac = frac << up & (1<<fractionBits - 1)
		e = int32(1 - up)
	}
	s := float64(frac) * (1.0 / (1 << fractionBits))
	i := int32(float64(float64(float64(float64(6*s)-21)*s)+50) * s)
	i = min(i, binsPerOctave-1)
	// The table says exactly where the bins end; rounding can miss it by one.
	if frac < edges[i] {
		i--
	} else if frac >= edges[i+1] {
		i++
	}
	return (e-exponentBias)*binsPerOctave + i
}

// value is the middle of a bin.
func value(index int32) float64 {
	e := index / binsPerOctave
	if index%binsPerOctave < 0 {
		e--
	}
	return math.Ldexp(middles[index-e*binsPerOctave], int(e))
}

const (
	binsPerOctave = 35
	fractionBits  = 52
	exponentBias  = 1023
	minIndex      = -1074 * binsPerOctave
	maxIndex      = 1024*binsPerOctave - 1
)
