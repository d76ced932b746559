package window_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// single is a view of one window over v (int64) and w (bool).
func single(t testing.TB, fn string, f window.Feature) *window.Plan {
	t.Helper()
	f.Name, f.Call, f.Where = fn, agg.Call{Func: fn, Input: featurestore.Int64}, -1
	p, err := window.Compile(window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Day, Changes: fn == "min" || fn == "count"}}, Features: []window.Feature{f}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// at is an instant of a zone.
func at(t testing.TB, zone, text string) int64 {
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	x, err := time.ParseInLocation("2006-01-02 15:04:05.999999", text, z)
	if err != nil {
		t.Fatal(err)
	}
	return x.UnixMicro()
}

// counted feeds an event at each instant, all logged at the last, and reads.
func counted(t testing.TB, p *window.Plan, events []int64, read int64) string {
	var s window.State
	for i, e := range events {
		row := window.Row{Time: featurestore.EventTime(e), LogTime: featurestore.LogTime(e), Inputs: []featurestore.Value{featurestore.Int64Value(1 << i)}}
		row.Offset = int64(i)
		p.Apply(&s, &row)
		p.Settle(&s)
	}
	out := make([]featurestore.Cell, 1)
	p.Read(&s, featurestore.Instant(read), out)
	return out[0].Value.Text(p.Features()[0].Type) + " " + out[0].Status.String()
}

