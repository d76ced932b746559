package oracle_test

import (
	"errors"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// at is a row at e = a = seconds, with one input.
func at(seconds float64, offset int64, v featurestore.Value) window.Row {
	us := int64(seconds * 1e6)
	return window.Row{
		Position: featurestore.Position{Offset: offset}, Time: featurestore.EventTime(us), LogTime: featurestore.LogTime(us),
		Inputs: []featurestore.Value{v},
	}
}

func viewOf(fn string, in featurestore.Type) window.Config {
	f := window.Feature{Name: fn, Call: agg.Call{Func: fn, Input: in}, Input: 0, Where: -1, Width: minute, Tile: minute}
	return window.Config{Features: []window.Feature{f}, Sources: []window.SourceRule{{AllowedLateness: hour}}}
}

func readOne(t *testing.T, c window.Config, rows []window.Row, r oracle.Reading) featurestore.Cell {
	t.Helper()
	cells, err := oracle.Read(c, rows, r)
	if err != nil {
		t.Fatal(err)
	}
	return cells[0]
}

func wantCell(t *testing.T, what string, got featurestore.Cell, v featurestore.Value, s featurestore.Status) {
	t.Helper()
	if got.Status != s || !got.Value.Equal(v) {
		t.Errorf("%s: got %v %s, want %v %s", what, got.Value, got.Status, v, s)
	}
}

func TestUnknownAggregateIsAnError(t *testing.T) {
	for _, rows := range [][]window.Row{nil, {at(1, 0, featurestore.Int64Value(1))}} {
		if _, err := oracle.Read(viewOf("mode", featurestore.Int64), rows, oracle.Reading{At: 2e6}); !errors.Is(err, oracle.ErrUnsupported) {
			t.Errorf("%d rows: got %v", len(rows), err)
		}
	}
}

func TestRetentionIsByEventTime(t *testing.T) {
	c := viewOf("count", featurestore.Int64) // 1m + 1m tile + 1h lateness
	rows := []window.Row{at(0, 0, featurestore.Int64Value(1))}
	edge := featurestore.Instant(minute + minute + hour)
	zero := featurestore.Int64Value(0)
	wantCell(t, "at the edge", readOne(t, c, rows, oracle.Reading{At: edge}), zero, featurestore.Empty)
	wantCell(t, "past it", readOne(t, c, rows, oracle.Reading{At: edge + 1}), zero, featurestore.NotFound)
	wantCell(t, "before it happened", readOne(t, c, rows, oracle.Reading{At: 0}), zero, featurestore.NotFound)
	c.Features = append(c.Features, window.Feature{Name: "newest", Kind: window.Latest, Input: 0, Where: -1, Type: featurestore.Int64})
	wantCell(t, "with an unbounded feature", readOne(t, c, rows, oracle.Reading{At: edge * 100}), zero, featurestore.Empty)
}

// An id is forgotten once the partition's log time has passed the tile's end
// by more than the lateness; what comes then is excluded, whatever its id.
func TestForgottenIDs(t *testing.T) {
	c := viewOf("count", featurestore.Int64)
	c.Sources[0] = window.SourceRule{AllowedLateness: minute, HasEventID: true}
	c.Features[0].Width = hour
	row := func(e, a float64, offset int64, id string) window.Row {
		r := at(e, offset, featurestore.Int64Value(1))
		r.LogTime, r.ID = featurestore.LogTime(a*1e6), id
		return r
	}
	rows := []window.Row{row(10, 10, 0, "k"), row(11, 12, 1, "k"), row(10, 65, 2, "l")}
	wantCell(t, "one id twice", readOne(t, c, rows, oracle.Reading{At: 1000e6}), featurestore.Int64Value(2), featurestore.Present)
	// The tile [0, 60) plus a minute of lateness ends at 120 s.
	kept := []window.Row{row(119, 120, 0, "k"), row(10, 65, 1, "l")}
	wantCell(t, "at the limit", readOne(t, c, kept, oracle.Reading{At: 1000e6}), featurestore.Int64Value(2), featurestore.Present)
	gone := []window.Row{row(119, 120.000001, 0, "k"), row(10, 65, 1, "l")}
	wantCell(t, "past the limit", readOne(t, c, gone, oracle.Reading{At: 1000e6}), featurestore.Int64Value(1), featurestore.Present)
	noID := []window.Row{row(119, 120.000001, 0, "k"), row(10, 65, 1, "")}
	wantCell(t, "without an id", readOne(t, c, noID, oracle.Reading{At: 1000e6}), featurestore.Int64Value(2), featurestore.Present)
}

// The lowest offset claims an id even where the read's cut hides it.
func TestDedupeComesBeforeTheCut(t *testing.T) {
	c := viewOf("count", featurestore.Int64)
	c.Sources[0].HasEventID = true
	rows := []window.Row{at(15, 0, featurestore.Int64Value(1)), at(10, 1, featurestore.Int64Value(1))}
	rows[0].ID, rows[1].ID = "k", "k"
	wantCell(t, "hidden claim", readOne(t, c, rows, oracle.Reading{At: 12e6, Mode: oracle.EventTime}), featurestore.Int64Value(0), featurestore.Empty)
	wantCell(t, "seen claim", readOne(t, c, rows, oracle.Reading{At: 16e6, Mode: oracle.EventTime}), featurestore.Int64Value(1), featurestore.Present)
}

func TestKMVAboveTheCap(t *testing.T) {
	c := viewOf("count_distinct", featurestore.Int64)
	c.Features[0].Call.Max = 100
	var rows []window.Row
	for k := range int64(5000) {
		rows = append(rows, at(1, k, featurestore.Int64Value(k)))
	}
	got := readOne(t, c, rows, oracle.Reading{At: 59e6})
	if n := got.Value.Int64(); got.Status != featurestore.Approximate || n < 3500 || n > 6500 {
		t.Errorf("estimate of 5000 distinct values: %d %s", n, got.Status)
	}
}

func TestLatestBatch(t *testing.T) {
	rows := []oracle.BatchRow{
		{Time: 10, AvailableAt: 20, File: "a"}, {Time: 10, AvailableAt: 20, File: "b"},
		{Time: 30, AvailableAt: 95, File: "c"}, {Time: 50, AvailableAt: 60, File: "d"},
	}
	runs := []oracle.Run{{Cutoff: 50, Completed: 55}, {Cutoff: 100, Completed: 110}}
	for _, c := range []struct {
		name   string
		r      oracle.BatchReading
		file   string
		status featurestore.Status
	}{
		{"no run yet", oracle.BatchReading{At: 54, Runs: runs}, "", featurestore.NotFound},
		{"ties by file; e = cutoff is out", oracle.BatchReading{At: 109, Runs: runs}, "b", featurestore.Present},
		{"next run", oracle.BatchReading{At: 110, Runs: runs}, "d", featurestore.Present},
		{"within the ttl", oracle.BatchReading{At: 150, TTL: 100, Runs: runs}, "d", featurestore.Present},
		{"past the ttl", oracle.BatchReading{At: 151, TTL: 100, Runs: runs}, "", featurestore.Expired},
		{"event time", oracle.BatchReading{At: 50, Mode: oracle.EventTime}, "c", featurestore.Present},
		{"event time with delay", oracle.BatchReading{At: 50, Mode: oracle.EventTime, Delay: 20}, "b", featurestore.Present},
	} {
		row, status := oracle.LatestBatch(rows, c.r)
		file := ""
		if row != nil {
			file = row.File
		}
		if file != c.file || status != c.status {
			t.Errorf("%s: got %q %s, want %q %s", c.name, file, status, c.file, c.status)
		}
	}
}
