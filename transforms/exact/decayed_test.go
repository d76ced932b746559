package exact

import (
	"bytes"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestExp2Tables computes the tables with long integers.
func TestExp2Tables(t *testing.T) {
	check := func(name string, i int, got fraction, want *big.Int) {
		g := new(big.Int).Lsh(new(big.Int).SetUint64(got.hi), 64)
		g.Or(g, new(big.Int).SetUint64(got.lo))
		if g.Cmp(want) != 0 {
			t.Errorf("%s[%d] is %x, want %x", name, i, g, want)
		}
	}
	power := func(num, den uint64) *big.Int {
		p := exp2Big(num, den, 256)
		p.Rsh(p, 128)
		return p.Sub(p, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	for i := range exp2Coarse {
		check("exp2Coarse", i, exp2Coarse[i], power(uint64(i), 64))
		check("exp2Fine", i, exp2Fine[i], power(uint64(i), 4096))
	}
	ln2, ok := new(big.Int).SetString("693147180559945309417232121458176568075500134360255254120680009493393621969694715605863326996418687", 10)
	if !ok {
		t.Fatal("ln 2")
	}
	c := new(big.Rat).SetInt64(1)
	ln2Rat := new(big.Rat).SetFrac(ln2, new(big.Int).Exp(big.NewInt(10), big.NewInt(99), nil))
	for i := range exp2Series {
		c.Mul(c, ln2Rat).Quo(c, big.NewRat(int64(i+1), 1))
		v := new(big.Int).Lsh(c.Num(), 128)
		check("exp2Series", i, exp2Series[i], v.Quo(v, c.Denom()))
	}
}

// fractionsOf draws shares of a half-life, with those next to 0, 1 and the ends
// of the tables.
func fractionsOf(t *rapid.T) (num, den uint64) {
	den = rapid.OneOf(rapid.Uint64Range(1, math.MaxInt64), rapid.Uint64Range(1, 5000), rapid.Just(uint64(3_600_000_000))).Draw(t, "den")
	num = rapid.OneOf(rapid.Uint64Range(0, den-1), rapid.Just(uint64(0)), rapid.Just(den-1), rapid.Just(den/64), rapid.Just(den/4096*63)).Draw(t, "num")
	return num, den
}

func TestExp2Error(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		num, den := fractionsOf(t)
		f := exp2(num, den)
		got := new(big.Int).Lsh(new(big.Int).SetUint64(f.hi), 64)
		got.Or(got, new(big.Int).SetUint64(f.lo))
		want := exp2Big(num, den, 192)
		want.Sub(want, new(big.Int).Lsh(big.NewInt(1), 192))
		d := want.Sub(want, got.Lsh(got, 64))
		if d.Sign() < 0 || d.BitLen() > 64+5 { // 32 units
			t.Fatalf("2^(%d/%d) is off by %v units of 2^-192", num, den, d)
		}
	})
}

// growth is the reference of 2^f, with an error far below what decides.
func growth(num, den uint64) *big.Float {
	f := new(big.Float).SetPrec(512).SetInt(exp2Big(num, den, 480))
	return f.SetMantExp(f, -480)
}

// decayedReference sums the terms as the definition has them: each rounded to 53 bits.
func decayedReference(xs []float64, at []int64, half int64) *big.Rat {
	newest := int64(math.MinInt64)
	for _, e := range at {
		newest = max(newest, NewWeight(e, half).n>>10)
	}
	sum := new(big.Rat)
	for i, x := range xs {
		w := NewWeight(at[i], half)
		if w.n>>10 < newest-2 || x == 0 {
			continue
		}
		term := new(big.Float).SetPrec(512).SetFloat64(x)
		term.Mul(term, growth(w.num, w.den)).SetPrec(53)
		term.SetMantExp(term, int(w.n-newest<<10))
		r, _ := term.Rat(nil)
		sum.Add(sum, r)
	}
	return sum // in units of 2^(1,024 * newest)
}

type terms struct {
	xs   []float64
	at   []int64
	half int64
}

func drawTerms(t *rapid.T) terms {
	half := rapid.SampledFrom([]int64{1_000_000, 3_600_000_000, 86_400_000_000, 7}).Draw(t, "half")
	span := rapid.SampledFrom([]int64{1, 100, 1500, 5000}).Draw(t, "half-lives")
	from := rapid.Int64Range(-1e15, 1e15).Draw(t, "from")
	n := rapid.IntRange(0, 12).Draw(t, "n")
	x := terms{half: half}
	for range n {
		x.xs = append(x.xs, doubles().Draw(t, "x"))
		x.at = append(x.at, from+rapid.Int64Range(0, span*half).Draw(t, "after"))
	}
	return x
}

func (x terms) sum(from, to int) *Decayed {
	d := new(Decayed)
	for i := from; i < to; i++ {
		w := NewWeight(x.at[i], x.half)
		d.Add(x.xs[i], &w)
	}
	return d
}

func TestDecayedIsTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawTerms(t)
		d := x.sum(0, len(x.xs))
		want := decayedReference(x.xs, x.at, x.half)
		var a arena
		got := new(big.Rat)
		total := d.total(&a)
		got.SetInt(new(big.Int).SetBits(words(total.mag)))
		scaleRat(got, 64*total.base)
		if total.neg {
			got.Neg(got)
		}
		if got.Cmp(want) != 0 {
			t.Fatalf("the sum is %v, want %v", got, want)
		}

		// Read at an instant near the newest term, a while later, or far off.
		last := int64(0)
		if len(x.at) > 0 {
			last = slices.Max(x.at)
		}
		at := last + rapid.Int64Range(-1100*x.half, 2200*x.half).Draw(t, "later")
		w := NewWeight(-at, x.half)
		v, ok := d.Value(&w)
		exact := new(big.Float).SetPrec(8000).SetRat(want)
		exact.Mul(exact, growth(w.num, w.den))
		exact.SetMantExp(exact, int(w.n+d.newest<<10))
		r, _ := exact.Rat(nil)
		if r == nil {
			r = new(big.Rat)
		}
		checkSame(t, "value", v, ok, r)

		weights := x
		weights.xs = slices.Clone(x.xs)
		for i := range weights.xs {
			weights.xs[i] = 1
		}
		c := weights.sum(0, len(x.xs))
		mean, ok := d.Ratio(c)
		if len(x.xs) == 0 {
			if ok {
				t.Fatal("nothing has a mean")
			}
			return
		}
		checkSame(t, "mean", mean, ok, new(big.Rat).Quo(want, decayedReference(weights.xs, x.at, x.half)))
	})
}

