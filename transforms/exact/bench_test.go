package exact

import (
	"math"
	"testing"
)

// The benchmarks of what runs per event and per tile. Floors (bench-engine): a
// double sum <= 12 ns an addition; reading about 250 tiles in 5 us.

func amounts() []float64 {
	xs := make([]float64, 1024)
	for i := range xs {
		xs[i] = math.Sin(float64(i)) * math.Exp(float64(i%20))
	}
	return xs
}

func BenchmarkFloatAdd(b *testing.B) {
	xs := amounts()
	var f Float
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.Add(xs[i&1023])
	}
}

func BenchmarkFloatAddSquare(b *testing.B) {
	xs := amounts()
	var f Float
	for i := 0; b.Loop(); i++ {
		f.AddSquare(xs[i&1023])
	}
}

func BenchmarkFloatAddFourth(b *testing.B) {
	xs := amounts()
	var f Float
	for i := 0; b.Loop(); i++ {
		f.AddFourth(xs[i&1023])
	}
}

func BenchmarkFloatMerge(b *testing.B) {
	xs := amounts()
	var f, o Float
	for _, x := range xs {
		o.Add(x)
	}
	for b.Loop() {
		f.Merge(&o)
	}
}

// BenchmarkTiles decodes and merges the sums of 250 tiles.
func BenchmarkTiles(b *testing.B) {
	var src, ints, doubles []byte
	xs := amounts()
	for i := range 250 {
		var f, d Float
		var n Int128
		f.Add(float64(i % 60))
		n.Add(int64(i % 60))
		d.Add(xs[i])
		d.Add(xs[i+1])
		src, ints, doubles = f.Append(src), n.Append(ints), d.Append(doubles)
	}
	read := func(src []byte) func(b *testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				var f Float
				for rest := src; len(rest) > 0; {
					rest, _ = f.MergeBytes(rest)
				}
			}
		}
	}
	b.Run("integral doubles", read(src))
	b.Run("doubles", read(doubles))
	b.Run("ints", func(b *testing.B) {
		for b.Loop() {
			var n Int128
			for rest := ints; len(rest) > 0; {
				rest, _ = n.MergeBytes(rest)
			}
		}
	})
}

func BenchmarkFinish(b *testing.B) {
	var p powerSums
	for _, x := range amounts() {
		p.add(x)
	}
	all := p.powers(1024)
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
	run("round", func() { p[0].Round() })
	run("mean", func() { p[0].Mean(1000) })
	run("variance", func() { Variance(1024, 1024, &p[0], &p[1]) })
	run("skewness", func() { all.Skewness() })
	run("kurtosis", func() { all.Kurtosis() })
	run("interpolate", func() { Interpolate(1.1, 2.2, 3, 10) })
	var buf []byte
	run("append", func() { buf = p[0].Append(buf[:0]) })
}
