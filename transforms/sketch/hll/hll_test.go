package hll

import (
	"bytes"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/transforms/agg/pack"
)

// hashes draws sets around the border of the two forms, with hashes that share
// a register and with ranks that need the escape.
func hashes(t *rapid.T) []uint64 {
	n := rapid.SampledFrom([]int{0, 1, 5, 300, 1100, 1300, 6000}).Draw(t, "n")
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	out := make([]uint64, n)
	for i := range out {
		out[i] = rng.Uint64()
		if i%7 == 0 {
			out[i] &= math.MaxUint64 << rng.IntN(53)
		}
		if i%11 == 0 && i > 0 {
			out[i] = out[i-1]
		}
	}
	return append(out, rapid.SliceOfN(rapid.Uint64(), 0, 3).Draw(t, "more")...)
}

func sketchOf(hashes []uint64) *Sketch {
	s := new(Sketch)
	for _, h := range hashes {
		s.Add(h)
	}
	return s
}

func shuffled(t *rapid.T, xs []uint64) []uint64 {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 2))
	xs = slices.Clone(xs)
	rng.Shuffle(len(xs), func(i, j int) { xs[i], xs[j] = xs[j], xs[i] })
	return xs
}

// naive is the definition: all registers, one at a time.
func naive(hashes []uint64) (ranks [registers]int) {
	for _, h := range hashes {
		rest, rank := h<<12, 1
		for rank < 53 && rest>>63 == 0 {
			rest <<= 1
			rank++
		}
		ranks[h>>52] = max(ranks[h>>52], rank)
	}
	return ranks
}

func TestRegistersAreTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := hashes(t)
		s, want := sketchOf(xs), naive(xs)
		var got [registers]int
		for _, e := range s.sparse {
			got[e.index()] = int(e.rank())
		}
		used := 0
		for i := range got {
			if s.dense {
				got[i] = int(s.ranks[i])
			}
			if want[i] > 0 {
				used++
			}
		}
		if got != want {
			t.Fatal("registers differ from the definition")
		}
		if s.dense != (used > maxSparse) {
			t.Fatalf("dense is %v with %d registers in use", s.dense, used)
		}
	})
}

func TestOneStateForAnyOrderAndTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := hashes(t)
		whole := sketchOf(xs)
		want := whole.Append(nil)
		ys := shuffled(t, xs)
		if got := sketchOf(ys).Append(nil); !bytes.Equal(got, want) {
			t.Fatal("the order shows")
		}
		parts := []*Sketch{new(Sketch)} // with an identity
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
		whole.Merge(parts[0])
		if !bytes.Equal(whole.Append(nil), want) {
			t.Fatal("merging a sketch twice shows")
		}
		reused := sketchOf(xs[len(xs)/2:])
		r := pack.NewReader(append(want, 0xee))
		if reused.Decode(&r); r.Err() != nil || len(r.Rest()) != 1 || !bytes.Equal(reused.Append(nil), want) {
			t.Fatalf("decode: %v, %d bytes left", r.Err(), len(r.Rest()))
		}
		if reused.Estimate() != whole.Estimate() {
			t.Fatal("the estimate differs after decoding")
		}
		reused.Reset()
		if !reused.IsZero() || !bytes.Equal(reused.Append(nil), []byte{0}) {
			t.Fatal("a reset sketch is not empty")
		}
		for _, x := range xs {
			reused.Add(x)
		}
		if !bytes.Equal(reused.Append(nil), want) {
			t.Fatal("a reset sketch remembers")
		}
	})
}

func TestRaiseAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rank := rapid.Uint8Range(0, maxRank)
		a := rapid.SliceOfN(rank, 16, 16).Draw(t, "a")
		b := rapid.SliceOfN(rank, 16, 16).Draw(t, "b")
		want := slices.Clone(a)
		for i := range want {
			want[i] = max(want[i], b[i])
		}
		if raiseAll(a, b); !bytes.Equal(a, want) {
			t.Fatalf("%v, want %v", a, want)
		}
	})
}

func TestEstimateError(t *testing.T) {
	const sigma = 1.04 / 64
	rng := rand.New(rand.NewPCG(7, 7))
	for _, n := range []int{1, 2, 10, 100, 1000, 3000, 10_000, 100_000, 1_000_000} {
		const runs = 20
		var square float64
		for range runs {
			s := new(Sketch)
			for range n {
				s.Add(rng.Uint64())
			}
			e := (float64(s.Estimate()) - float64(n)) / float64(n)
			square += e * e
		}
		if rms := math.Sqrt(square / runs); rms > 1.6*sigma {
			t.Errorf("%d hashes: error %.4f, want about %.4f", n, rms, sigma)
		}
	}
}

