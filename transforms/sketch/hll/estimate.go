package hll

import "math"

// Estimate gives the estimated number of different hashes, half to even: Ertl's
// improved raw estimator (algorithm 6 of the paper), which corrects small and
// large numbers without a case distinction. Products are rounded before they are
// added (no fused multiply-add), so that every architecture gives the same.
func (s *Sketch) Estimate() int64 {
	var hist [maxRank + 1]int // registers by rank
	s.histogram(&hist)
	const m = float64(registers)
	z := float64(m * tau(1-float64(hist[maxRank])/m))
	for k := maxRank - 1; k >= 1; k-- {
		z = float64(0.5 * (z + float64(hist[k])))
	}
	z += float64(m * sigma(float64(hist[0])/m))
	if math.IsInf(z, 1) {
		return 0 // every register is zero
	}
	const alpha = 0.5 / math.Ln2
	e := math.RoundToEven(float64(float64(alpha*m)*m) / z)
	if e >= 1<<63 { // every register is at its end
		return math.MaxInt64
	}
	return int64(e)
}

func (s *Sketch) histogram(hist *[maxRank + 1]int) {
	if !s.dense {
		hist[0] = registers - len(s.sparse)
		for _, e := range s.sparse {
			hist[e.rank()]++
		}
		return
	}
	var odd [maxRank + 1]int // a second table: neighbours often have one rank, and wait for each other in one
	for i := 0; i+2 <= len(s.ranks); i += 2 {
		hist[s.ranks[i]]++
		odd[s.ranks[i+1]]++
	}
	for i, n := range odd {
		hist[i] += n
	}
}

// sigma is x + the sum over k >= 1 of x^(2^k) * 2^(k-1), which is infinite at 1.
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		last := z
		z += float64(x * y)
		y += y
		if z == last {
			return z
		}
	}
}

// tau is a third of 1 - x - the sum over k >= 1 of (1 - x^(2^-k))^2 * 2^-k.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		last := z
		y *= 0.5
		z -= float64(float64((1-x)*(1-x)) * y)
		if z == last {
			return z / 3
		}
	}
}