func words(mag []uint64) []big.Word {
	out := make([]big.Word, len(mag))
	for i, v := range mag {
		out[i] = big.Word(v)
	}
	return out
}

// scaleRat multiplies by 2^n.
func scaleRat(r *big.Rat, n int) {
	p := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(max(n, -n))))
	if n < 0 {
		p.Inv(p)
	}
	r.Mul(r, p)
}

func TestDecayedLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawTerms(t)
		n := len(x.xs)
		want := x.sum(0, n).Append(nil)
		order := rapid.Permutation(seq(n)).Draw(t, "order")
		y := terms{half: x.half}
		for _, i := range order {
			y.xs, y.at = append(y.xs, x.xs[i]), append(y.at, x.at[i])
		}
		if got := y.sum(0, n).Append(nil); !bytes.Equal(got, want) {
			t.Fatalf("the order shows: %x, %x", got, want)
		}
		i := rapid.IntRange(0, n).Draw(t, "i")
		j := rapid.IntRange(i, n).Draw(t, "j")
		a, b, c := y.sum(0, i), y.sum(i, j), y.sum(j, n)
		b.Merge(c)
		b.Merge(a)
		b.Merge(new(Decayed))
		if got := b.Append(nil); !bytes.Equal(got, want) {
			t.Fatalf("the tree of merges shows: %x, %x", got, want)
		}
		rest, err := a.Decode(append(slices.Clone(want), 0xee))
		if err != nil || len(rest) != 1 || !bytes.Equal(a.Append(nil), want) {
			t.Fatalf("decode %x: %x, %v", want, a.Append(nil), err)
		}
		a.Reset()
		a.Merge(b)
		if got := a.Append(nil); !bytes.Equal(got, want) {
			t.Fatalf("a reset sum remembers: %x, %x", got, want)
		}
	})
}

func seq(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// TestRoundingFallsBackToMoreDigits holds the long integers to the short ones,
// since only one term in 2^63 needs them.
func TestRoundingFallsBackToMoreDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		num, den := fractionsOf(t)
		if num == 0 {
			return
		}
		w := NewWeight(int64(num), int64(den))
		m := rapid.Uint64Range(1<<52, 1<<53-1).Draw(t, "m")
		got, up := w.scale(m)
		if want := w.scaleBig(m, up, 8); got != want {
			t.Fatalf("%d * 2^(%d/%d) = %d, by long integers %d", m, num, den, got, want)
		}
		mag := rapid.SliceOfN(rapid.Uint64(), 1, 5).Draw(t, "mag")
		mag[len(mag)-1] |= 1
		exp := rapid.SampledFrom([]int{0, -1100, 900, -1300}).Draw(t, "exp")
		v, ok := w.scaleWide(wide{mag: mag}, exp)
		v2, ok2 := w.scaleWideBig(wide{mag: mag}, exp, 8)
		if v != v2 || ok != ok2 {
			t.Fatalf("%x * 2^(%d + %d/%d) = %v, by long integers %v", mag, exp, num, den, v, v2)
		}
	})
}

