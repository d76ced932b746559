package exact

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// drawTerm draws an integer, a unit and a weight, with those that are hard to
// round: integers beside powers of two, and no fraction of a half-life.
func drawTerm(t *rapid.T) (v int64, unit uint64, w Weight) {
	v = rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000), rapid.SampledFrom([]int64{
		math.MinInt64, math.MaxInt64, 1<<53 + 1, 1<<53 - 1, 1<<54 + 2, 1<<54 + 6, 9007199254740993, -1<<60 - 1<<7,
	})).Draw(t, "v")
	unit = 1
	for range rapid.IntRange(0, 18).Draw(t, "scale") {
		unit *= 10
	}
	half := rapid.SampledFrom([]int64{1_000_000, 3_600_000_000, 7, 1}).Draw(t, "half")
	return v, unit, NewWeight(rapid.Int64Range(-1<<52, 1<<52).Draw(t, "at"), half)
}

// TestScaleInt: a term of an integer or a decimal is the exact number rounded
// once, and the short way agrees with the long one.
func TestScaleInt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, unit, w := drawTerm(t)
		if v == 0 {
			return
		}
		m, p := w.scaleInt(magnitude64(v), unit)
		got := new(big.Float).SetMantExp(new(big.Float).SetUint64(m), p)
		exact := new(big.Float).SetPrec(2000).Quo(new(big.Float).SetPrec(2000).SetUint64(magnitude64(v)), new(big.Float).SetPrec(2000).SetUint64(unit))
		if w.num != 0 {
			exact.Mul(exact, growth(w.num, w.den).SetPrec(2000))
		}
		want := new(big.Float).SetPrec(53).SetMode(big.ToNearestEven).Set(exact)
		if got.Cmp(want) != 0 {
			t.Fatalf("%d/%d * 2^(%d/%d) is %s, want %s", v, unit, w.num, w.den, got.Text('p', 0), want.Text('p', 0))
		}
		if w.num == 0 {
			return
		}
		if m2, p2 := w.scaleIntBig(magnitude64(v), unit, 0, 256); m != m2 && m != m2<<1 && m<<1 != m2 || new(big.Float).SetMantExp(new(big.Float).SetUint64(m2), p2).Cmp(got) != 0 {
			t.Fatalf("the long way gives %d * 2^%d, the short %d * 2^%d", m2, p2, m, p)
		}
	})
}

// TestAddIntIsAdd: an integer that a double holds is the same term either way.
func TestAddIntIsAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, _, w := drawTerm(t)
		v := rapid.Int64Range(-1<<53, 1<<53).Draw(t, "v")
		var a, b Decayed
		a.AddInt(v, 1, &w)
		b.Add(float64(v), &w)
		if x, y := a.Append(nil), b.Append(nil); string(x) != string(y) {
			t.Fatalf("%d: %x, as a double %x", v, x, y)
		}
	})
}

func BenchmarkDecayedAddDecimal(b *testing.B) {
	w := NewWeight(1_700_000_123_456_789, 3_600_000_000)
	var d Decayed
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.AddInt(int64(i%100_000), 100, &w)
	}
}
