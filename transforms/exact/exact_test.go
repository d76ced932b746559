package exact

import (
	"bytes"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// doubles draws finite doubles of every size: subnormal, huge, integers, and
// near-copies that cancel.
func doubles() *rapid.Generator[float64] {
	anyBits := rapid.Custom(func(t *rapid.T) float64 {
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return 1.5
		}
		return f
	})
	special := rapid.SampledFrom([]float64{0, 1, -1, 0.1, 0.2, 1e16, -1e16, 1e200, -1e200, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 5e-320, 1 << 53, 1<<53 + 2})
	small := rapid.Map(rapid.Int32(), func(n int32) float64 { return float64(n) / 100 })
	return rapid.OneOf(anyBits, special, small)
}

func rat(f float64) *big.Rat { return new(big.Rat).SetFloat64(f) }

// nearest is the reference rounding: big.Rat rounds to nearest even.
func nearest(r *big.Rat) (float64, bool) {
	f, _ := r.Float64()
	if math.IsInf(f, 0) {
		return 0, false
	}
	return f + 0, true
}

func sumOf(xs []float64) *Float {
	f := new(Float)
	for _, x := range xs {
		f.Add(x)
	}
	return f
}

func checkSame(t *rapid.T, what string, got float64, ok bool, want *big.Rat) {
	t.Helper()
	w, wok := nearest(want)
	if ok != wok || got != w || math.Signbit(got) != (w < 0) {
		t.Fatalf("%s = %v, %v; want %v, %v", what, got, ok, w, wok)
	}
}

func TestFloatIsTheRoundedExactSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(doubles(), 0, 40).Draw(t, "xs")
		sum, squares := new(Float), new(Float)
		exactSum, exactSquares := new(big.Rat), new(big.Rat)
		for _, x := range xs {
			sum.Add(x)
			squares.AddSquare(x)
			r := rat(x)
			exactSum.Add(exactSum, r)
			exactSquares.Add(exactSquares, new(big.Rat).Mul(r, r))
		}
		got, ok := sum.Round()
		checkSame(t, "sum", got, ok, exactSum)
		got, ok = squares.Round()
		checkSame(t, "sum of squares", got, ok, exactSquares)
		if len(xs) == 0 {
			return
		}
		n := int64(len(xs))
		got, ok = sum.Mean(n)
		checkSame(t, "mean", got, ok, new(big.Rat).Quo(exactSum, big.NewRat(n, 1)))
		for _, m := range []int64{n, n - 1} {
			if m == 0 {
				continue
			}
			v := new(big.Rat).Mul(exactSquares, big.NewRat(n, 1))
			v.Sub(v, new(big.Rat).Mul(exactSum, exactSum))
			v.Quo(v, new(big.Rat).Mul(big.NewRat(n, 1), big.NewRat(m, 1)))
			got, ok = Variance(n, m, sum, squares)
			checkSame(t, "variance", got, ok, v)
		}
	})
}

func TestFloatLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(doubles(), 0, 30).Draw(t, "xs")
		ys := slices.Clone(xs)
		perm := rapid.Permutation(ys).Draw(t, "order")
		whole := sumOf(xs).Append(nil)
		if got := sumOf(perm).Append(nil); !bytes.Equal(got, whole) {
			t.Fatalf("the order shows: %x, %x", whole, got)
		}
		cut := rapid.IntRange(0, len(xs)).Draw(t, "cut")
		a, b := sumOf(perm[:cut]), sumOf(perm[cut:])
		bBytes := b.Append(nil)
		a.Merge(b)
		if got := a.Append(nil); !bytes.Equal(got, whole) {
			t.Fatalf("split and merged: %x, want %x", got, whole)
		}
		a.Unmerge(sumOf(perm[:cut]))
		if got := a.Append(nil); !bytes.Equal(got, bBytes) {
			t.Fatalf("a + b - a = %x, want %x", got, bBytes)
		}
		a.Negate()
		a.Merge(b)
		if !a.IsZero() || !bytes.Equal(a.Append(nil), []byte{0}) {
			t.Fatalf("b - b = %x", a.Append(nil))
		}
		var back Float
		rest, err := back.Decode(append(slices.Clone(whole), 0xee))
		if err != nil || !bytes.Equal(rest, []byte{0xee}) || !bytes.Equal(back.Append(nil), whole) {
			t.Fatalf("decode %x: %x, rest %x, %v", whole, back.Append(nil), rest, err)
		}
	})
}

