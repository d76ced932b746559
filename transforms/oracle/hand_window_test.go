package oracle_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// windowCase is a window over rows that hold their own numbers: the value is the
// list of those inside, oldest first.
type windowCase struct {
	name    string
	feature window.Feature
	at      float64 // seconds
	want    string
	status  featurestore.Status
}

// numbered are rows 1, 2, ... at these seconds, a = e.
func numbered(seconds ...float64) []window.Row {
	var rows []window.Row
	for n, e := range seconds {
		rows = append(rows, at(e, int64(n), i(int64(n+1))))
	}
	return rows
}

func checkWindows(t *testing.T, rows []window.Row, cases []windowCase) {
	t.Helper()
	for _, c := range cases {
		f := c.feature
		f.Call = agg.Call{Func: "first_n", Input: featurestore.Int64, N: 100}
		f.Where, f.Second, f.By = f.Where-1, -1, -1
		config := window.Config{Features: []window.Feature{f}, Sources: []window.SourceRule{{AllowedLateness: 40 * day}}}
		cell := readOne(t, config, rows, oracle.Reading{At: featurestore.Instant(c.at * 1e6)})
		got := ""
		for _, v := range cell.Value.Elems() {
			got += fmt.Sprint(v.Int64())
		}
		if got != c.want || cell.Status != c.status {
			t.Errorf("%s: rows %q %s, want %q %s", c.name, got, cell.Status, c.want, c.status)
		}
	}
}

func TestTrailingByHand(t *testing.T) {
	minutes := func(offset featurestore.Duration) window.Feature {
		return window.Feature{Width: minute, Tile: minute, Offset: offset}
	}
	exact := func(offset featurestore.Duration, rows int64) window.Feature {
		return window.Feature{Width: minute, Tile: minute, Offset: offset, Exact: true, MaxRows: rows}
	}
	checkWindows(t, numbered(0, 59, 60, 119, 120), []windowCase{
		{"a start in, the end out", minutes(0), 60, "12", isPresent},
		{"a tail aligned to its tile", minutes(0), 61, "123", isPresent},
		{"an event at the read time", minutes(0), 119, "123", isPresent},
		{"a tile that has left", minutes(0), 120, "34", isPresent},
		{"both edges of an offset aligned", minutes(minute), 150, "12", isPresent},
		{"an offset that ends in the open tile", minutes(second), 120, "12", isPresent},
		{"exact: a start of its own", exact(0, 0), 119, "23", isPresent},
		{"exact: past the start by a microsecond", exact(0, 0), 119.000001, "34", isPresent},
		{"exact: with an offset", exact(second, 0), 120, "23", isPresent},
		{"exact: the witness lies before the start", exact(0, 3), 120, "34", isPresent},
		{"exact: the witness lies at the start", exact(0, 1), 119, "123", isApproximate},
		{"exact: no row in reach", exact(0, 1), 400, "", isEmpty},
	})
	// 59 and 119 are folded, 122 waits; the witness is of the folded ones.
	waiting := numbered(0, 59, 119, 122)
	waiting[3].LogTime = 120e6
	checkWindows(t, waiting, []windowCase{
		{"exact: a row that waits pushes none out", exact(0, 2), 122.5, "34", isPresent},
		{"exact: nor before it is seen", exact(0, 2), 121, "3", isPresent},
	})
}

func TestLifetimeAndRowsByHand(t *testing.T) {
	rows := numbered(0, 59, 60, 60, 120)
	rows[2].Sequence, rows[3].Sequence = i(5), null
	last := func(n int64) window.Feature { return window.Feature{Kind: window.Rows, Count: n} }
	checkWindows(t, rows, []windowCase{
		{"lifetime", window.Feature{Kind: window.Lifetime}, 120, "1243", isPresent},
		{"lifetime, long after", window.Feature{Kind: window.Lifetime}, 1e9, "12435", isPresent},
		{"lifetime, before all", window.Feature{Kind: window.Lifetime}, 0, "", featurestore.NotFound},
		{"the last two, a tie by its sequence", last(2), 61, "43", isPresent},
		{"the last one, before the tie", last(1), 60, "2", isPresent},
		{"more than there are", last(9), 1e9, "12435", isPresent},
		{"none yet", last(3), 0, "", featurestore.NotFound},
	})
}

