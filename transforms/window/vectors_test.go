package window_test

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

const (
	minute = featurestore.Minute
	micro  = 1e-6
)

// us is an instant of seconds, with the microseconds that a vector names.
func us(seconds float64) int64 { return int64(seconds*1e6 + 0.5) }

// one is a view of one window over column v (int64): count, count(v), sum, avg,
// last, and the latest value.
func one(t *testing.T, w, o, g featurestore.Duration, change func(*window.Config)) *window.Plan {
	t.Helper()
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: 300 * featurestore.Second}}}
	for _, f := range []string{"count", "count", "sum", "avg", "last"} {
		x := window.Feature{Name: f, Call: agg.Call{Func: f, Input: featurestore.Int64}, Input: 0, Where: -1, Width: w, Offset: o, Tile: g}
		if len(c.Features) == 0 {
			x.Input, x.Call.Input = -1, featurestore.Type{}
		}
		c.Features = append(c.Features, x)
	}
	if change != nil {
		change(&c)
	}
	p, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func latest(ttl featurestore.Duration) func(*window.Config) {
	return func(c *window.Config) {
		c.TTL = ttl
		c.Features = append(c.Features, window.Feature{Name: "latest", Kind: window.Latest, Type: featurestore.Int64, Input: 0, Where: -1})
	}
}

// ev is an event at e, logged at a; v < 0 is null.
func ev(e, a float64, v int64) window.Row {
	x := featurestore.Int64Value(v)
	if v < 0 {
		x = featurestore.Null
	}
	return window.Row{Time: featurestore.EventTime(us(e)), LogTime: featurestore.LogTime(us(a)), Inputs: []featurestore.Value{x}}
}

func apply(p *window.Plan, s *window.State, rows ...window.Row) []window.Verdict {
	var out []window.Verdict
	for _, r := range rows {
		r.Offset = int64(len(s.Applied))
		if len(s.Applied) > 0 {
			r.Offset = s.Applied[0].Offset + 1
		}
		out = append(out, p.Apply(s, &r))
		p.Settle(s)
	}
	return out
}

func read(p *window.Plan, s *window.State, at float64) string {
	out := make([]featurestore.Cell, len(p.Features()))
	p.Read(s, featurestore.Instant(us(at)), out)
	var b []string
	for i, f := range p.Features() {
		b = append(b, out[i].Value.Text(f.Type)+":"+out[i].Status.String())
	}
	return strings.ReplaceAll(strings.Join(b, " "), ":PRESENT", "")
}

// TestReadingVectors: the events of semantics.md up to each read time.
func TestReadingVectors(t *testing.T) {
	all := []window.Row{ev(0, 0, 1), ev(59, 59, 2), ev(60, 60, 4), ev(119, 119, 8), ev(120, 120, 16), ev(180, 180, -1)}
	for _, c := range []struct {
		name string
		w, o featurestore.Duration
		g    featurestore.Duration
		at   float64
		want string
	}{
		{"start in, end out", minute, 0, minute, 60, "2 2 3 1.5 2"},
		{"tail aligned", minute, 0, minute, 61, "3 3 7 2.3333333333333335 4"},
		{"event at t excluded", minute, 0, minute, 119, "3 3 7 2.3333333333333335 4"},
		{"tile leaves", minute, 0, minute, 120, "2 2 12 6 8"},
		{"exclusive end", minute, 0, minute, 180, "1 1 16 16 16"},
		{"null value", minute, 0, minute, 181, "2 1 16 16 16"},
		{"only nulls", minute, 0, minute, 240, "1 0:EMPTY 0:EMPTY null:EMPTY null:EMPTY"},
		{"empty", minute, 0, minute, 300, "0:EMPTY 0:EMPTY 0:EMPTY null:EMPTY null:EMPTY"},
		{"1 s tiles", minute, 0, featurestore.Second, 61, "2 2 6 3 4"},
		{"offset", minute, minute, minute, 150, "2 2 3 1.5 2"},
		{"retention, last instant", minute, 0, minute, 180 + 60 + 60 + 300, "0:EMPTY 0:EMPTY 0:EMPTY null:EMPTY null:EMPTY"},
		{"retention, past it", minute, 0, minute, 180 + 60 + 60 + 300 + micro, "0:NOT_FOUND 0:NOT_FOUND 0:NOT_FOUND null:NOT_FOUND null:NOT_FOUND"},
	} {
		p, s := one(t, c.w, c.o, c.g, nil), new(window.State)
		for _, e := range all {
			if int64(e.LogTime) < us(c.at) {
				apply(p, s, e)
			}
		}
		if got := read(p, s, c.at); got != c.want {
			t.Errorf("%s, at %v: %s; want %s", c.name, c.at, got, c.want)
		}
	}
	p := one(t, minute, 0, minute, nil)
	unknown := "0:NOT_FOUND 0:NOT_FOUND 0:NOT_FOUND null:NOT_FOUND null:NOT_FOUND"
	if got := read(p, nil, 300); got != unknown {
		t.Errorf("nil state: %s", got)
	}
	if got := read(p, new(window.State), 300); got != unknown {
		t.Errorf("zero state: %s", got)
	}
}

