package oracle

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// trailing computes an aggregate over [floor(t-o-w, g), end), where the end is
// t, or floor(t-o, g) where the window has an offset. Only events before the
// reading's cut are given, in the total order.
func trailing(f *window.Feature, past []event, t featurestore.Instant) (featurestore.Cell, error) {
	g := tileOf(f)
	start := floor(t-featurestore.Instant(f.Offset)-featurestore.Instant(f.Width), g)
	end := t
	if f.Offset != 0 {
		end = floor(t-featurestore.Instant(f.Offset), g)
	}
	var inside []window.Row
	for _, e := range past {
		if int64(e.Time) < int64(start) || int64(e.Time) >= int64(end) {
			continue
		}
		if f.Where >= 0 && !e.Inputs[f.Where].Bool() { // null is false
			continue
		}
		inside = append(inside, e.Row)
	}
	return aggregate(f, inside, t)
}

// tileOf is the feature's g. The default is the largest step that divides the
// window at least 24 times, else a second.
func tileOf(f *window.Feature) featurestore.Duration {
	if f.Tile != 0 {
		return f.Tile
	}
	for _, g := range []featurestore.Duration{
		featurestore.Day, featurestore.Hour, 5 * featurestore.Minute, featurestore.Minute, 10 * featurestore.Second,
	} {
		if f.Width%g == 0 && f.Width/g >= 24 {
			return g
		}
	}
	return featurestore.Second
}

// finestTile is the least g of a view's windows; a view of latest values alone
// has no window, and takes a second.
func finestTile(c window.Config) featurestore.Duration {
	finest := featurestore.Duration(0)
	for i := range c.Features {
		if f := &c.Features[i]; f.Kind == window.Trailing && (finest == 0 || tileOf(f) < finest) {
			finest = tileOf(f)
		}
	}
	if finest == 0 {
		return featurestore.Second
	}
	return finest
}

// floor is the greatest multiple of g that is not after t.
func floor(t featurestore.Instant, g featurestore.Duration) featurestore.Instant {
	n := int64(t) / int64(g)
	if int64(t) < n*int64(g) {
		n--
	}
	return featurestore.Instant(n * int64(g))
}
