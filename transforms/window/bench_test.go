package window_test

import (
	"syscall"
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

// cpu reports what an operation took of the processor, which says more than the
// clock on a machine that others use too.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var u syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
			return 0
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

func BenchmarkApply(b *testing.B) {
	p := basic(b, featurestore.Double, featurestore.Hour, featurestore.Day, 7*featurestore.Day)
	var s window.State
	row := window.Row{Inputs: make([]featurestore.Value, 1)}
	b.ReportAllocs()
	defer cpu(b)()
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
	defer cpu(b)()
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
	defer cpu(b)()
	for b.Loop() {
		if err := p.DecodeWhole(body, h, &s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Tiles()), "tiles")
	b.ReportMetric(float64(len(body)), "bytes")
}

// BenchmarkTouch is what an ingester does to an entity that it has as bytes: 20
// tiles of a week are read, three events are added, and all is written.
func BenchmarkTouch(b *testing.B) {
	p := basic(b, featurestore.Int64, featurestore.Hour, featurestore.Day, 7*featurestore.Day)
	row := window.Row{Inputs: make([]featurestore.Value, 1)}
	add := func(s *window.State, i int) {
		at := int64(i) * int64(8*featurestore.Hour)
		row.Offset, row.Time, row.LogTime = int64(i), featurestore.EventTime(at), featurestore.LogTime(at)
		row.Inputs[0] = featurestore.Int64Value(int64(i % 1000 * 17))
		p.Apply(s, &row)
	}
	var s window.State
	for i := range 20 {
		add(&s, i)
	}
	p.Settle(&s)
	newest, folded := s.Newest()
	body := p.AppendOpen(nil, &s)
	h := window.Header{Applied: append(featurestore.Applied(nil), s.Applied...), Newest: newest, Folded: folded}
	b.ReportAllocs()
	defer cpu(b)()
	var out []byte
	for b.Loop() {
		if err := p.DecodeState(body, nil, h, &s); err != nil {
			b.Fatal(err)
		}
		for i := range 3 {
			add(&s, 20+i)
		}
		p.Settle(&s)
		out = p.AppendOpen(out[:0], &s)
	}
	b.ReportMetric(float64(s.Tiles()), "tiles")
	b.ReportMetric(float64(len(out)), "bytes")
}

func TestApplyAndReadDoNotAllocate(t *testing.T) {
	p := basic(t, featurestore.Double, featurestore.Hour, featurestore.Day)
	var s window.State
	at := feed(p, &s, 5000, featurestore.Minute)
	out := make([]featurestore.Cell, len(p.Features()))
	if n := testing.AllocsPerRun(100, func() { p.Read(&s, at, out) }); n != 0 {
		t.Errorf("a read makes %v allocations, want 0", n)
	}
	var sc window.Scratch
	in := window.Packed{Open: p.AppendOpen(nil, &s), Closed: p.AppendClosed(nil, &s), Header: headerOf(&s)}
	if n := testing.AllocsPerRun(100, func() {
		if err := p.ReadPacked(in, at, &sc, out); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("a read from bytes makes %v allocations, want 0", n)
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

// tenWindows is a view of ten windows up to 30 days x (count, sum, min, max) of
// integers, and a dense state of it in bytes.
func tenWindows(t testing.TB) (p *window.Plan, open, closed []byte, h window.Header, s *window.State, at featurestore.Instant) {
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour}}}
	for _, w := range []featurestore.Duration{1, 24, 36, 48, 60, 72, 4 * 24, 5 * 24, 24 * 24, 30 * 24} {
		c.Features = append(c.Features, window.Feature{Call: agg.Call{Func: "count"}, Input: -1, Where: -1, Width: w * featurestore.Hour})
		for _, f := range []string{"sum", "min", "max"} {
			c.Features = append(c.Features, window.Feature{Call: agg.Call{Func: f, Input: featurestore.Int64}, Input: 0, Where: -1, Width: w * featurestore.Hour})
		}
	}
	p, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	s = new(window.State)
	row := window.Row{Inputs: make([]featurestore.Value, 1)}
	for i := range 40_000 {
		e := int64(i) * int64(featurestore.Minute)
		row.Offset, row.Time, row.LogTime = int64(i), featurestore.EventTime(e), featurestore.LogTime(e)
		row.Inputs[0] = featurestore.Int64Value(int64(i % 100))
		p.Apply(s, &row)
		if i%50 == 0 {
			p.Settle(s)
		}
	}
	p.Settle(s)
	newest, folded := s.Newest()
	h = window.Header{Applied: append(featurestore.Applied(nil), s.Applied...), Newest: newest, Folded: folded}
	return p, p.AppendOpen(nil, s), p.AppendClosed(nil, s), h, s, p.ReadTime(s)
}

func BenchmarkReadPacked(b *testing.B) {
	p, open, closed, h, s, at := tenWindows(b)
	var sc window.Scratch
	out := make([]featurestore.Cell, len(p.Features()))
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		if err := p.ReadPacked(window.Packed{Open: open, Closed: closed, Header: h}, at, &sc, out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Tiles()), "tiles")
	b.ReportMetric(float64(len(open)+len(closed)), "bytes")
}

func BenchmarkReadState(b *testing.B) {
	p, _, _, _, s, at := tenWindows(b)
	out := make([]featurestore.Cell, len(p.Features()))
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		p.Read(s, at, out)
	}
	b.ReportMetric(float64(s.Tiles()), "tiles")
}

// BenchmarkApplyByWidth: what an event costs does not grow with the length of
// the window, nor with how often a window moves on. Each event is a batch.
func BenchmarkApplyByWidth(b *testing.B) {
	for _, w := range []featurestore.Duration{featurestore.Hour, 7 * featurestore.Day, 90 * featurestore.Day} {
		b.Run(w.String(), func(b *testing.B) {
			p := basic(b, featurestore.Double, w)
			var s window.State
			row := window.Row{Inputs: make([]featurestore.Value, 1)}
			b.ReportAllocs()
			defer cpu(b)()
			for i := 0; b.Loop(); i++ {
				at := int64(i) * int64(featurestore.Minute)
				row.Offset, row.Time, row.LogTime = int64(i), featurestore.EventTime(at), featurestore.LogTime(at)
				row.Inputs[0] = featurestore.DoubleValue(float64(i%1000) / 100)
				p.Apply(&s, &row)
				p.Settle(&s)
			}
		})
	}
}
