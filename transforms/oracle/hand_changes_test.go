package oracle_test

import (
	"fmt"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// changesOf is a view of one source of changes: count and last of an int64.
func changesOf(kind window.Kind, width featurestore.Duration) window.Config {
	feature := func(function string) window.Feature {
		return window.Feature{
			Name: function, Kind: kind, Width: width, Tile: second, Call: agg.Call{Func: function, Input: featurestore.Int64}, Where: -1, Second: -1, By: -1,
		}
	}
	return window.Config{
		Features: []window.Feature{feature("sum"), feature("count"), feature("last")},
		Sources:  []window.SourceRule{{AllowedLateness: hour, Changes: true}, {AllowedLateness: hour, Changes: true}},
	}
}

// added and retracted are changes of a row at e seconds, made at m, a = m.
func added(e, m float64, offset, x int64) window.Row {
	row := at(e, offset, i(x))
	row.Change, row.Mutated, row.LogTime = featurestore.Added, featurestore.EventTime(m*1e6), featurestore.LogTime(m*1e6)
	return row
}

func retracted(e, m float64, offset, x int64) window.Row {
	row := added(e, m, offset, x)
	row.Change = featurestore.Retracted
	return row
}

// wantChanges reads the sum and the last at an instant.
func wantChanges(t *testing.T, what string, rows []window.Row, r oracle.Reading, sum, last value, status featurestore.Status) {
	t.Helper()
	cells, err := oracle.Read(changesOf(window.Lifetime, 0), rows, r)
	if err != nil {
		t.Fatal(err)
	}
	wantCell(t, what+", sum", cells[0], sum, status)
	wantCell(t, what+", last", cells[2], last, status)
}

func readAt(seconds float64) oracle.Reading {
	return oracle.Reading{At: featurestore.Instant(seconds * 1e6)}
}

func TestRetractionsByHand(t *testing.T) {
	// An order of 10 at 10, changed to 7 at 20, deleted at 30.
	order := []window.Row{added(10, 10, 0, 10), retracted(10, 20, 1, 10), added(10, 20, 1, 7), retracted(10, 30, 2, 7)}
	wantChanges(t, "as it was made", order, readAt(15), i(10), i(10), isPresent)
	wantChanges(t, "at the instant of the change", order, readAt(20), i(10), i(10), isPresent)
	wantChanges(t, "as it was changed", order, readAt(25), i(7), i(7), isPresent)
	wantChanges(t, "as it was deleted", order, readAt(35), i(0), null, isEmpty)
	wantChanges(t, "before it was known", order, readAt(10), i(0), null, featurestore.NotFound)
	event := oracle.Reading{At: 26e6, Mode: oracle.EventTime, Delay: 6 * second}
	wantChanges(t, "by event time, with a delay", order, event, i(10), i(10), isPresent)
	event.Delay = 5 * second
	wantChanges(t, "by event time, with less", order, event, i(7), i(7), isPresent)
	upTo := oracle.Reading{At: 100e6, Mode: oracle.Exact, Applied: featurestore.Applied{{Offset: 1, MaxLogTime: 20e6}}}
	wantChanges(t, "as far as it was applied", order, upTo, i(7), i(7), isPresent)
}

func TestMatchesByHand(t *testing.T) {
	t.Run("one of two equal rows", func(t *testing.T) {
		rows := []window.Row{added(1, 1, 0, 5), added(1, 2, 1, 5), retracted(1, 3, 2, 5)}
		wantChanges(t, "one is left", rows, readAt(9), i(5), i(5), isPresent)
	})
	t.Run("the greatest goes", func(t *testing.T) {
		rows := []window.Row{added(1, 1, 0, 5), added(1, 2, 1, 6), added(1, 3, 2, 5), retracted(1, 4, 3, 5)}
		wantChanges(t, "the later of two equal rows", rows, readAt(9), i(11), i(6), isPresent)
		rows[0].Sequence = i(1) // beyond null
		wantChanges(t, "the one of the greater sequence", rows, readAt(9), i(11), i(5), isPresent)
	})
	t.Run("nothing to take", func(t *testing.T) {
		for name, r := range map[string]window.Row{
			"another value": retracted(1, 4, 3, 6), "another time": retracted(2, 4, 3, 5), "another source": retracted(1, 4, 3, 5), "an earlier position": retracted(1, 4, 0, 5),
		} {
			if name == "another source" {
				r.Source = 1
			}
			wantChanges(t, name, []window.Row{added(1, 3, 1, 5), r}, readAt(9), i(5), i(5), isPresent)
		}
	})
	t.Run("an ordinary event too", func(t *testing.T) {
		rows := []window.Row{at(1, 0, i(5)), retracted(1, 3, 2, 5)}
		wantChanges(t, "before", rows, readAt(3), i(5), i(5), isPresent)
		wantChanges(t, "after", rows, readAt(3.000001), i(0), null, isEmpty)
	})
	t.Run("across generations", func(t *testing.T) {
		r := retracted(1, 3, 0, 5)
		r.Generation = 1
		wantChanges(t, "a row of the files", []window.Row{added(1, 1, 7, 5), r}, readAt(9), i(0), null, isEmpty)
	})
	t.Run("across partitions", func(t *testing.T) {
		low := retracted(1, 3, 0, 5)
		high := added(1, 1, 7, 5)
		high.Partition = 1
		wantChanges(t, "a key that moved to a lower one", []window.Row{high, low}, readAt(9), i(0), null, isEmpty)
		again := []window.Row{high, low, added(1, 3, 0, 5)}
		wantChanges(t, "changed there", again, readAt(9), i(5), i(5), isPresent)
		back := retracted(1, 4, 8, 5) // back in 1, which got partitions between
		back.Partition = 1
		wantChanges(t, "and gone in the old one", append(again, back), readAt(9), i(0), null, isEmpty)
		for k, first := range []int32{1, 0} { // the same where the other partition is the lower one
			low.Partition, again[2].Partition = first, first
			high.Partition, back.Partition = 1-first, 1-first
			wantChanges(t, fmt.Sprint("whichever is the lower ", k), []window.Row{high, low, again[2], back}, readAt(9), i(0), null, isEmpty)
		}
	})
	t.Run("a later life of the topic", func(t *testing.T) {
		row := added(1, 4, 0, 5)
		row.Generation, row.Partition = 2, 1
		wantChanges(t, "is later", []window.Row{retracted(1, 3, 0, 5), row}, readAt(9), i(5), i(5), isPresent)
	})
	t.Run("a change that comes late", func(t *testing.T) {
		row := added(1, 1, 0, 5)
		row.LogTime = featurestore.LogTime(hour) + 1e6 + 1
		rows := []window.Row{row, added(1, 4000, 1, 7)} // an old row, changed today
		rows[1].LogTime = 4000e6
		wantChanges(t, "counts", rows, readAt(5000), i(12), i(7), isPresent)
	})
	t.Run("a change that lies ahead", func(t *testing.T) {
		rows := []window.Row{added(1, 1, 0, 5), retracted(1, 100, 1, 5)}
		rows[1].LogTime = 50e6
		wantChanges(t, "waits", rows, readAt(100), i(5), i(5), isPresent)
		wantChanges(t, "has come", rows, readAt(100.000001), i(0), null, isEmpty)
	})
	t.Run("no ids", func(t *testing.T) {
		c := changesOf(window.Lifetime, 0)
		c.Sources[0].HasEventID = true
		rows := []window.Row{added(1, 1, 0, 5), added(2, 2, 1, 5)}
		rows[0].ID, rows[1].ID = "k", "k"
		wantCell(t, "two changes of one id", readOne(t, c, rows, readAt(9)), i(10), isPresent)
	})
}

// A retracted row keeps the entity known, and windows are formed of what is left.
func TestRetractedWindowsByHand(t *testing.T) {
	minutes := changesOf(window.Trailing, minute)
	rows := []window.Row{added(100, 100, 0, 1), added(130, 130, 1, 2), retracted(130, 140, 2, 2)}
	wantCell(t, "trailing", readOne(t, minutes, rows, readAt(150)), i(1), isPresent)
	wantCell(t, "known by a row that is gone", readOne(t, minutes, rows, readAt(130+60+1+3600)), i(0), isEmpty)
	wantCell(t, "no longer known", readOne(t, minutes, rows, readAt(130+60+1+3600+0.000001)), i(0), featurestore.NotFound)
	session := changesOf(window.Session, 40*second)
	bridge := []window.Row{added(100, 100, 0, 1), added(130, 130, 1, 2), added(160, 160, 2, 4), retracted(130, 170, 3, 2)}
	wantCell(t, "a run", readOne(t, session, bridge, readAt(165)), i(7), isPresent)
	wantCell(t, "a run that lost its bridge", readOne(t, session, bridge, readAt(175)), i(4), isPresent)
	latest := changesOf(window.Latest, 0)
	wantCell(t, "the row before", readOne(t, latest, bridge[:2], readAt(175)), i(2), isPresent)
	wantCell(t, "the row that is left", readOne(t, latest, rows, readAt(175)), i(1), isPresent)
	two := changesOf(window.Rows, 0)
	for k := range two.Features {
		two.Features[k].Count = 2
	}
	wantCell(t, "the last two of what is left", readOne(t, two, bridge, readAt(175)), i(5), isPresent)
}