func TestEstimateAtTheEnds(t *testing.T) {
	if got := new(Sketch).Estimate(); got != 0 {
		t.Errorf("the empty set has %d", got)
	}
	s := new(Sketch)
	for i := range uint64(registers) {
		s.Add(i << 52)
	}
	if got := s.Estimate(); got != math.MaxInt64 {
		t.Errorf("full registers give %d", got)
	}
	if b := s.Append(nil); len(b) != 1+2048 {
		t.Errorf("%d bytes", len(b))
	}
}

// TestVectors freezes what other implementations must give: the bytes and the
// estimate of n hashes of a Weyl sequence.
func TestVectors(t *testing.T) {
	for _, v := range []struct {
		n    int
		est  int64
		size int
	}{{1, 1, 4}, {100, 101, 193}, {1000, 1013, 1458}, {100_000, 100_557, 2052}} {
		s := new(Sketch)
		for i := range v.n {
			s.Add(mix(uint64(i)))
		}
		if got, size := s.Estimate(), len(s.Append(nil)); got != v.est || size != v.size {
			t.Errorf("%d hashes: estimate %d of %d bytes; want %d of %d", v.n, got, size, v.est, v.size)
		}
	}
}

func mix(i uint64) uint64 {
	hi, lo := bits.Mul64(i*0x9e3779b97f4a7c15+0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9)
	return (hi ^ lo) * 0x94d049bb133111eb
}

func FuzzDecode(f *testing.F) {
	for _, n := range []int{0, 1, 50, 5000} {
		s := new(Sketch)
		for i := range n {
			s.Add(mix(uint64(i)) & (math.MaxUint64 << (i % 50)))
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
		if s.Estimate() < 0 {
			t.Fatal("a negative estimate")
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	s := sketchOf([]uint64{1 << 60, 7 << 55})
	for i := range uint64(3000) {
		s.Add(mix(i))
	}
	dense := s.Append(nil)
	for name, b := range map[string][]byte{
		"nothing":              {},
		"too many registers":   pack.AppendUint(nil, 2*1025),
		"rank 0":               {2, 0},
		"rank 54":              {2, 54},
		"an index beyond":      append([]byte{2}, pack.AppendUint(nil, 4096*64+1)...),
		"a huge index":         append([]byte{4, 1}, pack.AppendUint(nil, math.MaxUint64)...),
		"cut":                  dense[:len(dense)-1],
		"cut registers":        dense[:100],
		"a base of 54":         append([]byte{109}, dense[1:]...),
		"a base that is not":   append([]byte{3}, bytes.Repeat([]byte{0x11}, 2048)...),
		"dense with few":       append([]byte{1}, make([]byte, 2048)...),
		"an escape that wraps": append(append([]byte{1}, bytes.Repeat([]byte{0xf0}, 2048)...), bytes.Repeat([]byte{250}, 2048)...),
	} {
		r := pack.NewReader(b)
		var s Sketch
		if s.Decode(&r); r.Err() == nil || !s.IsZero() {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	big, acc := new(Sketch), new(Sketch)
	for i := range uint64(5000) {
		big.Add(mix(i))
	}
	few := sketchOf([]uint64{mix(1), mix(2), mix(3)})
	b := big.Append(nil)
	acc.Merge(big)
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		acc.Reset()
		acc.Add(mix(9))
		acc.Merge(few)
		acc.Merge(big)
		acc.Add(mix(11))
		acc.Estimate()
		buf = acc.Append(buf[:0])
		r := pack.NewReader(b)
		acc.Decode(&r)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	for name, n := range map[string]int{"sparse": 200, "dense": 20_000} {
		b.Run(name, func(b *testing.B) {
			s := new(Sketch)
			for i := range n {
				s.Add(mix(uint64(i)))
			}
			for i := 0; b.Loop(); i++ {
				s.Add(mix(uint64(i % n)))
			}
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	for name, n := range map[string]int{"sparse": 100, "dense": 20_000} {
		b.Run(name, func(b *testing.B) {
			x, y := new(Sketch), new(Sketch)
			for i := range n {
				x.Add(mix(uint64(i)))
				y.Add(mix(uint64(i + n/2)))
			}
			for b.Loop() {
				x.Merge(y)
			}
		})
	}
}

func BenchmarkEstimate(b *testing.B) {
	s := new(Sketch)
	for i := range uint64(20_000) {
		s.Add(mix(i))
	}
	for b.Loop() {
		s.Estimate()
	}
}

func BenchmarkDecode(b *testing.B) {
	s := new(Sketch)
	for i := range uint64(20_000) {
		s.Add(mix(i))
	}
	src := s.Append(nil)
	for b.Loop() {
		r := pack.NewReader(src)
		s.Decode(&r)
	}
}
