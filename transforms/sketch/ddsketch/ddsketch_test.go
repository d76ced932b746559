package ddsketch

import (
	"bytes"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/transforms/agg/pack"
)

// values draws multisets of many shapes: few and many, narrow, and wider than
// the bins reach, of both signs, with zeros and subnormals.
func values(t *rapid.T) []float64 {
	n := rapid.SampledFrom([]int{0, 1, 2, 20, 100, 3000}).Draw(t, "n")
	octaves := rapid.SampledFrom([]int{0, 4, 50, 70, 2000}).Draw(t, "octaves")
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	center := rng.IntN(2000) - 1000
	out := make([]float64, n)
	for i := range out {
		x := math.Ldexp(1+rng.Float64(), max(-1074, min(1023, center+rng.IntN(octaves+1)-octaves/2)))
		switch rng.IntN(10) {
		case 0:
			x = 0
		case 1, 2, 3:
			x = -x
		case 4:
			x = math.Float64frombits(rng.Uint64() & (1<<52 - 1) >> rng.IntN(52))
			if octaves < 2000 {
				x = 0
			}
		}
		out[i] = x
	}
	return out
}

func sketchOf(xs []float64) *Sketch {
	s := new(Sketch)
	for _, x := range xs {
		s.Add(x)
	}
	return s
}

func TestOneStateForAnyOrderAndTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := values(t)
		whole := sketchOf(xs)
		want := whole.Append(nil)
		ys := slices.Clone(xs)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 2))
		rng.Shuffle(len(ys), func(i, j int) { ys[i], ys[j] = ys[j], ys[i] })
		if got := sketchOf(ys).Append(nil); !bytes.Equal(got, want) {
			t.Fatal("the order shows")
		}
		parts := []*Sketch{new(Sketch)}
		for len(ys) > 0 {
			n := rapid.IntRange(1, len(ys)).Draw(t, "part")
			parts = append(parts, sketchOf(ys[:n]))
			ys = ys[n:]
		}
		for len(parts) > 1 {
			i := rapid.IntRange(0, len(parts)-2).Draw(t, "merge")
			o := parts[i+1].Append(nil)
			parts[i].Merge(parts[i+1])
			if !bytes.Equal(parts[i+1].Append(nil), o) {
				t.Fatal("a merge changed its source")
			}
			parts = slices.Delete(parts, i+1, i+2)
		}
		if got := parts[0].Append(nil); !bytes.Equal(got, want) {
			t.Fatal("the tree of merges shows")
		}
		if got := parts[0].Count(); got != int64(len(xs)) {
			t.Fatalf("%d values, want %d", got, len(xs))
		}
		reused := sketchOf(xs[len(xs)/2:])
		r := pack.NewReader(append(want, 0xee))
		if reused.Decode(&r); r.Err() != nil || len(r.Rest()) != 1 || !bytes.Equal(reused.Append(nil), want) {
			t.Fatalf("decode: %v, %d bytes left", r.Err(), len(r.Rest()))
		}
		reused.Reset()
		if reused.Count() != 0 || !bytes.Equal(reused.Append(nil), []byte{0, 0, 0}) {
			t.Fatal("a reset sketch is not empty")
		}
		reused.Merge(whole)
		if !bytes.Equal(reused.Append(nil), want) {
			t.Fatal("a reset sketch remembers")
		}
	})
}

// TestQuantileIsWithinOnePercent compares with the sorted values, and the
// collapse with its definition.
func TestQuantileIsWithinOnePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := values(t)
		s := sketchOf(xs)
		slices.Sort(xs)
		if len(xs) == 0 {
			if _, ok := s.Quantile(1, 2); ok {
				t.Fatal("nothing has a quantile")
			}
			return
		}
		for range 20 {
			den := rapid.Uint64Range(1, 1_000_000_000_000_000_000).Draw(t, "den")
			num := rapid.Uint64Range(0, den).Draw(t, "num")
			rank := new(big.Int).Mul(big.NewInt(int64(len(xs)-1)), new(big.Int).SetUint64(num))
			rank.Quo(rank, new(big.Int).SetUint64(den))
			want := xs[rank.Int64()]
			got, ok := s.Quantile(num, den)
			if !ok || !near(got, clamped(xs, want)) {
				t.Fatalf("quantile %d/%d of %d values is %v (%v), want %v", num, den, len(xs), got, ok, want)
			}
		}
	})
}

// clamped is a value after the collapse, by the definition: the middle of the
// lowest bin that is kept, where its own lies below that.
func clamped(xs []float64, x float64) float64 {
	if x == 0 {
		return 0
	}
	top := int32(math.MinInt32)
	for _, y := range xs {
		if y*math.Copysign(1, x) > 0 {
			top = max(top, index(math.Abs(y)))
		}
	}
	if floor := top - (maxBins - 1); index(math.Abs(x)) < floor {
		return math.Copysign(value(floor), x)
	}
	return x
}

