package window_test

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// basic is a view of windows x (count, sum, avg, min, max) over one input.
func basic(t testing.TB, input featurestore.Type, widths ...featurestore.Duration) *window.Plan {
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour}}}
	for _, w := range widths {
		c.Features = append(c.Features, window.Feature{Call: agg.Call{Func: "count"}, Input: -1, Where: -1, Width: w})
		for _, f := range []string{"sum", "avg", "min", "max"} {
			c.Features = append(c.Features, window.Feature{Call: agg.Call{Func: f, Input: input}, Input: 0, Where: -1, Width: w})
		}
	}
	p, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// feed applies n events, one every step, with values of two decimals, and
// settles after every hundredth.
func feed(p *window.Plan, s *window.State, n int, step featurestore.Duration) featurestore.Instant {
	row := window.Row{Inputs: make([]featurestore.Value, 1)}
	at := featurestore.Instant(0)
	for i := range n {
		at = featurestore.Instant(int64(i) * int64(step))
		row.Offset, row.Time, row.LogTime = int64(i), featurestore.EventTime(at), featurestore.LogTime(at)
		row.Inputs[0] = featurestore.DoubleValue(float64(i%1000) / 100)
		p.Apply(s, &row)
		if i%100 == 99 {
			p.Settle(s)
		}
	}
	p.Settle(s)
	return at + 1
}

func BenchmarkApply(b *testing.B) {
	p := basic(b, featurestore.Double, featurestore.Hour, featurestore.Day, 7*featurestore.Day)
	var s window.State
	row := window.Row{Inputs: make([]featurestore.Value, 1)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := int64(i) * int64(featurestore.Second)
		row.Offset, row.Time, row.LogTime = int64(i), featurestore.EventTime(at), featurestore.LogTime(at)
		row.Inputs[0] = featurestore.DoubleValue(float64(i%1000) / 100)
		p.Apply(&s, &row)
		if i%100 == 99 {
			p.Settle(&s)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	p := basic(b, featurestore.Double, featurestore.Hour, featurestore.Day, 7*featurestore.Day)
	var s window.State
	t := feed(p, &s, 20_000, featurestore.Minute)
	out := make([]featurestore.Cell, len(p.Features()))
	b.ReportAllocs()
	for b.Loop() {
		p.Read(&s, t, out)
	}
	b.ReportMetric(float64(s.Tiles()), "tiles")
}

func BenchmarkDecode(b *testing.B) {
	p := basic(b, featurestore.Int64, featurestore.Hour, featurestore.Day, 7*featurestore.Day)
	var s window.State
	row := window.Row{Inputs: make([]featurestore.Value, 1)}
	for i := range 20_000 {
		at := int64(i) * int64(featurestore.Minute)
		row.Offset, row.Time, row.LogTime = int64(i), featurestore.EventTime(at), featurestore.LogTime(at)
		row.Inputs[0] = featurestore.Int64Value(int64(i % 100))
		p.Apply(&s, &row)
	}
	p.Settle(&s)
	newest, folded := s.Newest()
	body := p.AppendState(nil, &s)
	h := window.Header{Applied: append(featurestore.Applied(nil), s.Applied...), Newest: newest, Folded: folded}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.DecodeWhole(body, h, &s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Tiles()), "tiles")
	b.ReportMetric(float64(len(body)), "bytes")
}

func TestApplyAndReadDoNotAllocate(t *testing.T) {
	p := basic(t, featurestore.Double, featurestore.Hour, featurestore.Day)
	var s window.State
	at := feed(p, &s, 5000, featurestore.Minute)
	out := make([]featurestore.Cell, len(p.Features()))
	if n := testing.AllocsPerRun(100, func() { p.Read(&s, at, out) }); n != 0 {
		t.Errorf("a read makes %v allocations, want 0", n)
	}
	row := window.Row{Inputs: []featurestore.Value{featurestore.DoubleValue(1.25)}}
	row.Offset, row.Time, row.LogTime = 5000, featurestore.EventTime(at), featurestore.LogTime(at)
	if n := testing.AllocsPerRun(1000, func() {
		p.Apply(&s, &row)
		row.Offset++
		row.Time += 1000
		row.LogTime += 1000
	}); n != 0 {
		t.Errorf("an apply makes %v allocations, want 0", n)
	}
}
