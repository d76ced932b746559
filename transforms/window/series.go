package window

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// A series is a list of Count trailing windows: element i has the offset
// i x Step, so that element 0 is the newest. An element without input is what an
// empty window of the aggregate is.

// mostElements bounds a series.
const mostElements = 1_000

func resolveSeries(f *Feature) error {
	if err := f.checkWidth("window of a series"); err != nil {
		return err
	}
	if f.Step <= 0 || f.Step > maxReach {
		return fmt.Errorf("step %s of a series is out of range: write more than 0s and up to %s", f.Step, maxReach)
	}
	if f.Count < 1 || f.Count > mostElements {
		return fmt.Errorf("count %d of a series is out of range: write 1 to %d", f.Count, mostElements)
	}
	if d, _ := reachSeries(f); d > maxReach {
		return fmt.Errorf("a series of %d windows each %s reaches further back than %s: write fewer", f.Count, f.Step, maxReach)
	}
	if f.Tile == 0 {
		f.Tile = DefaultTile(f.Width)
		return nil
	}
	if f.Step%f.Tile != 0 {
		return fmt.Errorf("tile %s does not divide the step %s", f.Tile, f.Step)
	}
	return f.tileDivides("window", f.Width)
}

func reachSeries(f *Feature) (featurestore.Duration, bool) {
	return featurestore.Duration(f.Count-1)*f.Step + f.Width, true
}

func coverSeries(f *Feature) Cover {
	c := aligned(f.Width, f.Tile)
	c.Least = min(c.Least, f.Width)
	c.Most = max(c.Most, f.Width+f.Tile-featurestore.Microsecond)
	return c
}

func spansSeries(f *Feature) []span {
	out := make([]span, f.Count)
	for i := range out {
		offset := int64(i) * int64(f.Step)
		out[i] = span{shape: slidingSpan, back: offset + int64(f.Width), offset: offset, tile: int64(f.Tile)}
	}
	return out
}