// near is the bound: |got - want| <= 1 % of |want| + 2^-1075, exactly.
func near(got, want float64) bool {
	d := new(big.Rat).SetFloat64(got)
	d.Sub(d, new(big.Rat).SetFloat64(want)).Abs(d)
	bound := new(big.Rat).SetFloat64(want)
	bound.Abs(bound).Mul(bound, big.NewRat(1, 100))
	half := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 1075))
	return d.Cmp(bound.Add(bound, half)) <= 0
}

// TestTables computes the ends of the bins from the cubic, in integers, and the
// middles and the error from the ends.
func TestTables(t *testing.T) {
	one := new(big.Int).Lsh(big.NewInt(1), fractionBits)
	cubic := func(k *big.Int) *big.Int { // times 2^156
		v := new(big.Int).Mul(big.NewInt(6), k)
		v.Sub(v, new(big.Int).Mul(big.NewInt(21), one)).Mul(v, k)
		v.Add(v, new(big.Int).Mul(big.NewInt(50), new(big.Int).Mul(one, one))).Mul(v, k)
		return v
	}
	scale := new(big.Int).Lsh(big.NewInt(1), 3*fractionBits)
	for i, e := range edges {
		want := new(big.Int).Mul(big.NewInt(int64(i)), scale)
		k := new(big.Int).SetUint64(e)
		if cubic(k).Cmp(want) < 0 || e > 0 && cubic(k.Sub(k, big.NewInt(1))).Cmp(want) >= 0 {
			t.Errorf("edge %d is wrong", i)
		}
		if i == 0 {
			continue
		}
		a := new(big.Rat).SetFrac(new(big.Int).Add(one, new(big.Int).SetUint64(edges[i-1])), one)
		b := new(big.Rat).SetFrac(new(big.Int).Add(one, new(big.Int).SetUint64(e)), one)
		sum := new(big.Rat).Add(a, b)
		width := new(big.Rat).Quo(new(big.Rat).Sub(b, a), sum)
		if width.Cmp(big.NewRat(99_9967, 100_000_00)) > 0 { // tanh(1/100) = 0.00999967
			t.Errorf("bin %d is wider than the bound: %s", i-1, width.FloatString(9))
		}
		middle, _ := new(big.Rat).Quo(new(big.Rat).Mul(big.NewRat(2, 1), new(big.Rat).Mul(a, b)), sum).Float64()
		if middle != middles[i-1] {
			t.Errorf("middle %d is %v, want %v", i-1, middles[i-1], middle)
		}
	}
}

// TestIndexAtTheEdges walks over every end of a bin in some octaves.
func TestIndexAtTheEdges(t *testing.T) {
	for _, e := range []int32{-1074, -1060, -1023, -1022, -1, 0, 1, 60, 1023} {
		last := int32(math.MinInt32)
		for i := int32(0); i < binsPerOctave; i++ {
			for d := -3; d <= 3; d++ {
				x := math.Ldexp(1+float64(edges[i])/(1<<52), int(e))
				x = math.Float64frombits(uint64(int64(math.Float64bits(x)) + int64(d)))
				if !(x > 0) || math.IsInf(x, 0) {
					continue
				}
				fr, ex := math.Frexp(x)
				frac := uint64((fr*2 - 1) * (1 << 52))
				want := int32(ex-1)*binsPerOctave + binsPerOctave - 1
				for edges[want-int32(ex-1)*binsPerOctave] > frac {
					want--
				}
				got := index(x)
				if got != want || e > -1070 && got < last {
					t.Fatalf("index(%v) = %d, want %d", x, got, want)
				}
				if d == 3 {
					last = got
				}
			}
		}
	}
	if index(math.SmallestNonzeroFloat64) != minIndex || index(math.MaxFloat64) != maxIndex {
		t.Errorf("doubles span %d to %d", index(math.SmallestNonzeroFloat64), index(math.MaxFloat64))
	}
}

func TestOtherNumbers(t *testing.T) {
	s := sketchOf([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)})
	if x, ok := s.Quantile(0, 1); s.Count() != 1 || !ok || math.Float64bits(x) != 0 {
		t.Errorf("%d values, quantile %v", s.Count(), x)
	}
	s = sketchOf([]float64{math.SmallestNonzeroFloat64, -math.MaxFloat64, math.MaxFloat64})
	for i, want := range []float64{-math.MaxFloat64, math.SmallestNonzeroFloat64} {
		if x, _ := s.Quantile(uint64(i), 2); i == 0 && !near(x, want) || i == 1 && !near(x, clamped([]float64{math.MaxFloat64, want}, want)) {
			t.Errorf("quantile %d/2 is %v, want about %v", i, x, want)
		}
	}
}