func TestDecayedVectors(t *testing.T) {
	const hour = 3_600_000_000
	var s, c Decayed
	for _, e := range []struct {
		x  float64
		at int64
	}{{8, 0}, {4, hour}, {0.1, 3 * hour / 2}, {math.NaN(), 5000 * hour}} {
		w := NewWeight(e.at, hour)
		s.Add(e.x, &w)
		if e.x == e.x {
			c.Add(1, &w)
		}
	}
	at := NewWeight(-2*hour, hour)
	if v, ok := s.Value(&at); v != 4.070710678118655 || !ok { // 8/4 + 4/2 + 0.1/sqrt(2)
		t.Errorf("sum %v", v)
	}
	if v, ok := c.Value(&at); v != 1.4571067811865475 || !ok {
		t.Errorf("count %v", v)
	}
	if v, ok := s.Ratio(&c); v != 2.7936941414848153 || !ok {
		t.Errorf("mean %v", v)
	}
	if got := s.Append(nil); !bytes.Equal(got, []byte{1, 0x21, 0x69, 0x85, 0xb1, 0xff, 0x28, 0xc, 0xd, 9, 2}) {
		t.Errorf("bytes %x", got)
	}
	far := NewWeight(-5000*hour, hour)
	if v, ok := s.Value(&far); v != 0 || !ok {
		t.Errorf("5,000 half-lives later: %v, %v", v, ok)
	}
	back := NewWeight(5000*hour, hour)
	if _, ok := s.Value(&back); ok {
		t.Error("5,000 half-lives before is in range")
	}
	w := NewWeight(4000*hour, hour)
	s.Add(0, &w)
	if v, ok := s.Value(&at); v != 0 || !ok || s.IsEmpty() {
		t.Errorf("a zero of a later era leaves %v", v)
	}
}

func FuzzDecayedDecode(f *testing.F) {
	for _, at := range []int64{0, -5, 1 << 40} {
		d := new(Decayed)
		for i := range int64(3) {
			w := NewWeight(at+i*900, 1)
			d.Add(0.1, &w)
		}
		f.Add(d.Append(nil))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var d Decayed
		rest, err := d.Decode(src)
		if err != nil {
			return
		}
		if got := d.Append(nil); !bytes.Equal(got, src[:len(src)-len(rest)]) {
			t.Fatalf("%x decodes and encodes as %x", src, got)
		}
		for _, n := range []int64{-d.newest << 10, 7} {
			w := NewWeight(3*n+1, 3)
			d.Value(&w)
		}
		d.Ratio(&d)
	})
}

func TestDecayedDoesNotAllocate(t *testing.T) {
	var s, c, m Decayed
	for i := range int64(100) {
		w := NewWeight(i*977, 1000)
		s.Add(float64(i)/7, &w)
		c.Add(1, &w)
	}
	m.Merge(&s)
	b := s.Append(nil)
	if n := testing.AllocsPerRun(100, func() {
		m.Reset()
		m.Merge(&s)
		w := NewWeight(50_123, 1000)
		m.Add(0.3, &w)
		at := NewWeight(-200_123, 1000)
		m.Value(&at)
		m.Ratio(&c)
		if _, err := m.Decode(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkDecayed(b *testing.B) {
	const hour = 3_600_000_000
	var s, o Decayed
	at := NewWeight(-1_700_000_000_000_000, hour)
	for i := range int64(50) {
		w := NewWeight(1_699_999_000_000_000+i*20_000_000, hour)
		s.Add(float64(i)*1.1, &w)
		o.Add(1, &w)
	}
	b.Run("weight", func(b *testing.B) {
		for i := int64(0); b.Loop(); i++ {
			at = NewWeight(1_699_999_000_000_000+i, hour)
		}
	})
	b.Run("add", func(b *testing.B) {
		w := NewWeight(1_699_999_000_000_000, hour)
		for b.Loop() {
			s.Add(1.1, &w)
		}
	})
	b.Run("merge", func(b *testing.B) {
		for b.Loop() {
			s.Merge(&o)
		}
	})
	b.Run("value", func(b *testing.B) {
		at = NewWeight(-1_700_000_000_000_000, hour)
		for b.Loop() {
			s.Value(&at)
		}
	})
	b.Run("ratio", func(b *testing.B) {
		for b.Loop() {
			s.Ratio(&o)
		}
	})
}