func TestSessionByHand(t *testing.T) {
	rows := numbered(0, 29, 59, 59.000001, 100, 129.999999)
	run := func(gap featurestore.Duration) window.Feature {
		return window.Feature{Kind: window.Session, Width: gap}
	}
	checkWindows(t, rows, []windowCase{
		{"neighbours less than the gap apart", run(30 * second), 59, "12", isPresent},
		{"neighbours the gap apart", run(30 * second), 59.000001, "3", isPresent},
		{"the newest run only", run(30 * second), 1e9, "56", isPresent},
		{"one row", run(second), 50, "2", isPresent},
		{"all rows", run(minute), 1e9, "123456", isPresent},
		{"none yet", run(minute), 0, "", featurestore.NotFound},
	})
}

func TestJumpingByHand(t *testing.T) {
	rows := numbered(-1, 0, 59.999999, 60, 130)
	tumbling := window.Feature{Kind: window.Tumbling, Width: minute}
	hopping := window.Feature{Kind: window.Hopping, Width: minute, Step: 20 * second}
	sparse := window.Feature{Kind: window.Hopping, Width: 10 * second, Step: minute}
	checkWindows(t, rows, []windowCase{
		{"tumbling: the last complete one", tumbling, 119.999999, "23", isPresent},
		{"tumbling: at its end", tumbling, 60, "23", isPresent},
		{"tumbling: before the epoch", tumbling, 59, "1", isPresent},
		{"tumbling: the next", tumbling, 120, "4", isPresent},
		{"tumbling: one without events", tumbling, 250, "", isEmpty},
		{"hopping: [20, 80)", hopping, 99.9, "34", isPresent},
		{"hopping: [40, 100)", hopping, 100, "34", isPresent},
		{"hopping: [60, 120)", hopping, 120, "4", isPresent},
		{"hopping: a step beyond the size", sparse, 60, "3", isPresent},
		{"hopping: a step beyond the size leaves gaps", sparse, 190, "", isEmpty},
	})
}

func TestCalendarByHand(t *testing.T) {
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	unit := func(u window.Unit, name string, complete bool) window.Feature {
		return window.Feature{Kind: window.Calendar, Unit: u, Zone: zone(name), Complete: complete}
	}
	// New York, 10 March 2024: 23 hours, from 05:00Z to 04:00Z.
	const begin = 1_710_046_800.0
	const end = begin + 23*3600
	rows := numbered(begin-0.000001, begin, end-0.000001, end)
	checkWindows(t, rows, []windowCase{
		{"a short day, so far", unit(window.Day, "America/New_York", false), begin + 1, "2", isPresent},
		{"a short day, to its end", unit(window.Day, "America/New_York", false), end - 0.000001, "2", isPresent},
		{"the day after", unit(window.Day, "America/New_York", false), end + 1, "4", isPresent},
		{"a day at its begin", unit(window.Day, "America/New_York", false), end, "", isEmpty},
		{"the last complete day", unit(window.Day, "America/New_York", true), end, "23", isPresent},
		{"a week from Monday", unit(window.Week, "America/New_York", false), end - 0.000001, "12", isPresent},
		{"the last complete week", unit(window.Week, "America/New_York", true), end, "123", isPresent},
		{"a month", unit(window.Month, "America/New_York", false), end + 1, "1234", isPresent},
		{"the last complete month", unit(window.Month, "America/New_York", true), end + 1, "", isEmpty},
		{"days of another zone", unit(window.Day, "UTC", false), begin + 1, "12", isPresent},
	})
	// Sao Paulo, 4 November 2018: midnight is skipped, the day begins at 03:00Z as 01:00.
	const skipped = 1_541_300_400.0
	checkWindows(t, numbered(skipped-1, skipped), []windowCase{
		{"a midnight that was not", unit(window.Day, "America/Sao_Paulo", false), skipped + 1, "2", isPresent},
		{"the day before it", unit(window.Day, "America/Sao_Paulo", true), skipped, "1", isPresent},
	})
	// Havana, 1 November 2020: midnight comes twice, an hour apart, first at 04:00Z.
	const twice = 1_604_203_200.0
	checkWindows(t, numbered(twice-1, twice, twice+3600), []windowCase{
		{"a midnight that came twice", unit(window.Day, "America/Havana", false), twice + 3601, "23", isPresent},
		{"the day before it", unit(window.Day, "America/Havana", true), twice + 1, "1", isPresent},
	})
	// Apia went from the end of 29 December 2011, 10:00Z, to the 31st.
	const apia = 1_325_239_200.0
	checkWindows(t, numbered(apia-1, apia), []windowCase{
		{"after a day that was not", unit(window.Day, "Pacific/Apia", false), apia + 1, "2", isPresent},
		{"the last day that was", unit(window.Day, "Pacific/Apia", true), apia + 1, "1", isPresent},
	})
	// St. John's, 29 October 2006, 02:31Z: from 00:01 back to 23:01 of the 28th.
	const johns = 1_162_089_060.0
	checkWindows(t, numbered(johns-61, johns-60, johns, johns+3540), []windowCase{
		{"a day that seems to end twice", unit(window.Day, "America/St_Johns", false), johns + 1, "23", isPresent},
		{"and goes on", unit(window.Day, "America/St_Johns", false), johns + 3541, "234", isPresent},
	})
}