// TestCalendarEdges: days that are 23, 25 and 24.5 hours long, offsets of odd
// minutes, midnights that do not exist, and weeks and months.
func TestCalendarEdges(t *testing.T) {
	for _, c := range []struct {
		zone     string
		unit     window.Unit
		complete bool
		events   []string // of the value 1, 2, 4, ...
		read     string
		want     string
	}{
		{"America/New_York", window.Day, false, []string{"2024-03-09 23:59:59.999999", "2024-03-10 00:00:00", "2024-03-10 03:00:00"}, "2024-03-10 23:59:59", "6 PRESENT"},
		{"America/New_York", window.Day, true, []string{"2024-03-09 23:59:59.999999", "2024-03-10 00:00:00", "2024-03-10 23:59:59.999999", "2024-03-11 00:00:00"}, "2024-03-11 00:00:01", "6 PRESENT"},
		{"America/New_York", window.Day, true, []string{"2024-11-02 23:59:59", "2024-11-03 00:30:00", "2024-11-03 23:59:59.999999", "2024-11-04 00:00:00"}, "2024-11-04 12:00:00", "6 PRESENT"},
		{"America/New_York", window.Day, false, []string{"2024-11-03 00:00:00"}, "2024-11-03 23:59:59", "1 PRESENT"}, // 24 h 59 min later
		{"America/New_York", window.Day, false, []string{"2024-11-03 00:00:00"}, "2024-11-04 00:00:00", "0 EMPTY"},
		{"Asia/Kathmandu", window.Day, false, []string{"2024-05-01 23:59:59", "2024-05-02 00:00:00"}, "2024-05-02 00:00:01", "2 PRESENT"},
		{"Australia/Lord_Howe", window.Day, true, []string{"2024-04-06 23:59:59", "2024-04-07 00:00:00", "2024-04-07 23:59:59", "2024-04-08 00:00:00"}, "2024-04-08 01:00:00", "6 PRESENT"},
		{"America/Sao_Paulo", window.Day, false, []string{"2018-11-03 23:59:59", "2018-11-04 01:00:00"}, "2018-11-04 02:00:00", "2 PRESENT"}, // no midnight
		{"Pacific/Apia", window.Day, true, []string{"2011-12-29 12:00:00", "2011-12-31 00:30:00"}, "2011-12-31 01:00:00", "1 PRESENT"},       // no 30th
		{"Europe/Berlin", window.Week, false, []string{"2024-03-31 23:59:59", "2024-04-01 00:00:00"}, "2024-04-03 00:00:00", "2 PRESENT"},
		{"Europe/Berlin", window.Month, true, []string{"2024-02-29 23:59:59", "2024-03-01 00:00:00", "2024-03-31 23:59:59", "2024-04-01 00:00:00"}, "2024-04-30 23:59:59", "6 PRESENT"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		p := single(t, "sum", window.Feature{Kind: window.Calendar, Unit: c.unit, Zone: zone, Complete: c.complete})
		var events []int64
		for _, e := range c.events {
			events = append(events, at(t, c.zone, e))
		}
		if got := counted(t, p, events, at(t, c.zone, c.read)); got != c.want {
			t.Errorf("%s of %s at %s, complete %v: %s, want %s", c.unit, c.zone, c.read, c.complete, got, c.want)
		}
	}
	newYork, _ := time.LoadLocation("America/New_York")
	p := single(t, "sum", window.Feature{Kind: window.Calendar, Unit: window.Day, Zone: newYork})
	if got := counted(t, p, []int64{at(t, "UTC", "2040-12-31 06:00:00")}, at(t, "UTC", "2040-12-31 07:00:00")); got != "1 PRESENT" {
		t.Errorf("on a day of which package time knows no bounds: %s", got)
	}
}

// TestJumpingAndSessionEdges: values 1, 2, 4, ... at the given seconds.
func TestJumpingAndSessionEdges(t *testing.T) {
	s := featurestore.Second
	for _, c := range []struct {
		name   string
		f      window.Feature
		events []float64
		read   float64
		want   string
	}{
		{"tumbling, before the end", window.Feature{Kind: window.Tumbling, Width: 90 * s}, []float64{89.999999, 90, 179.999999}, 179.9999995, "1 PRESENT"},
		{"tumbling, at the end", window.Feature{Kind: window.Tumbling, Width: 90 * s}, []float64{89.999999, 90, 179.999999}, 180, "6 PRESENT"},
		{"tumbling, negative", window.Feature{Kind: window.Tumbling, Width: 90 * s}, []float64{-91, -90, -0.000001}, 0, "6 PRESENT"},
		{"hopping", window.Feature{Kind: window.Hopping, Width: 60 * s, Step: 40 * s}, []float64{19.9, 20, 79.999999, 80}, 119.999999, "6 PRESENT"},
		{"hopping, a step on", window.Feature{Kind: window.Hopping, Width: 60 * s, Step: 40 * s}, []float64{19.9, 20, 79.999999, 80}, 120, "12 PRESENT"},
		{"session, less than the gap", window.Feature{Kind: window.Session, Width: 30 * s}, []float64{0, 29.999999, 59.999998}, 1000, "7 PRESENT"},
		{"session, the gap exactly", window.Feature{Kind: window.Session, Width: 30 * s}, []float64{0, 30, 59}, 1000, "6 PRESENT"},
		{"session, joined late", window.Feature{Kind: window.Session, Width: 30 * s}, []float64{0, 50, 25}, 1000, "7 PRESENT"},
		{"rows", window.Feature{Kind: window.Rows, Count: 2}, []float64{5, 9, 1}, 1000, "3 PRESENT"},
		{"lifetime", window.Feature{Kind: window.Lifetime}, []float64{-1e6, 0, 1e6}, 1e9, "7 PRESENT"},
		{"exact, start in", window.Feature{Width: 3600 * s, Exact: true}, []float64{100.000001, 100, 99.999999}, 3700, "3 PRESENT"},
		{"exact, offset", window.Feature{Width: 3600 * s, Offset: 10 * s, Exact: true}, []float64{90, 89, 3690, 3689.999999}, 3700, "9 PRESENT"},
		{"exact, past the cap", window.Feature{Width: 3600 * s, Exact: true, MaxRows: 2}, []float64{99, 120, 130, 140}, 3700, "15 APPROXIMATE"}, // the tile of 99 begins at 60
		{"exact, witness before the start", window.Feature{Width: 3600 * s, Exact: true, MaxRows: 3}, []float64{99, 120, 130, 140}, 3700, "14 PRESENT"},
		{"series", window.Feature{Kind: window.Series, Width: 60 * s, Step: 60 * s, Count: 3}, []float64{1, 70, 130}, 180, "[4, 2, 1] PRESENT"},
		{"series, empty", window.Feature{Kind: window.Series, Width: 60 * s, Step: 60 * s, Count: 3}, []float64{1}, 200, "[0, 0, 0] EMPTY"},
		{"series, not found", window.Feature{Kind: window.Series, Width: 60 * s, Step: 60 * s, Count: 2}, []float64{1}, 1e6, "[0, 0] NOT_FOUND"},
	} {
		var events []int64
		for _, e := range c.events {
			events = append(events, int64(e*1e6+0.5*sign(e)))
		}
		if got := counted(t, single(t, "sum", c.f), events, int64(c.read*1e6)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func sign(x float64) float64 {
	if x < 0 {
		return -1
	}
	return 1
}

// TestSessionCap: a session over more tiles than are kept says so.
func TestSessionCap(t *testing.T) {
	p := single(t, "sum", window.Feature{Kind: window.Session, Width: featurestore.Second})
	// The first two events share a tile.
	for n, want := range map[int]string{1025: "1025 PRESENT", 1026: "1024 APPROXIMATE"} {
		var s window.State
		for i := range n {
			e := int64(i) * 999_999
			row := window.Row{Time: featurestore.EventTime(e), LogTime: featurestore.LogTime(e), Inputs: []featurestore.Value{featurestore.Int64Value(1)}}
			row.Offset = int64(i)
			p.Apply(&s, &row)
		}
		p.Settle(&s)
		out := make([]featurestore.Cell, 1)
		p.Read(&s, p.ReadTime(&s), out)
		if got := fmt.Sprint(out[0].Value.Int64(), " ", out[0].Status); got != want {
			t.Errorf("%d tiles: %s, want %s", n, got, want)
		}
	}
}
