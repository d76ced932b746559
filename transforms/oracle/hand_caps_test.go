package oracle_test

import (
	"math"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// many are n rows with x = 0, 1, 2, ..., step apart.
func many(n int, step featurestore.Duration) []window.Row {
	var rows []window.Row
	for k := range n {
		rows = append(rows, at(0, int64(k), i(int64(k))))
		rows[k].Time = featurestore.EventTime(int64(k) * int64(step))
		rows[k].LogTime = featurestore.LogTime(rows[k].Time)
	}
	return rows
}

func lifetime(c agg.Call) window.Config {
	f := window.Feature{Name: c.Func, Kind: window.Lifetime, Call: c, Input: 0, Second: -1, By: -1, Where: -1}
	if c.By.Kind != featurestore.KindNull {
		f.By = 0
	}
	return window.Config{Features: []window.Feature{f}, Sources: []window.SourceRule{{AllowedLateness: hour}}}
}

func TestCapsOfValues(t *testing.T) {
	rows := many(10_001, featurestore.Microsecond)
	median := lifetime(in(featurestore.Int64, "median"))
	wantCell(t, "at the cap", readOne(t, median, rows[:10_000], readAt(9)), d(4999.5), isPresent)
	above := readOne(t, median, rows, readAt(9))
	if x := above.Value.Double(); above.Status != isApproximate || math.Abs(x-5000) > 50 {
		t.Errorf("above the cap: %g %s", x, above.Status)
	}
	estimate := readOne(t, lifetime(share(featurestore.Int64, "approx_quantile", 5, 1)), rows, readAt(9))
	wantCell(t, "the sketch's", estimate, above.Value, isPresent)
	approx := readOne(t, lifetime(in(featurestore.Int64, "approx_count_distinct")), rows, readAt(9))
	if n := approx.Value.Int64(); approx.Status != isPresent || n < 9700 || n > 10_300 {
		t.Errorf("estimate of 10001 different values: %d %s", n, approx.Status)
	}
}

// Above a cap of keys those with the smallest hashes stay, each as it is.
func TestCapsOfKeys(t *testing.T) {
	rows := many(50, featurestore.Microsecond)
	for _, call := range []agg.Call{
		withMax(featurestore.Int64, "distinct", 20), withMax(featurestore.Int64, "histogram", 20),
		{Func: "count", Input: featurestore.Int64, By: featurestore.Int64, MaxKeys: 20},
	} {
		whole := readOne(t, lifetime(call), rows, readAt(9))
		if n := len(whole.Value.Elems()); n != 20 || whole.Status != isApproximate {
			t.Errorf("%s: %d keys, %s", call.Func, n, whole.Status)
		}
		wantCell(t, call.Func+" of some", readOne(t, lifetime(call), rows[:20], readAt(9)), below20(call), isPresent)
	}
}

// below20 are all numbers below 20 in the shape of an aggregate.
func below20(call agg.Call) value {
	var numbers, ones []value
	for k := range int64(20) {
		numbers, ones = append(numbers, i(k)), append(ones, i(1))
	}
	keys := []string{"0", "1", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "2", "3", "4", "5", "6", "7", "8", "9"}
	if call.Func == "distinct" {
		return list(numbers...)
	}
	return mapping(keys, ones...)
}

func TestCapOfSessions(t *testing.T) {
	f := window.Feature{Name: "n", Kind: window.Session, Call: agg.Call{Func: "count"}, Input: -1, Second: -1, By: -1, Where: -1, Width: 2 * second, Tile: second}
	c := window.Config{Features: []window.Feature{f}, Sources: []window.SourceRule{{AllowedLateness: hour}}}
	rows := many(1025, second)
	wantCell(t, "at the cap", readOne(t, c, rows[:1024], readAt(5000)), i(1024), isPresent)
	wantCell(t, "above it", readOne(t, c, rows, readAt(5000)), i(1024), isApproximate)
	broken := many(1026, second)
	broken[1025].Time, broken[1025].LogTime = 1030e6, 1030e6
	wantCell(t, "above it, but the run is known", readOne(t, c, broken, readAt(5000)), i(1), isPresent)
	held := many(1025, second)
	held[1024].LogTime = 1023e6 // not folded: it is kept beside the tiles
	wantCell(t, "a row that waits", readOne(t, c, held, readAt(5000)), i(1025), isPresent)
}

func TestCapOfRawRows(t *testing.T) {
	rows := many(10_002, second)
	c := changesOf(window.Trailing, hour)
	wantCell(t, "a window within the cap", readOne(t, c, rows, readAt(10_002)), i((10_002-3600)*3600+3600*3599/2), isPresent)
	life := changesOf(window.Lifetime, 0)
	wantCell(t, "a window beyond it", readOne(t, life, rows, readAt(10_002)), i(10_000*10_001/2+10_000), isApproximate)
	cells, err := oracle.Read(life, rows[2:], readAt(10_002))
	if err != nil {
		t.Fatal(err)
	}
	wantCell(t, "all rows within the cap", cells[1], i(10_000), isPresent)
	c.Features[0].Width, c.Features[0].Offset = second, 10_001*second
	wantCell(t, "a window of nothing that is kept", readOne(t, c, rows, readAt(10_002)), i(0), isApproximate)
	life.Features = life.Features[:2] // sums and counts subtract: nothing is kept, nothing is cut
	wantCell(t, "sums alone", readOne(t, life, rows, readAt(10_002)), i(10_001*10_002/2), isPresent)
}

func TestEras(t *testing.T) {
	call := halfLife(featurestore.Int64, "ewm_avg", second)
	rows := []window.Row{at(1023, 0, i(math.MaxInt64)), at(1024, 1, i(5)), at(3072, 2, null), at(3073, 3, i(5))}
	wantCell(t, "the oldest era is gone", readOne(t, lifetime(call), rows, readAt(4000)), d(5), isPresent)
	wantCell(t, "a null brings no era", readOne(t, lifetime(call), rows[:3], readAt(4000)), d((math.MaxInt64+10)/3), isPresent)
}