func TestLateAheadPending(t *testing.T) {
	p, s := one(t, 1000*featurestore.Second, 0, featurestore.Second, latest(0)), new(window.State)
	got := apply(p, s, ev(0, 301, 1), ev(0, 300, 1), ev(1000, 400, 9), ev(500, 400, 5), ev(700, 400, 9), ev(700+micro, 400, 9))
	want := []window.Verdict{window.Late, window.Folded, window.Ahead, window.Pending, window.Pending, window.Ahead}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d: %v, want %v", i, got[i], want[i])
		}
	}
	for _, c := range []struct {
		at   float64
		want string
	}{{450, "1 1 1 1 1 1"}, {500, "1 1 1 1 1 1"}, {500 + micro, "2 2 6 3 5 5"}} {
		if got := read(p, s, c.at); got != c.want {
			t.Errorf("at %v: %s; want %s", c.at, got, c.want)
		}
	}
	if !p.TooOld(s, featurestore.Instant(us(400))) || p.TooOld(s, featurestore.Instant(us(400+micro))) {
		t.Error("a state is too old up to its largest log time; pending rows do not count")
	}
	apply(p, s, ev(499, 499.999999, 3))
	if s.Pending() != 2 {
		t.Errorf("%d rows pending before their time", s.Pending())
	}
	apply(p, s, ev(499, 500, 3))
	if s.Pending() != 1 || read(p, s, 600) != "4 4 12 3 5 5" {
		t.Errorf("%d rows pending once the log reached them: %s", s.Pending(), read(p, s, 600))
	}
}

func TestPendingFromAnotherPartition(t *testing.T) {
	p, s := one(t, 1000*featurestore.Second, 0, featurestore.Second, latest(0)), new(window.State)
	a, b := ev(500, 400, 5), ev(600, 600, 7)
	b.Partition = 1
	p.Apply(s, &a)
	p.Apply(s, &b)
	p.Settle(s)
	if s.Pending() != 1 {
		t.Errorf("%d pending rows: only the row's own partition may fold it", s.Pending())
	}
	if got := read(p, s, 601); got != "2 2 12 6 7 7" {
		t.Errorf("%s", got)
	}
}

func TestDedupe(t *testing.T) {
	ids := func(c *window.Config) { c.Sources[0].HasEventID = true }
	k := func(e, a float64, v int64) window.Row { r := ev(e, a, v); r.ID = "k"; return r }
	rows := []window.Row{k(10, 10, 5), k(10, 11, 6), k(70, 70, 7), k(5, 300, 8), k(50, 350, 8), k(59, 359, 8)}
	p, s := one(t, 1000*featurestore.Second, 0, minute/6, ids), new(window.State)
	want := []window.Verdict{window.Folded, window.Duplicate, window.Folded, window.Folded, window.Folded, window.Duplicate}
	for i, v := range apply(p, s, rows...) {
		if v != want[i] {
			t.Errorf("row %d: %v, want %v", i, v, want[i])
		}
	}
	if got := s.Applied[0].Offset; got != 5 {
		t.Errorf("applied up to %d: duplicates are applied", got)
	}
	// The tile [50, 60) is kept to log time 360 and forgotten after it; a record
	// whose own log time runs backwards may then not be counted any more.
	other := k(59, 359, 1)
	other.ID = "other"
	if got := apply(p, s, ev(360, 360, 0), other)[1]; got != window.Folded {
		t.Errorf("log time at tile end + lateness: %v", got)
	}
	other.ID = "third"
	if got := apply(p, s, ev(361, 360+micro, 0), other)[1]; got != window.Duplicate {
		t.Errorf("log time past tile end + lateness: %v", got)
	}
	off, t2 := one(t, 1000*featurestore.Second, 0, minute/6, nil), new(window.State)
	if got := apply(off, t2, rows[:2]...); got[1] != window.Folded || !strings.HasPrefix(read(off, t2, 12), "2 2 11 ") {
		t.Errorf("without event ids: %v, %s", got, read(off, t2, 12))
	}
}

func TestLatest(t *testing.T) {
	p, s := one(t, minute, 0, minute, latest(5*featurestore.Second)), new(window.State)
	apply(p, s, ev(5, 5, 26))
	for at, want := range map[float64]string{10: "26", 10 + micro: "null:EXPIRED", 500: "null:NOT_FOUND"} {
		if got := read(p, s, at); !strings.HasSuffix(got, " "+want) {
			t.Errorf("at %v: %s; want %s", at, got, want)
		}
	}
	p, s = one(t, minute, 0, minute, latest(0)), new(window.State)
	apply(p, s, ev(5, 5, 26), ev(4, 6, 1), ev(300, 7, 2), ev(8, 8, -1))
	for at, want := range map[float64]string{9: "null:EMPTY", 5000: "2"} {
		if got := read(p, s, at); !strings.HasSuffix(got, " "+want) {
			t.Errorf("at %v: %s; want %s", at, got, want)
		}
	}
}

func TestDefaultsAndEmptyNull(t *testing.T) {
	p, s := one(t, minute, 0, minute, func(c *window.Config) {
		c.Features[2].EmptyNull = true
		c.Features[3].Default = featurestore.DoubleValue(7)
		c.Features[0].Default = featurestore.Int64Value(99)
		c.Features[0].EmptyNull = true
	}), new(window.State)
	apply(p, s, ev(0, 0, 1))
	if got := read(p, s, 300); got != "0:EMPTY 0:EMPTY null:EMPTY 7:EMPTY null:EMPTY" {
		t.Errorf("%s", got)
	}
	if got := read(p, nil, 300); got != "0:NOT_FOUND 0:NOT_FOUND null:NOT_FOUND 7:NOT_FOUND null:NOT_FOUND" {
		t.Errorf("%s", got)
	}
}
