package window

import (
	"math"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// steps are the tile sizes. Each divides the next, so that the windows of one
// view can share tiles.
var steps = [...]featurestore.Duration{
	featurestore.Second, 10 * featurestore.Second, featurestore.Minute,
	5 * featurestore.Minute, featurestore.Hour, featurestore.Day,
}

// leastTiles is how many tiles a window has at least by default: its start is
// then off by at most a 24th of its width.
const leastTiles = 24

// DefaultTile is the tile size of a window of width w (semantics: Windows).
func DefaultTile(w featurestore.Duration) featurestore.Duration {
	for _, g := range slices.Backward(steps[:]) {
		if w%g == 0 && w/g >= leastTiles {
			return g
		}
	}
	return featurestore.Second
}

// floor aligns t down to a multiple of g, also before the epoch.
func floor(t, g int64) int64 {
	r := t % g
	if r < 0 {
		r += g
	}
	return t - r
}

// ladder knows which tile sizes a view needs where.
//
// Let H be the largest applied log time. Every later read has t > H, so a window
// of width w, offset o and tile g will cut only at multiples of g that are not
// before m = floor(H+1-o-w, g): its start edge is there or later, and so is its
// end edge where it has an offset. (Without an offset it ends at t, after every
// folded event.) A tile of size G may therefore stand at [P, P+G) iff m >= P+G
// for each window with g < G, and is of no more use once m >= P+G for every
// window. Both depend on H alone and only ever become true as H grows: this
// makes the state a function of the applied list.
type ladder struct {
	sizes []int64 // ascending, from the view's finest tile to its coarsest
	cuts  []cut   // one for each size that some window has as its tile
}

// cut is the furthest that windows of one tile size reach back: offset + width.
type cut struct {
	level int
	back  int64
}

// edges is the ladder at one H.
type edges struct {
	reach [len(steps)]int64 // a tile of level k may end at reach[k] at the latest
	drop  int64             // a tile that ends here or before is of no more use
}

func newLadder(features []Feature) ladder {
	var l ladder
	var back [len(steps)]int64
	finest, coarsest := len(steps), -1
	for i := range features {
		f := &features[i]
		if f.Kind != Trailing {
			continue
		}
		k := slices.Index(steps[:], f.Tile)
		finest, coarsest = min(finest, k), max(coarsest, k)
		back[k] = max(back[k], int64(f.Offset+f.Width))
	}
	for k := finest; k <= coarsest; k++ {
		if back[k] > 0 {
			l.cuts = append(l.cuts, cut{level: len(l.sizes), back: back[k]})
		}
		l.sizes = append(l.sizes, int64(steps[k]))
	}
	return l
}

// unsettled are the edges of a state without applied records: every tile is of
// the finest size.
func (l *ladder) unsettled() edges {
	e := edges{drop: math.MinInt64}
	for k := range e.reach {
		e.reach[k] = math.MinInt64
	}
	return e
}

// at gives the edges for the largest applied log time.
func (l *ladder) at(largest featurestore.LogTime) edges {
	e := l.unsettled()
	if len(l.cuts) == 0 {
		return e
	}
	least := int64(math.MaxInt64)
	next := 0
	for k := range l.sizes {
		if k > 0 {
			e.reach[k] = floor(least, l.sizes[k])
		}
		if next < len(l.cuts) && l.cuts[next].level == k {
			least = min(least, floor(int64(largest)+1-l.cuts[next].back, l.sizes[k]))
			next++
		}
	}
	e.drop = least
	return e
}

// level is the level of the tile that holds instant x.
func (l *ladder) level(e *edges, x int64) int {
	for k := len(l.sizes) - 1; k > 0; k-- {
		if floor(x, l.sizes[k])+l.sizes[k] <= e.reach[k] {
			return k
		}
	}
	return 0
}