func TestVectors(t *testing.T) {
	s := sketchOf([]float64{1, 1.5, 100, 100, 100, -3, 0})
	if got, want := s.Append(nil), []byte{1, 1, 0xdc, 1, 3, 0, 0x26, 0xa7, 3, 1}; !bytes.Equal(got, want) {
		t.Errorf("bytes %x, want %x", got, want)
	}
	for num, want := range []float64{-2.9998625682621967, 0, 1.0099842501580656, 1.4999312841310983, 99.89890814873579, 99.89890814873579, 99.89890814873579} {
		if got, _ := s.Quantile(uint64(num), 6); got != want {
			t.Errorf("quantile %d/6 is %v, want %v", num, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, n := range []int{0, 1, 10, 500} {
		s := new(Sketch)
		for range n {
			s.Add(rng.NormFloat64())
		}
		f.Add(s.Append(nil))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var s Sketch
		r := pack.NewReader(src)
		s.Decode(&r)
		if r.Err() != nil {
			return
		}
		if got := s.Append(nil); !bytes.Equal(got, src[:len(src)-len(r.Rest())]) {
			t.Fatalf("%x decodes and encodes as %x", src, got)
		}
		for num := range uint64(5) {
			if x, ok := s.Quantile(num, 4); ok != (s.Count() > 0) || x-x != 0 {
				t.Fatalf("quantile %d/4 is %v, %v", num, x, ok)
			}
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	huge := pack.AppendUint(nil, math.MaxUint64)
	half := pack.AppendUint(nil, 1<<62)
	for name, b := range map[string][]byte{
		"nothing":             {},
		"cut":                 {0, 1, 2},
		"an index beyond":     append([]byte{0, 1}, pack.AppendUint(nil, 2*2*(maxIndex+1))...),
		"an index below":      append([]byte{0, 1}, pack.AppendUint(nil, 2*(2*-(minIndex-1)-1))...),
		"a huge gap":          append(append([]byte{0, 2, 0}, huge...), 0, 0),
		"a range too wide":    append(append([]byte{0, 2, 0}, pack.AppendUint(nil, 2*2047)...), 0),
		"too many zeros":      append(pack.AppendUint(nil, 1<<62+1), 0, 0),
		"a count that wraps":  append(append([]byte{0, 1, 1}, huge...), 0),
		"counts beyond 2^62":  append(append(append([]byte{0, 1, 1}, half...), 1, 1), half...),
		"bins beyond the cap": append(append(append([]byte{0}, pack.AppendUint(nil, 2049)...), make([]byte, 2049)...), 0),
	} {
		r := pack.NewReader(b)
		var s Sketch
		if s.Decode(&r); r.Err() == nil || s.Count() != 0 {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	big, few, acc := new(Sketch), sketchOf([]float64{1, -2, 0, 1e9}), new(Sketch)
	for range 5000 {
		big.Add(rng.NormFloat64())
	}
	acc.Merge(big)
	b := big.Append(nil)
	buf := make([]byte, 0, 8192)
	if n := testing.AllocsPerRun(100, func() {
		acc.Reset()
		acc.Add(3)
		acc.Merge(few)
		acc.Merge(big)
		acc.Add(1e200)
		acc.Quantile(1, 2)
		buf = acc.Append(buf[:0])
		r := pack.NewReader(b)
		acc.Decode(&r)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func sample(n int) *Sketch {
	rng := rand.New(rand.NewPCG(5, 5))
	s := new(Sketch)
	for range n {
		s.Add(rng.ExpFloat64() * 100)
	}
	return s
}

func BenchmarkAdd(b *testing.B) {
	xs := make([]float64, 1024)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range xs {
		xs[i] = rng.ExpFloat64() * 100
	}
	s := new(Sketch)
	for i := 0; b.Loop(); i++ {
		s.Add(xs[i&1023])
	}
}

func BenchmarkMerge(b *testing.B) {
	for name, n := range map[string]int{"few": 30, "ring": 10_000} {
		b.Run(name, func(b *testing.B) {
			x, y := sample(20_000), sample(n)
			for b.Loop() {
				x.Merge(y)
			}
		})
	}
}

func BenchmarkQuantile(b *testing.B) {
	s := sample(10_000)
	for b.Loop() {
		s.Quantile(99, 100)
	}
}

func BenchmarkDecode(b *testing.B) {
	s := sample(10_000)
	src := s.Append(nil)
	for b.Loop() {
		r := pack.NewReader(src)
		s.Decode(&r)
	}
}