// The default tile of a calendar window divides all of its zone's offsets.
func TestCalendarTileByHand(t *testing.T) {
	for name, want := range map[string]featurestore.Duration{"UTC": hour, "America/New_York": hour, "Asia/Kolkata": 5 * minute, "Asia/Kathmandu": 5 * minute, "Africa/Monrovia": 10 * second} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		f := window.Feature{Kind: window.Calendar, Call: agg.Call{Func: "count"}, Input: -1, Where: -1, Unit: window.Day, Zone: zone}
		c := window.Config{Features: []window.Feature{f}, Sources: []window.SourceRule{{AllowedLateness: hour, HasEventID: true}}}
		// Two ids within a tile are one, in two tiles two: the dedupe shows the tile.
		rows := []window.Row{at(0, 0, i(1)), at((want - second).Std().Seconds(), 1, i(1)), at(want.Std().Seconds(), 2, i(1))}
		for k := range rows {
			rows[k].ID = "k"
		}
		got := readOne(t, c, rows, oracle.Reading{At: featurestore.Instant(want) + 1})
		wantCell(t, name, got, i(2), isPresent)
	}
}

func TestSeriesByHand(t *testing.T) {
	read := func(f window.Feature, rows []window.Row, at float64) featurestore.Cell {
		f.Kind, f.Where, f.Second, f.By = window.Series, -1, -1, -1
		c := window.Config{Features: []window.Feature{f}, Sources: []window.SourceRule{{AllowedLateness: hour}}}
		return readOne(t, c, rows, oracle.Reading{At: featurestore.Instant(at * 1e6)})
	}
	hourly := window.Feature{Call: agg.Call{Func: "sum", Input: featurestore.Int64}, Width: minute, Tile: minute, Step: minute, Count: 3}
	rows := numbered(0, 30, 60, 150) // sums 3, 3, 4 in the minutes 0, 1 and 2
	wantCell(t, "three minutes", read(hourly, rows, 180), list(i(4), i(3), i(3)), isPresent)
	wantCell(t, "an open minute is part of the first", read(hourly, rows, 170), list(i(7), i(3), i(0)), isPresent)
	wantCell(t, "no input", read(hourly, rows, 360), list(i(0), i(0), i(0)), isEmpty)
	wantCell(t, "unknown", read(hourly, nil, 360), list(i(0), i(0), i(0)), featurestore.NotFound)
	average := hourly
	average.Call.Func = "avg"
	wantCell(t, "an element without input", read(average, numbered(0, 150), 180), list(d(2), null, d(1)), isPresent)
	big := numbered(0, 1, 150)
	big[0].Inputs, big[1].Inputs = ints(1<<62), ints(1<<62)
	wantCell(t, "an element beyond the range", read(hourly, big, 180), list(i(3), i(0), null), isOverflow)
	overlapping := hourly
	overlapping.Width, overlapping.Count = 2*minute, 2
	wantCell(t, "elements that overlap", read(overlapping, rows, 180), list(i(7), i(6)), isPresent)
}
