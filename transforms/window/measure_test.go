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
		open := p.AppendOpen(nil, &s)
		size := len(open)
		closed := p.AppendClosed(nil, &s)
		if at > int64(7*featurestore.Day) {
			counted++
			bytes += len(open)
			if s.ClosedChanged() {
				bytes += len(closed)
			}
			largest = max(largest, float64(size+len(closed)))
		}
		s.Stored()
	}
	return float64(bytes) / float64(counted), largest
}

func TestMeasure(t *testing.T) {
	ints := func(i int) featurestore.Value { return featurestore.Int64Value(int64(i*7919) % 100) }
	cents := func(i int) featurestore.Value { return featurestore.DoubleValue(float64(i*7919%10000) / 100) }
	for _, step := range []featurestore.Duration{20 * featurestore.Second, featurestore.Minute, 5 * featurestore.Minute, featurestore.Hour, 6 * featurestore.Hour} {
		for name, typ := range map[string]featurestore.Type{"int": featurestore.Int64, "double": featurestore.Double} {
			p := basic(t, typ, featurestore.Hour, featurestore.Day, 7*featurestore.Day)
			v := ints
			if name == "double" {
				v = cents
			}
			per, most := written(t, p, step, int64(step)/2, v)
			t.Logf("%s step %s: %.0f B an event, state up to %.0f B (estimate %+v)", name, step, per, most, p.Estimate())
		}
	}
}
