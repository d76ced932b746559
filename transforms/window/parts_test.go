package window_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// feature is a feature over input x (double), s (string) or none.
func feature(name, fn string, where int, change func(*window.Feature)) window.Feature {
	f := window.Feature{Name: name, Call: agg.Call{Func: fn}, Input: -1, Second: -1, By: -1, Where: where}
	switch fn {
	case "count", "time_since_last":
	case "last", "count_distinct":
		f.Call.Input, f.Input = featurestore.String, 1
	default:
		f.Call.Input, f.Input = featurestore.Double, 0
	}
	change(&f)
	return f
}

// every are windows of every kind over small spans, so that a short log crosses
// all of their edges.
func every(zone *time.Location) []window.Feature {
	d := featurestore.Second
	return []window.Feature{
		feature("trailing", "sum", -1, func(f *window.Feature) { f.Width = 10 * featurestore.Minute }),
		feature("offset", "max", 2, func(f *window.Feature) { f.Width, f.Offset = 4*featurestore.Minute, 7*featurestore.Minute }),
		feature("exact", "last", 2, func(f *window.Feature) { f.Width, f.Exact, f.MaxRows = 500*d, true, 7 }),
		feature("exact all", "sum", 2, func(f *window.Feature) { f.Width, f.Exact = 800*d, true }),
		feature("lifetime", "count_distinct", -1, func(f *window.Feature) { f.Kind = window.Lifetime }),
		feature("rows", "avg", 2, func(f *window.Feature) { f.Kind, f.Count = window.Rows, 5 }),
		feature("rows all", "last", -1, func(f *window.Feature) { f.Kind, f.Count = window.Rows, 30 }),
		feature("session", "min", -1, func(f *window.Feature) { f.Kind, f.Width = window.Session, 90*d }),
		feature("session where", "count", 2, func(f *window.Feature) { f.Kind, f.Width = window.Session, 400*d }),
		feature("tumbling", "stddev_pop", -1, func(f *window.Feature) { f.Kind, f.Width = window.Tumbling, 90*d }),
		feature("hopping", "sum", -1, func(f *window.Feature) { f.Kind, f.Width, f.Step = window.Hopping, 300*d, 40*d }),
		feature("calendar", "count", -1, func(f *window.Feature) { f.Kind, f.Unit, f.Zone = window.Calendar, window.Day, zone }),
		feature("week", "sum", 2, func(f *window.Feature) { f.Kind, f.Unit, f.Zone, f.Complete = window.Calendar, window.Week, zone, true }),
		feature("series", "sum", -1, func(f *window.Feature) { f.Kind, f.Width, f.Step, f.Count = window.Series, 60*d, 45*d, 6 }),
		feature("since", "time_since_last", 2, func(f *window.Feature) { f.Width = featurestore.Hour }),
	}
}

// mixed draws some of every kind.
func mixed(t *rapid.T) *window.Plan {
	zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"}).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	all := every(zone)
	c := window.Config{TTL: 2 * featurestore.Hour, Sources: []window.SourceRule{{AllowedLateness: 10 * featurestore.Minute}, {AllowedLateness: featurestore.Minute, HasEventID: true}}}
	if rapid.IntRange(0, 4).Draw(t, "latest") == 0 {
		c.Features = append(c.Features, window.Feature{Name: "newest", Kind: window.Latest, Type: featurestore.String, Input: 1, Where: -1})
	}
	for range rapid.IntRange(1, 5).Draw(t, "features") {
		c.Features = append(c.Features, rapid.SampledFrom(all).Draw(t, "feature"))
	}
	p, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// long draws a log of one partition that has enough tiles to be cut in parts.
func long(t *rapid.T) []window.Row {
	var rows []window.Row
	a := rapid.Int64Range(1_710_040_000, 1_710_060_000).Draw(t, "start")
	step := rapid.SampledFrom([]int64{2, 20, 70, 900}).Draw(t, "pace")
	for i := range rapid.IntRange(0, 120).Draw(t, "n") {
		a += rapid.Int64Range(0, 2*step).Draw(t, "step")
		e := a - rapid.SampledFrom([]int64{0, 0, 0, 0, -3, 1, 40, 500}).Draw(t, "behind")
		row := window.Row{Time: featurestore.EventTime(e * second), LogTime: featurestore.LogTime(a * second)}
		row.Source, row.Offset = uint16(i%2), int64(i)
		row.ID = fmt.Sprint(i % 17)
		row.Inputs = []featurestore.Value{
			rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.DoubleValue(0.1), featurestore.DoubleValue(1e16), featurestore.DoubleValue(-3.75), featurestore.DoubleValue(1. / 3)}).Draw(t, "x"),
			rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.StringValue("a"), featurestore.StringValue("bb")}).Draw(t, "s"),
			rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.BoolValue(true), featurestore.BoolValue(true)}).Draw(t, "w"),
		}
		rows = append(rows, row)
	}
	return rows
}

func headerOf(s *window.State) window.Header {
	newest, folded := s.Newest()
	return window.Header{Applied: slices.Clone(s.Applied), Newest: newest, Folded: folded}
}

// TestPartsAndPackedReads feeds views of any windows, with restarts, and checks
// that the closed part is only ever said to be the same where it is, that the
// parts give the state back, and that a read straight from them gives the bits
// of a read of the state.
func TestPartsAndPackedReads(t *testing.T) {
	closedSeen, kept := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := mixed(t)
		s := new(window.State)
		var sc window.Scratch
		var stored []byte
		out, packed := make([]featurestore.Cell, len(p.Features())), make([]featurestore.Cell, len(p.Features()))
		for _, row := range long(t) {
			p.Apply(s, &row)
			if rapid.IntRange(0, 3).Draw(t, "batch") > 0 {
				continue
			}
			p.Settle(s)
			open, closed := p.AppendOpen(nil, s), p.AppendClosed(nil, s)
			if !s.ClosedChanged() {
				if !bytes.Equal(closed, stored) {
					t.Fatalf("the closed part has changed unsaid:\n%x\n%x", stored, closed)
				}
				if len(closed) > 0 {
					kept++
				}
			}
			if len(closed) > 0 {
				closedSeen++
			}
			stored = closed
			s.Stored()
			again := new(window.State)
			if err := p.DecodeState(open, closed, headerOf(s), again); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p.AppendOpen(nil, again), open) || !bytes.Equal(p.AppendClosed(nil, again), closed) || again.ClosedChanged() {
				t.Fatalf("decode and encode give other bytes")
			}
			at := p.ReadTime(s) + featurestore.Instant(rapid.SampledFrom([]int64{0, 0, 1, 30, 700, 90_000}).Draw(t, "later")*second)
			p.Read(s, at, out)
			if err := p.ReadPacked(window.Packed{Open: open, Closed: closed, Header: headerOf(s)}, at, &sc, packed); err != nil {
				t.Fatal(err)
			}
			e1, ok1 := p.NewestBefore(s, at)
			if e2, ok2 := sc.NewestBefore(at); e1 != e2 || ok1 != ok2 {
				t.Fatalf("newest %v %v, packed %v %v", e1, ok1, e2, ok2)
			}
			for i := range out {
				if !out[i].Value.Equal(packed[i].Value) || out[i].Status != packed[i].Status {
					t.Fatalf("%s: %v, packed %v", p.Features()[i].Name, out[i], packed[i])
				}
			}
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				s = again
			}
		}
	})
	if closedSeen == 0 || kept == 0 {
		t.Errorf("%d closed parts, %d of them kept: the test shows nothing", closedSeen, kept)
	}
}
