package exact

import (
	"bytes"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// powerSums are the sums of the first four powers.
type powerSums [4]Float

func (p *powerSums) powers(n int64) *Powers {
	return &Powers{N: n, Unit: 1, Sum: &p[0], Squares: &p[1], Cubes: &p[2], Fourths: &p[3]}
}

func (p *powerSums) add(x float64) {
	p[0].Add(x)
	p[1].AddSquare(x)
	p[2].AddCube(x)
	p[3].AddFourth(x)
}

func (p *powerSums) sub(x float64) {
	p[0].Sub(x)
	p[1].SubSquare(x)
	p[2].SubCube(x)
	p[3].SubFourth(x)
}

// moment is the reference: the mean of (x - mean)^k, in fractions.
func moment(xs []*big.Rat, k int) *big.Rat {
	n := big.NewRat(int64(len(xs)), 1)
	mean := new(big.Rat)
	for _, x := range xs {
		mean.Add(mean, x)
	}
	mean.Quo(mean, n)
	m := new(big.Rat)
	for _, x := range xs {
		d := new(big.Rat).Sub(x, mean)
		p := big.NewRat(1, 1)
		for range k {
			p.Mul(p, d)
		}
		m.Add(m, p)
	}
	return m.Quo(m, n)
}

type shape struct {
	v           float64
	defined, ok bool
}

// shapes is the reference of Skewness and Kurtosis.
func shapes(xs []*big.Rat) (skew, kurtosis shape) {
	m2, ok2 := nearest(moment(xs, 2))
	m3, ok3 := nearest(moment(xs, 3))
	m4, ok4 := nearest(moment(xs, 4))
	if ok2 && m2 == 0 {
		return shape{ok: true}, shape{ok: true}
	}
	finish := func(num, den, less float64, ok bool) shape {
		v := num/den - less + 0
		if !ok || den == 0 || math.IsInf(den, 0) || math.IsInf(num/den, 0) {
			return shape{defined: true}
		}
		return shape{v, true, true}
	}
	cube, square := m2*math.Sqrt(m2), m2*m2
	return finish(m3, cube, 0, ok2 && ok3), finish(m4, square, 3, ok2 && ok4)
}

func checkShapes(t *rapid.T, p *Powers, xs []*big.Rat) {
	t.Helper()
	skew, kurtosis := shapes(xs)
	var got shape
	if got.v, got.defined, got.ok = p.Skewness(); got != skew {
		t.Fatalf("skewness %v, want %v", got, skew)
	}
	if got.v, got.defined, got.ok = p.Kurtosis(); got != kurtosis {
		t.Fatalf("kurtosis %v, want %v", got, kurtosis)
	}
}

// checkMoments holds the moments themselves to the rounded reference.
func checkMoments(t *rapid.T, p *Powers, xs []*big.Rat) {
	t.Helper()
	var a arena
	c := p.central(&a)
	for k, f := range map[int]func() (float64, bool){2: c.second, 3: c.third, 4: c.fourth} {
		got, ok := f()
		checkSame(t, "moment", got, ok, moment(xs, k))
	}
}

func TestShapesAreRoundedFromExactMoments(t *testing.T) {
	near := rapid.Map(rapid.IntRange(-3, 3), func(n int) float64 { return 1e9 + float64(n)/8 })
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.SampledFrom([]*rapid.Generator[float64]{doubles(), near, rapid.Float64Range(-1, 1)}).Draw(t, "kind")
		xs := rapid.SliceOfN(one, 1, 12).Draw(t, "xs")
		var p powerSums
		rats := make([]*big.Rat, len(xs))
		for i, x := range xs {
			p.add(x)
			rats[i] = rat(x)
		}
		checkShapes(t, p.powers(int64(len(xs))), rats)
		checkMoments(t, p.powers(int64(len(xs))), rats)
	})
}

func TestShapesOfIntegersAndDecimals(t *testing.T) {
	ints := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, 0}), rapid.Int64Range(-20, 20))
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(ints, 1, 12).Draw(t, "xs")
		unit := int64(math.Pow10(rapid.IntRange(0, 18).Draw(t, "scale")))
		p := Powers{N: int64(len(xs)), Unit: uint64(unit), Squares: new(Float), Cubes: new(Float), Fourths: new(Float)}
		rats := make([]*big.Rat, len(xs))
		for i, x := range xs {
			p.IntSum.Add(x)
			p.Squares.AddSquareInt(x)
			p.Cubes.AddCubeInt(x)
			p.Fourths.AddFourthInt(x)
			rats[i] = big.NewRat(x, unit)
		}
		checkShapes(t, &p, rats)
		checkMoments(t, &p, rats)
		for _, x := range xs {
			p.Cubes.SubCubeInt(x)
			p.Fourths.SubFourthInt(x)
		}
		if !p.Cubes.IsZero() || !p.Fourths.IsZero() {
			t.Fatal("powers do not cancel")
		}
	})
}

func TestPowersLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(doubles(), 0, 20).Draw(t, "xs")
		cut := rapid.IntRange(0, len(xs)).Draw(t, "cut")
		var whole, head, tail powerSums
		for i, x := range xs {
			whole.add(x)
			if i < cut {
				head.add(x)
			} else {
				tail.add(x)
			}
		}
		for k := range whole {
			want := whole[k].Append(nil)
			var back Float
			if rest, err := back.Decode(want); err != nil || len(rest) != 0 || !bytes.Equal(back.Append(nil), want) {
				t.Fatalf("power %d: %x decodes as %x, %v", k+1, want, back.Append(nil), err)
			}
			tail[k].Merge(&head[k])
			if got := tail[k].Append(nil); !bytes.Equal(got, want) {
				t.Fatalf("power %d: split and merged %x, want %x", k+1, got, want)
			}
		}
		for _, x := range slices.Backward(xs) {
			tail.sub(x)
		}
		for k := range tail {
			if !tail[k].IsZero() {
				t.Fatalf("power %d does not cancel", k+1)
			}
		}
	})
}

func TestShapeVectors(t *testing.T) {
	for _, c := range []struct {
		xs             []float64
		skew, kurtosis shape
	}{
		{[]float64{5}, shape{ok: true}, shape{ok: true}},
		{[]float64{5, 5}, shape{ok: true}, shape{ok: true}},
		{[]float64{1, 2, 3}, shape{0, true, true}, shape{-1.5, true, true}},
		{[]float64{1, 2, 3, 10}, shape{1.0182337649086284, true, true}, shape{-0.7696000000000001, true, true}},
		{[]float64{1e200, 2e200, 4e200}, shape{defined: true}, shape{defined: true}},                  // m2 overflows
		{[]float64{1e100, 2e100, 4e100}, shape{0.3818017741606062, true, true}, shape{defined: true}}, // m4 overflows
		{[]float64{1e-120, 2e-120, 4e-120}, shape{defined: true}, shape{defined: true}},               // m2 * m2 is zero
		{[]float64{1e-200, 2e-200, 4e-200}, shape{ok: true}, shape{ok: true}},                         // m2 is zero
	} {
		var p powerSums
		for _, x := range c.xs {
			p.add(x)
		}
		var s, k shape
		s.v, s.defined, s.ok = p.powers(int64(len(c.xs))).Skewness()
		k.v, k.defined, k.ok = p.powers(int64(len(c.xs))).Kurtosis()
		if s != c.skew || k != c.kurtosis {
			t.Errorf("%v: skewness %v, kurtosis %v; want %v, %v", c.xs, s, k, c.skew, c.kurtosis)
		}
	}
}

func TestShapesDoNotAllocate(t *testing.T) {
	var p powerSums
	for i := range 1000 {
		p.add(math.Sin(float64(i)) * 1000)
	}
	all := p.powers(1000)
	if n := testing.AllocsPerRun(100, func() {
		all.Skewness()
		all.Kurtosis()
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestInterpolate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		den := rapid.Uint64Range(1, 1_000_000_000_000_000_000).Draw(t, "den")
		num := rapid.Uint64Range(0, den).Draw(t, "num")
		share := new(big.Rat).SetFrac(new(big.Int).SetUint64(num), new(big.Int).SetUint64(den))
		between := func(lo, hi *big.Rat) *big.Rat {
			d := new(big.Rat).Sub(hi, lo)
			return d.Add(d.Mul(d, share), lo)
		}
		x, y := doubles().Draw(t, "x"), doubles().Draw(t, "y")
		checkSame(t, "between doubles", Interpolate(x, y, num, den), true, between(rat(x), rat(y)))
		i, j := rapid.Int64().Draw(t, "i"), rapid.Int64().Draw(t, "j")
		unit := int64(math.Pow10(rapid.IntRange(0, 18).Draw(t, "scale")))
		checkSame(t, "between integers", InterpolateInt(i, j, num, den, uint64(unit)), true, between(big.NewRat(i, unit), big.NewRat(j, unit)))

		n := rapid.Int64Range(1, math.MaxInt64).Draw(t, "n")
		index, rest := Rank(n, num, den)
		want := new(big.Rat).Mul(big.NewRat(n-1, 1), share)
		got := new(big.Rat).SetFrac(new(big.Int).SetUint64(rest), new(big.Int).SetUint64(den))
		if got.Add(got, big.NewRat(index, 1)).Cmp(want) != 0 || rest >= den {
			t.Fatalf("rank %d and %d/%d, want %s", index, rest, den, want)
		}
	})
	if v := Interpolate(math.Copysign(0, -1), 1, 0, 1); math.Signbit(v) {
		t.Error("-0.0 comes through")
	}
}
