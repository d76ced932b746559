package oracle

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// steps are the tile sizes, largest first.
func steps() []featurestore.Duration {
	return []featurestore.Duration{
		featurestore.Day, featurestore.Hour, 5 * featurestore.Minute, featurestore.Minute, 10 * featurestore.Second, featurestore.Second,
	}
}

// tileOf is the feature's g, 0 for a window that has none. Without a declared
// one a sliding window takes the largest step that divides it at least 24
// times, else a second; a window that jumps takes the largest step that its
// edges keep to; a session the largest step that no two runs can share.
func tileOf(f *window.Feature) featurestore.Duration {
	switch f.Kind {
	case window.Latest, window.Lifetime, window.Rows:
		return 0
	default:
	}
	if f.Tile != 0 {
		return f.Tile
	}
	for _, g := range steps() {
		fits := false
		switch f.Kind {
		case window.Session:
			fits = g <= f.Width
		case window.Tumbling:
			fits = f.Width%g == 0
		case window.Hopping:
			fits = f.Width%g == 0 && f.Step%g == 0
		case window.Calendar:
			fits = g <= featurestore.Hour && dividesOffsets(f.Zone, g)
		default:
			fits = f.Width%g == 0 && f.Width/g >= 24
		}
		if fits {
			return g
		}
	}
	return featurestore.Second
}

// finestTile is the least g of a view's windows; a view without any takes a
// second.
func finestTile(c window.Config) featurestore.Duration {
	finest := featurestore.Duration(0)
	for i := range c.Features {
		if g := tileOf(&c.Features[i]); g != 0 && (finest == 0 || g < finest) {
			finest = g
		}
	}
	if finest == 0 {
		return featurestore.Second
	}
	return finest
}

// retention is the largest reach of a feature, plus the largest tile and the
// largest lateness.
func retention(c window.Config) (keep featurestore.Duration, bounded bool) {
	var furthest, tile, lateness featurestore.Duration
	for i := range c.Features {
		back, ok := reach(&c.Features[i], c.TTL)
		if !ok {
			return 0, false
		}
		furthest, tile = max(furthest, back), max(tile, tileOf(&c.Features[i]))
	}
	for _, s := range c.Sources {
		lateness = max(lateness, s.AllowedLateness)
	}
	return furthest + tile + lateness, true
}

// reach is how far before a read an event can matter to a feature; ok is false
// where there is no bound. A day of the calendar has up to 25 hours.
func reach(f *window.Feature, ttl featurestore.Duration) (back featurestore.Duration, ok bool) {
	switch f.Kind {
	case window.Trailing:
		return f.Offset + f.Width, true
	case window.Series:
		return featurestore.Duration(f.Count-1)*f.Step + f.Width, true
	case window.Tumbling:
		return 2 * f.Width, true
	case window.Hopping:
		return f.Width + f.Step, true
	case window.Calendar:
		longest := map[window.Unit]featurestore.Duration{window.Day: 1, window.Week: 7, window.Month: 31}[f.Unit]*featurestore.Day + featurestore.Hour
		if f.Complete {
			return 2 * longest, true
		}
		return longest, true
	case window.Latest:
		return ttl, ttl > 0
	default: // lifetime, rows, session
		return 0, false
	}
}

// floor is the greatest multiple of g that is not after t.
func floor(t featurestore.Instant, g featurestore.Duration) featurestore.Instant {
	n := int64(t) / int64(g)
	if int64(t) < n*int64(g) {
		n--
	}
	return featurestore.Instant(n * int64(g))
}
