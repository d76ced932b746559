package window_test

import (
	"bytes"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// orders is a view of a change feed: sum and count of amounts, and a minimum
// where raw rows are asked for.
func orders(t testing.TB, raw bool) *window.Plan {
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Minute, Changes: true}}}
	for _, fn := range []string{"sum", "count"} {
		c.Features = append(c.Features, window.Feature{Name: fn, Call: agg.Call{Func: fn, Input: featurestore.Double}, Input: 0, Where: -1, Width: featurestore.Hour})
	}
	if raw {
		c.Features = append(c.Features, window.Feature{Name: "min", Call: agg.Call{Func: "min", Input: featurestore.Double}, Input: 0, Where: -1, Kind: window.Lifetime})
	}
	p, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	if p.Rebuilds() != raw {
		t.Fatalf("a view rebuilds: %v, want %v", p.Rebuilds(), raw)
	}
	return p
}

// change is one event of a change record.
func change(offset int64, kind featurestore.Change, e, mutated float64, amount float64) window.Row {
	row := window.Row{Time: featurestore.EventTime(us(e)), LogTime: featurestore.LogTime(us(mutated)), Change: kind, Mutated: featurestore.EventTime(us(mutated)), Inputs: []featurestore.Value{featurestore.DoubleValue(amount)}}
	row.Offset = offset
	return row
}

// TestOrderChangesAndGoes is vector 38: an order of 10 at 10, changed to 7 at
// 20, deleted at 30, in views that subtract and in views that rebuild; with and
// without a restart between.
func TestOrderChangesAndGoes(t *testing.T) {
	log := [][]window.Row{
		{change(0, featurestore.Added, 10, 10, 10)},
		{change(1, featurestore.Retracted, 10, 20, 10), change(1, featurestore.Added, 10, 20, 7)},
		{change(2, featurestore.Retracted, 10, 30, 7)},
	}
	want := []string{"10 1 10", "7 1 7", "0:EMPTY 0:EMPTY null:EMPTY"}
	for _, raw := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			p, s := orders(t, raw), new(window.State)
			for i, record := range log {
				for again := range 2 { // a replay skips both events of a record
					for _, row := range record {
						if v := p.Apply(s, &row); (v == window.Duplicate) != (again == 1) {
							t.Errorf("record %d, raw %v: verdict %s", i, raw, v)
						}
					}
				}
				p.Settle(s)
				if restart {
					back := new(window.State)
					if err := p.DecodeState(p.AppendOpen(nil, s), p.AppendClosed(nil, s), headerOf(s), back); err != nil {
						t.Fatal(err)
					}
					s = back
				}
				w := want[i]
				if !raw {
					w = w[:bytes.LastIndexByte([]byte(w), ' ')]
				}
				if got := read(p, s, float64(10*i+15)); got != w {
					t.Errorf("raw %v, restart %v, at %d: %s, want %s", raw, restart, 10*i+15, got, w)
				}
			}
		}
	}
}

// TestSubtractionIsExact is vector 39, and leaves no tile behind that is empty.
func TestSubtractionIsExact(t *testing.T) {
	p, s := orders(t, false), new(window.State)
	for i, row := range []window.Row{
		change(0, featurestore.Added, 10, 10, 0.1), change(1, featurestore.Added, 11, 11, 0.2), change(2, featurestore.Retracted, 10, 12, 0.1),
		change(3, featurestore.Added, 80, 80, 5), change(4, featurestore.Retracted, 80, 81, 5),
	} {
		if v := p.Apply(s, &row); v != window.Folded {
			t.Fatalf("row %d: %s", i, v)
		}
	}
	p.Settle(s)
	if got := read(p, s, 100); got != "0.2 1" || s.Tiles() != 1 {
		t.Errorf("%s in %d tiles, want 0.2 1 in one", got, s.Tiles())
	}
}

// TestPendingChange: a change is seen from its own time on, also where the log
// took it before that.
func TestPendingChange(t *testing.T) {
	for _, raw := range []bool{false, true} {
		p, s := orders(t, raw), new(window.State)
		added := change(0, featurestore.Added, 10, 10, 3)
		gone := change(1, featurestore.Retracted, 10, 50, 3)
		gone.LogTime = featurestore.LogTime(us(20))
		p.Apply(s, &added)
		if v := p.Apply(s, &gone); v != window.Pending {
			t.Fatalf("verdict %s", v)
		}
		p.Settle(s)
		for _, c := range []struct {
			at   float64
			want string
		}{{50, "3 1"}, {50.000001, "0:EMPTY 0:EMPTY"}} {
			want := c.want
			if raw {
				want += map[string]string{"3 1": " 3", "0:EMPTY 0:EMPTY": " null:EMPTY"}[c.want]
			}
			if got := read(p, s, c.at); got != want {
				t.Errorf("raw %v at %v: %s, want %s", raw, c.at, got, want)
			}
		}
	}
}

// TestRetractionOfNothing takes nothing where rows are kept.
func TestRetractionOfNothing(t *testing.T) {
	p, s := orders(t, true), new(window.State)
	for _, row := range []window.Row{change(0, featurestore.Added, 10, 10, 3), change(1, featurestore.Retracted, 10, 12, 4), change(2, featurestore.Retracted, 11, 13, 3)} {
		p.Apply(s, &row)
	}
	p.Settle(s)
	if got := read(p, s, 20); got != "3 1 3" {
		t.Error(got)
	}
}

// TestBeyondTheNetRows: that a window of dropped rows is empty is not known.
func TestBeyondTheNetRows(t *testing.T) {
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Minute, Changes: true}}}
	for _, ago := range []featurestore.Duration{12_000, 12_002, 11_000, 1} {
		c.Features = append(c.Features, window.Feature{
			Call: agg.Call{Func: "max", Input: featurestore.Double}, Input: 0, Second: -1, By: -1, Where: -1, Width: 2 * featurestore.Second, Offset: ago * featurestore.Second,
		})
	}
	c.Features = append(c.Features, window.Feature{Kind: window.Latest, Type: featurestore.Double, Input: 0, Second: -1, By: -1, Where: -1})
	p, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	s := new(window.State)
	for i := range 10_002 {
		row := change(int64(i), featurestore.Added, float64(i), float64(i), float64(i))
		if i > 1 {
			row.Time += featurestore.EventTime(us(2000))
			row.LogTime, row.Mutated = featurestore.LogTime(row.Time), row.Time
		}
		p.Apply(s, &row)
	}
	p.Settle(s)
	if got, want := read(p, s, 12_002), "null:APPROXIMATE null:APPROXIMATE null:EMPTY 10000 10001:APPROXIMATE"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestNetRowsAreCapped: past 10,000 rows a window that reaches back to what was
// dropped says so, and one that does not is exact.
func TestNetRowsAreCapped(t *testing.T) {
	p, s := orders(t, true), new(window.State)
	for i := range 10_002 {
		row := change(int64(i), featurestore.Added, float64(i), float64(i), float64(i))
		p.Apply(s, &row)
	}
	p.Settle(s)
	if got, want := read(p, s, 10_002), "2.9793381e+07 3642 2:APPROXIMATE"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
