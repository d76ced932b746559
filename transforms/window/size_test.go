package window_test

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// written feeds a week and more, one event each step, every one a batch, and
// measures what the applies write: the open part, and the closed one where it
// changed.
func written(t testing.TB, p *window.Plan, step featurestore.Duration, jitter int64, value func(i int) featurestore.Value) (perEvent, largest float64) {
	var s window.State
	row := window.Row{Inputs: make([]featurestore.Value, 1)}
	n := int(9 * featurestore.Day / step)
	bytes, counted := 0, 0
	seed := uint64(1)
	at := int64(0)
	var open, closed []byte
	for i := range n {
		seed = seed*6364136223846793005 + 1442695040888963407
		at += int64(step)
		e := at + int64(seed>>33)%(jitter+1)
		late := int64(0)
		if i%100 == 99 { // one in a hundred comes up to ten minutes late
			late = int64(seed>>40) % int64(10*featurestore.Minute)
		}
		row.Offset, row.Time, row.LogTime = int64(i), featurestore.EventTime(e-late), featurestore.LogTime(e)
		row.Inputs[0] = value(i)
		p.Apply(&s, &row)
		p.Settle(&s)
		open = p.AppendOpen(open[:0], &s)
		if s.ClosedChanged() {
			closed = p.AppendClosed(closed[:0], &s)
			if counted > 0 {
				bytes += len(closed)
			}
		}
		s.Stored()
		if at > int64(7*featurestore.Day) {
			counted++
			bytes += len(open)
			largest = max(largest, float64(len(open)+len(closed)))
		}
	}
	return float64(bytes) / float64(counted), largest
}

// TestWhatAnApplyWrites holds the sizes of a view of 1h, 24h and 7d x (count, sum,
// avg, min, max): a state of small integers fits 2.5 KB and an apply of one event
// writes at most 300 bytes of it, however dense the key; doubles of two digits,
// whose sums are exact, take about twice that.
func TestWhatAnApplyWrites(t *testing.T) {
	ints := func(i int) featurestore.Value { return featurestore.Int64Value(int64(i*7919) % 100) }
	cents := func(i int) featurestore.Value { return featurestore.DoubleValue(float64(i*7919%10000) / 100) }
	for _, c := range []struct {
		input        featurestore.Type
		value        func(int) featurestore.Value
		step         featurestore.Duration
		write, state float64
	}{
		{featurestore.Int64, ints, 20 * featurestore.Second, 300, 2560},
		{featurestore.Int64, ints, featurestore.Minute, 300, 2560},
		{featurestore.Int64, ints, 5 * featurestore.Minute, 300, 2560},
		{featurestore.Int64, ints, featurestore.Hour, 300, 2560},
		{featurestore.Int64, ints, 6 * featurestore.Hour, 300, 2560},
		{featurestore.Double, cents, featurestore.Minute, 450, 5400},
		{featurestore.Double, cents, 5 * featurestore.Minute, 700, 5400},
		{featurestore.Double, cents, featurestore.Hour, 350, 2560},
		{featurestore.Double, cents, 6 * featurestore.Hour, 300, 2560},
	} {
		p := basic(t, c.input, featurestore.Hour, featurestore.Day, 7*featurestore.Day)
		write, state := written(t, p, c.step, int64(c.step)/2, c.value)
		t.Logf("%s every %s: %.0f bytes an event, the state up to %.0f", c.input, c.step, write, state)
		if write > c.write || state > c.state {
			t.Errorf("%s every %s: %.0f bytes an event, the state up to %.0f; want at most %.0f and %.0f", c.input, c.step, write, state, c.write, c.state)
		}
	}
}
