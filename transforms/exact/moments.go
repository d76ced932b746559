package exact

import "math"

// Powers are the exact sums of the powers of N values, from which the shape of
// their distribution is finished.
type Powers struct {
	N       int64
	Unit    uint64 // 1; or ten to the scale, where the values are decimals summed as integers
	Sum     *Float // of doubles; nil for integers, whose sum is IntSum
	IntSum  Int128
	Squares *Float
	Cubes   *Float
	Fourths *Float // for the kurtosis only
}

// Skewness gives m3 / (m2 * sqrt(m2)), the skewness of a population, where the
// central moments m2 and m3 are each the correctly rounded double of the exact
// one, and each operation after that is rounded. defined is false where m2 is
// zero. ok is false where a moment or a step of the formula leaves the range of
// double: where one is infinite, or m2 * sqrt(m2) underflows to zero.
//
// Error, where nothing is subnormal: 5.5 * 2^-53 of the value in relative terms
// (1 from m3, 1.5 from m2, 3 from the operations), whatever cancels in the sums.
func (p *Powers) Skewness() (skew float64, defined, ok bool) {
	var a arena
	c := p.central(&a)
	m2, ok2 := c.second()
	if ok2 && m2 == 0 {
		return 0, false, true
	}
	m3, ok3 := c.third()
	return ratio(m3, float64(m2*math.Sqrt(m2)), ok2 && ok3, 0)
}

// Kurtosis gives m4 / (m2 * m2) - 3, the excess kurtosis of a population, under
// the rules of Skewness. Error: 5 * 2^-53 of the value plus 3, and half a unit in
// the last place.
func (p *Powers) Kurtosis() (kurtosis float64, defined, ok bool) {
	var a arena
	c := p.central(&a)
	m2, ok2 := c.second()
	if ok2 && m2 == 0 {
		return 0, false, true
	}
	m4, ok4 := c.fourth()
	return ratio(m4, float64(m2*m2), ok2 && ok4, 3)
}

// ratio ends both: num/den - less, where every number is in range.
func ratio(num, den float64, inRange bool, less float64) (v float64, defined, ok bool) {
	if !inRange || den == 0 || math.IsInf(den, 0) {
		return 0, true, false
	}
	q := float64(num / den)
	if math.IsInf(q, 0) {
		return 0, true, false
	}
	return q - less + 0, true, true // -0.0 + 0 is +0.0
}

// central computes the central moments of the powers, as exact numerators.
type central struct {
	*arena
	p  *Powers
	s1 wide
	s2 wide
}

func (p *Powers) central(a *arena) central {
	c := central{arena: a, p: p, s2: a.sum(p.Squares)}
	if p.Sum != nil {
		c.s1 = a.sum(p.Sum)
	} else {
		c.s1 = a.integer(p.IntSum)
	}
	return c
}

// second is (n*S2 - S1^2) / n^2.
func (c *central) second() (m2 float64, ok bool) {
	num := c.minus(c.scale(c.s2, uint64(c.p.N)), c.product(c.s1, c.s1))
	return c.divide(num, 2)
}

// third is (n*(n*S3 - 3*S1*S2) + 2*S1^3) / n^3.
func (c *central) third() (m3 float64, ok bool) {
	n := uint64(c.p.N)
	t := c.minus(c.scale(c.sum(c.p.Cubes), n), c.scale(c.product(c.s1, c.s2), 3))
	cube := c.product(c.product(c.s1, c.s1), c.s1)
	return c.divide(c.plus(c.scale(t, n), c.scale(cube, 2)), 3)
}

// fourth is (n*(n*(n*S4 - 4*S1*S3) + 6*S1^2*S2) - 3*S1^4) / n^4.
func (c *central) fourth() (m4 float64, ok bool) {
	n := uint64(c.p.N)
	square := c.product(c.s1, c.s1)
	t := c.minus(c.scale(c.sum(c.p.Fourths), n), c.scale(c.product(c.s1, c.sum(c.p.Cubes)), 4))
	t = c.plus(c.scale(t, n), c.scale(c.product(square, c.s2), 6))
	return c.divide(c.minus(c.scale(t, n), c.scale(c.product(square, square), 3)), 4)
}

// divide gives num / (n*unit)^k rounded once.
func (c *central) divide(num wide, k int) (m float64, ok bool) {
	var by [8]uint64
	d := divisors(by[:0])
	for range k {
		d = append(d, uint64(c.p.N))
		if c.p.Unit > 1 {
			d = append(d, c.p.Unit)
		}
	}
	return quotient(num.neg, num.mag, 64*num.base, d)
}