func TestFloatRetraction(t *testing.T) {
	f := sumOf([]float64{0.1, 0.2})
	f.Sub(0.1)
	if got, _ := f.Round(); got != 0.2 {
		t.Errorf("0.1 + 0.2 - 0.1 = %v, want 0.2", got)
	}
	f.Reset()
	f.AddSquare(1e300)
	f.AddSquareInt(math.MinInt64)
	f.SubSquare(-1e300)
	f.SubSquareInt(math.MinInt64)
	if !f.IsZero() {
		t.Errorf("squares do not cancel: %x", f.Append(nil))
	}
}

func TestVectors(t *testing.T) {
	for _, order := range [][]float64{{1e16, 1, -1e16}, {1e16, -1e16, 1}, {1, 1e16, -1e16}, {1, -1e16, 1e16}, {-1e16, 1e16, 1}, {-1e16, 1, 1e16}} {
		if got, _ := sumOf(order).Round(); got != 1 {
			t.Errorf("sum of %v = %v, want 1", order, got)
		}
	}
	tenth := new(Float)
	for range 10 {
		tenth.Add(0.1)
	}
	if got, _ := tenth.Round(); got != 1 {
		t.Errorf("ten times 0.1 = %v, want 1", got)
	}
	sum, squares := new(Float), new(Float)
	for range 2 {
		sum.Add(1e200)
		squares.AddSquare(1e200)
	}
	if v, ok := Variance(2, 1, sum, squares); v != 0 || !ok {
		t.Errorf("variance of 1e200 twice = %v, %v; want 0", v, ok)
	}
	sum.Add(-3e200)
	squares.AddSquare(-3e200)
	if _, ok := Variance(3, 2, sum, squares); ok {
		t.Error("a variance of about 1e401 must be out of range")
	}
}

func TestInt128(t *testing.T) {
	ints := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, 0, 9007199254740993}), rapid.Int64Range(-200, 200))
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(ints, 1, 30).Draw(t, "xs")
		scale := rapid.IntRange(0, 18).Draw(t, "scale")
		unit := uint64(math.Pow10(scale))
		var s Int128
		squares := new(Float)
		exactSum, exactSquares := new(big.Int), new(big.Int)
		for _, x := range xs {
			s.Add(x)
			squares.AddSquareInt(x)
			b := big.NewInt(x)
			exactSum.Add(exactSum, b)
			exactSquares.Add(exactSquares, new(big.Int).Mul(b, b))
		}
		if v, ok := s.Int64(); ok != exactSum.IsInt64() || ok && v != exactSum.Int64() {
			t.Fatalf("sum = %v, %v; want %v", v, ok, exactSum)
		}
		n, u := big.NewInt(int64(len(xs))), new(big.Int).SetUint64(unit)
		got := s.Mean(int64(len(xs)), unit)
		checkSame(t, "mean", got, true, new(big.Rat).SetFrac(exactSum, new(big.Int).Mul(n, u)))
		num := new(big.Int).Mul(exactSquares, n)
		num.Sub(num, new(big.Int).Mul(exactSum, exactSum))
		den := new(big.Int).Mul(new(big.Int).Mul(n, n), new(big.Int).Mul(u, u))
		v, ok := VarianceInt(int64(len(xs)), int64(len(xs)), unit, s, squares)
		checkSame(t, "variance", v, ok, new(big.Rat).SetFrac(num, den))

		var back Int128
		rest, err := back.Decode(append(s.Append(nil), 7))
		if err != nil || back != s || len(rest) != 1 {
			t.Fatalf("decode: %v, want %v (%v)", back, s, err)
		}
		other := s
		other.Merge(s)
		other.Unmerge(s)
		other.Sub(xs[0])
		other.Add(xs[0])
		if other != s {
			t.Fatalf("merge and unmerge: %v, want %v", other, s)
		}
	})
}

func FuzzFloatDecode(f *testing.F) {
	for _, x := range []float64{0, 1, -1, 0.1, 1e300, 5e-324} {
		f.Add(sumOf([]float64{x, 0.3}).Append(nil))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var v Float
		rest, err := v.Decode(src)
		if err != nil {
			return
		}
		if got := v.Append(nil); !bytes.Equal(got, src[:len(src)-len(rest)]) {
			t.Fatalf("%x decodes and encodes as %x", src, got)
		}
		v.Round()
		v.Mean(3)
		var i Int128
		if rest, err := i.Decode(src); err == nil && !bytes.Equal(i.Append(nil), src[:len(src)-len(rest)]) {
			t.Fatalf("int128 %x encodes as %x", src, i.Append(nil))
		}
	})
}

func TestFloatAddDoesNotAllocate(t *testing.T) {
	var f Float
	n := 0.0
	if got := testing.AllocsPerRun(1000, func() {
		f.Add(12.34 + n)
		f.AddSquare(n / 7)
		n++
	}); got != 0 {
		t.Errorf("%v allocations an addition, want 0", got)
	}
}
