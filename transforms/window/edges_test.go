package window_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// TestEveryEdgeOfEveryWindow counts by hand what a window holds, for views whose
// windows share tiles, at read times on and beside tile edges, right after the
// largest log time and later. The widths are such that a longer window can have
// a finer tile, and start later, than a shorter one.
func TestEveryEdgeOfEveryWindow(t *testing.T) {
	widths := []featurestore.Duration{
		20 * featurestore.Second, 4 * minute, 5*minute + featurestore.Second, 24 * minute, 24*minute + featurestore.Second,
		featurestore.Hour, 2 * featurestore.Hour, 2*featurestore.Hour + 10*featurestore.Second, featurestore.Day, featurestore.Day + featurestore.Second,
	}
	offsets := []featurestore.Duration{0, 0, 0, 7 * featurestore.Second, minute, featurestore.Hour}
	rapid.Check(t, func(t *rapid.T) {
		c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Day}}}
		for range rapid.IntRange(1, 5).Draw(t, "windows") {
			c.Features = append(c.Features, window.Feature{Call: agg.Call{Func: "count"}, Input: -1, Where: -1,
				Width: rapid.SampledFrom(widths).Draw(t, "width"), Offset: rapid.SampledFrom(offsets).Draw(t, "offset")})
		}
		p, err := window.Compile(c)
		if err != nil {
			t.Fatal(err)
		}
		var s window.State
		var times []int64
		a := int64(0)
		out := make([]featurestore.Cell, len(c.Features))
		for i := range rapid.IntRange(1, 30).Draw(t, "events") {
			a = max(a, near(t, a+drawInstant(t, "step", 3*3600)))
			e := a - drawInstant(t, "behind", 2*3600)
			if f := &p.Features()[0]; rapid.Bool().Draw(t, "on an edge") { // the furthest that a read can still see
				e = max(a-int64(featurestore.Day), near(t, int64(featurestore.Instant(a+1-int64(f.Offset+f.Width)).Floor(f.Tile))))
			}
			row := window.Row{Time: featurestore.EventTime(e), LogTime: featurestore.LogTime(a)}
			row.Offset = int64(i)
			p.Apply(&s, &row)
			p.Settle(&s)
			times = append(times, e)
			at := max(a+1, a+rapid.SampledFrom([]int64{0, 1}).Draw(t, "read late")*drawInstant(t, "later", 4*3600))
			p.Read(&s, featurestore.Instant(at), out)
			for f := range out {
				if want := count(&p.Features()[f], times, at); out[f].Value.Int64() != want {
					x := p.Features()[f]
					t.Fatalf("window %s, offset %s, tile %s at %d: %d events, want %d of %v", x.Width, x.Offset, x.Tile, at, out[f].Value.Int64(), want, times)
				}
			}
		}
	})
}

// near is x, or the minute that it lies in, or an instant beside that.
func near(t *rapid.T, x int64) int64 {
	switch rapid.IntRange(0, 3).Draw(t, "near") {
	case 0:
		return x
	case 1:
		return int64(featurestore.Instant(x).Floor(minute)) - 1
	default:
		return int64(featurestore.Instant(x).Floor(minute))
	}
}

// drawInstant draws a span of up to most seconds, on or beside an edge.
func drawInstant(t *rapid.T, label string, most int64) int64 {
	unit := rapid.SampledFrom([]int64{1, 10, 60, 300, 3600}).Draw(t, label+" unit")
	return max(0, rapid.Int64Range(0, most/unit).Draw(t, label)*unit*second+rapid.SampledFrom([]int64{0, 0, -1, 1}).Draw(t, label+" beside"))
}

// count is how many times lie in the window at t, by its definition.
func count(f *window.Feature, times []int64, t int64) int64 {
	align := func(x int64) int64 { return int64(featurestore.Instant(x).Floor(f.Tile)) }
	start, end := align(t-int64(f.Offset)-int64(f.Width)), t
	if f.Offset > 0 {
		end = align(t - int64(f.Offset))
	}
	n := int64(0)
	for _, e := range times {
		if start <= e && e < end {
			n++
		}
	}
	return n
}
