package window_test

import (
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// TestCompileRefusesWindows: what a window cannot be, each with a reason that
// says what to write.
func TestCompileRefusesWindows(t *testing.T) {
	sum := func(f window.Feature) window.Feature {
		f.Name, f.Call, f.Input, f.Where = "f", agg.Call{Func: "sum", Input: featurestore.Int64}, 0, -1
		return f
	}
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	hour := featurestore.Hour
	for _, c := range []struct {
		want string
		f    window.Feature
	}{
		{"a session window takes no offset", window.Feature{Kind: window.Session, Width: hour, Offset: hour}},
		{"a lifetime window takes no exact", window.Feature{Kind: window.Lifetime, Exact: true}},
		{"a rows window takes no max_rows", window.Feature{Kind: window.Rows, Count: 3, MaxRows: 5}},
		{"max_rows needs exact: true", window.Feature{Width: hour, MaxRows: 5}},
		{"max_rows 100001 is out of range", window.Feature{Width: hour, Exact: true, MaxRows: 100_001}},
		{"rows 0 is out of range: write 1 to 10000", window.Feature{Kind: window.Rows}},
		{"rows 10001 is out of range", window.Feature{Kind: window.Rows, Count: 10_001}},
		{"a rows window takes no width", window.Feature{Kind: window.Rows, Count: 1, Width: hour}},
		{"gap 999ms of a session is out of range", window.Feature{Kind: window.Session, Width: 999 * featurestore.Millisecond}},
		{"longer than the gap", window.Feature{Kind: window.Session, Width: 30 * featurestore.Minute, Tile: hour}},
		{"no whole number of seconds", window.Feature{Kind: window.Tumbling, Width: 1500 * featurestore.Millisecond}},
		{"does not divide the tumbling window", window.Feature{Kind: window.Tumbling, Width: 90 * featurestore.Minute, Tile: hour}},
		{"a tumbling window takes no step", window.Feature{Kind: window.Tumbling, Width: hour, Step: hour}},
		{"does not divide the step 10m", window.Feature{Kind: window.Hopping, Width: hour, Step: 10 * featurestore.Minute, Tile: hour}},
		{"step 0s of a hopping window", window.Feature{Kind: window.Hopping, Width: hour}},
		{"not in whole seconds", window.Feature{Kind: window.Hopping, Width: hour, Step: featurestore.Millisecond}},
		{"needs a unit", window.Feature{Kind: window.Calendar, Zone: time.UTC}},
		{"needs a zone", window.Feature{Kind: window.Calendar, Unit: window.Day}},
		{"does not divide every offset of Asia/Kolkata", window.Feature{Kind: window.Calendar, Unit: window.Day, Zone: kolkata, Tile: hour}},
		{"takes no calendar unit", window.Feature{Width: hour, Zone: time.UTC}},
		{"count 0 of a series", window.Feature{Kind: window.Series, Width: hour, Step: hour}},
		{"step 0s of a series", window.Feature{Kind: window.Series, Width: hour, Count: 2}},
		{"reaches further back", window.Feature{Kind: window.Series, Width: hour, Step: 365_250 * featurestore.Day, Count: 3}},
		{"does not divide the step 30s", window.Feature{Kind: window.Series, Width: hour, Step: 30 * featurestore.Second, Count: 3, Tile: featurestore.Minute}},
		{"is no tile size", window.Feature{Kind: window.Session, Width: hour, Tile: 7}},
		{"window kind 200 is unknown", window.Feature{Kind: 200}},
	} {
		_, err := window.Compile(window.Config{Sources: []window.SourceRule{{}}, Features: []window.Feature{sum(c.f)}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s window: %v; want %q", c.f.Kind, err, c.want)
		}
	}
	list := window.Feature{Name: "l", Kind: window.Series, Width: hour, Step: hour, Count: 2, Call: agg.Call{Func: "last_n", Input: featurestore.Int64, N: 3}, Where: -1}
	if _, err := window.Compile(window.Config{Sources: []window.SourceRule{{}}, Features: []window.Feature{list}}); err == nil || !strings.Contains(err.Error(), "cannot be a list of these") {
		t.Errorf("a series of lists: %v", err)
	}
}

func TestDefaultTilesOfKinds(t *testing.T) {
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	s, m, h, d := featurestore.Second, featurestore.Minute, featurestore.Hour, featurestore.Day
	for _, c := range []struct {
		f                 window.Feature
		tile, least, most featurestore.Duration
		keep              featurestore.Duration // 0: no bound
	}{
		{window.Feature{Kind: window.Tumbling, Width: 90 * m}, 5 * m, 90 * m, 90 * m, 180*m + 5*m},
		{window.Feature{Kind: window.Tumbling, Width: 7 * d}, d, 7 * d, 7 * d, 15 * d},
		{window.Feature{Kind: window.Hopping, Width: h, Step: 10 * m}, 5 * m, h, h, 75 * m},
		{window.Feature{Kind: window.Session, Width: 30 * m}, 5 * m, 0, 0, 0},
		{window.Feature{Kind: window.Session, Width: s}, s, 0, 0, 0},
		{window.Feature{Kind: window.Lifetime, Tile: m}, 0, 0, 0, 0},
		{window.Feature{Kind: window.Rows, Count: 5, Tile: m}, 0, 0, 0, 0},
		{window.Feature{Width: d, Exact: true}, h, d, d, 25 * h},
		{window.Feature{Kind: window.Series, Width: h, Step: 90 * s, Count: 3}, m, h, h + m - 1, h + 3*m + m},
		{window.Feature{Kind: window.Calendar, Unit: window.Day, Zone: zone("America/New_York")}, h, 0, 25 * h, 26 * h},
		{window.Feature{Kind: window.Calendar, Unit: window.Month, Zone: zone("Asia/Kathmandu"), Complete: true}, 5 * m, 27*d + 23*h, 31*d + h, 62*d + 2*h + 5*m},
		{window.Feature{Kind: window.Calendar, Unit: window.Week, Zone: zone("Australia/Lord_Howe")}, 5 * m, 0, 7*d + h, 7*d + h + 5*m},
		{window.Feature{Kind: window.Calendar, Unit: window.Day, Zone: zone("Africa/Monrovia")}, 10 * s, 0, 25 * h, 25*h + 10*s},
		{window.Feature{Kind: window.Calendar, Unit: window.Day, Zone: time.UTC, Tile: d}, d, 0, 25 * h, 49 * h},
	} {
		c.f.Call, c.f.Input, c.f.Where = agg.Call{Func: "count"}, -1, -1
		p, err := window.Compile(window.Config{Sources: []window.SourceRule{{}}, Features: []window.Feature{c.f}})
		if err != nil {
			t.Errorf("%s: %v", c.f.Kind, err)
			continue
		}
		if got := p.Cover(0); got.Tile != c.tile || got.Least != c.least || got.Most != c.most {
			t.Errorf("%s %s: cover %+v, want tile %s, %s to %s", c.f.Kind, c.f.Width, got, c.tile, c.least, c.most)
		}
		if keep, bounded := p.Retention(); keep != c.keep || bounded != (c.keep > 0) {
			t.Errorf("%s %s: retention %s %v, want %s", c.f.Kind, c.f.Width, keep, bounded, c.keep)
		}
	}
}

// TestEstimate: the estimate is near what a dense key holds.
func TestEstimate(t *testing.T) {
	p := basic(t, featurestore.Int64, featurestore.Hour, featurestore.Day, 7*featurestore.Day)
	var s window.State
	feed(p, &s, 12_000, featurestore.Minute)
	e := p.Estimate()
	if e.Tiles < s.Tiles()*9/10 || e.Tiles > s.Tiles()*3/2 || e.Bytes != e.Tiles*e.BytesPerTile || e.BytesPerTile < 4 || e.BytesPerTile > 12 {
		t.Errorf("estimate %+v, the state has %d tiles", e, s.Tiles())
	}
	rows := window.Feature{Kind: window.Rows, Count: 20, Call: agg.Call{Func: "count"}, Input: -1, Where: -1}
	if p, err := window.Compile(window.Config{Sources: []window.SourceRule{{}}, Features: []window.Feature{rows}}); err != nil || p.Estimate().Rows != 20 || p.Estimate().Tiles != 0 {
		t.Errorf("%v, %+v", err, p.Estimate())
	}
}
