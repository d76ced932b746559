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
// Let H be the largest applied log time. Every later read has t > H, and cuts
// tiles at the edges of its windows only. Of each window it is known at which
// instants these edges can still lie, and that they only become fewer as H grows.
// A tile may stand where no such instant is inside it; the tile that holds an
// event is the greatest that may stand there. A tile is of no more use once it
// ends before every edge that can still come. All of this depends on H alone,
// and what may stand once may stand for ever: that makes the tiles a function
// of the applied list.
type ladder struct {
	sizes     []int64     // ascending, from the view's finest tile to its coarsest
	cuts      []cut       // windows whose edges lie on multiples of a tile size
	grids     []grid      // windows whose edges lie on multiples of another length
	calendars []*calendar // each once
}

// cut is the furthest that windows with edges on multiples of sizes[level] reach
// back: of all edges from floor(H+1-back, g) on, any can come. quantum is the
// grain in which tiles are dropped, so that a drop is rare.
type cut struct {
	level   int
	back    int64
	quantum int64
}

// grid is a window whose edges lie a step apart, the earliest of them back
// before the last multiple of the step.
type grid struct{ step, back int64 }

// most is the most levels that a ladder has.
const most = len(steps)

// edges is the ladder at one H.
type edges struct {
	reach [most]int64 // a tile of level k ends at reach[k] at the latest
	drop  int64       // a tile that ends here or before is of no more use; no tile straddles it
	grids []int64     // the earliest edge of each grid
	units []units     // of each calendar
}

// tallest bounds how many tiles of one size come to stand where a coarser one
// will: the next size on the ladder is at most so many times as large.
const tallest = 60

// newLadder makes the ladder of a view's spans.
func newLadder(spans []span) ladder {
	var l ladder
	var back [most]int64
	used := [most]bool{}
	for i := range spans {
		spans[i].constrain(&l, &back, &used)
	}
	finest := slices.Index(used[:], true)
	if finest < 0 {
		return l
	}
	for k := finest; k >= 0; k = nextRung(k, &used) {
		if back[k] > 0 {
			l.cuts = append(l.cuts, cut{level: len(l.sizes), back: back[k], quantum: quantum(int64(steps[k]), back[k])})
		}
		l.sizes = append(l.sizes, int64(steps[k]))
	}
	return l
}

// nextRung is the size that follows size k: the largest that is at most tallest
// times as large and leaves out none that is used; -1 where none above is used.
func nextRung(k int, used *[most]bool) int {
	next := -1
	for j := k + 1; j < most; j++ {
		if next < 0 || steps[j]/steps[k] <= tallest {
			next = j
		}
		if used[j] {
			return next
		}
	}
	return -1
}

// quantum is the grain in which the tiles of a window are dropped: a power of
// two of tiles, up to an eighth of the window.
func quantum(tile, back int64) int64 {
	q := tile
	for q <= back/16 {
		q *= 2
	}
	return q
}

// unsettled are the edges of a state without applied records: every tile is of
// the finest size.
func (l *ladder) unsettled(e *edges) {
	e.drop = math.MinInt64
	for k := range e.reach {
		e.reach[k] = math.MinInt64
	}
	e.grids, e.units = e.grids[:0], e.units[:0]
	for range l.grids {
		e.grids = append(e.grids, math.MinInt64)
	}
	for range l.calendars {
		e.units = append(e.units, units{never, never, never, never})
	}
}

// at gives the edges for the largest applied log time. cache keeps the units of
// the calendars, which mostly hold for the next one too.
func (l *ladder) at(largest featurestore.LogTime, cache *[]units, e *edges) {
	now := int64(largest) + 1
	least, drop := int64(math.MaxInt64), int64(math.MaxInt64)
	next := 0
	for k := range l.sizes {
		e.reach[k] = floor(least, l.sizes[k])
		if next < len(l.cuts) && l.cuts[next].level == k {
			c := &l.cuts[next]
			from := floor(now-c.back, l.sizes[k])
			least = min(least, from)
			drop = min(drop, floor(from, c.quantum))
			next++
		}
	}
	e.grids, e.units = e.grids[:0], e.units[:0]
	for i := range l.grids {
		g := &l.grids[i]
		from := floor(now, g.step) - g.back
		e.grids = append(e.grids, from)
		drop = min(drop, from)
	}
	for i, c := range l.calendars {
		if len(*cache) <= i {
			*cache = append(*cache, units{})
		}
		u := &(*cache)[i]
		if now < u.start || now >= u.next {
			*u = c.around(now)
		}
		e.units = append(e.units, *u)
		drop = min(drop, u.before)
	}
	e.drop = floor(drop, l.sizes[len(l.sizes)-1])
}

func (e *edges) equal(o *edges) bool {
	return e.reach == o.reach && e.drop == o.drop && slices.Equal(e.grids, o.grids) && slices.Equal(e.units, o.units)
}

// level is the level of the tile that holds instant x.
func (l *ladder) level(e *edges, x int64) int {
	level, _ := l.tile(e, x)
	return level
}

// tile is the tile that holds instant x: its level, and where it starts.
func (l *ladder) tile(e *edges, x int64) (level int, start int64) {
	for k := len(l.sizes) - 1; k > 0; k-- {
		if x >= e.reach[k] { // it would end behind that
			continue
		}
		start := floor(x, l.sizes[k])
		if end := start + l.sizes[k]; end <= e.reach[k] && !l.straddles(e, start, end) {
			return k, start
		}
	}
	return 0, floor(x, l.sizes[0])
}

// straddles reports whether an edge of a grid or a calendar that can still come
// lies inside of a tile.
func (l *ladder) straddles(e *edges, start, end int64) bool {
	for i := range l.grids {
		from := e.grids[i]
		if from == math.MinInt64 {
			return true
		}
		if last := from + floor(end-1-from, l.grids[i].step); last > start && last >= from {
			return true
		}
	}
	for i := range e.units {
		if e.units[i].inside(start, end) {
			return true
		}
	}
	return false
}

// changed is the range of instants whose tiles may have another size under the
// next edges.
func (l *ladder) changed(old, next *edges) (from, to int64) {
	from, to = math.MaxInt64, math.MinInt64
	note := func(a, b int64) {
		if a != b {
			from, to = min(from, a, b), max(to, a, b)
		}
	}
	for k := 1; k < len(l.sizes); k++ {
		note(old.reach[k], next.reach[k])
	}
	for i := range l.grids {
		note(old.grids[i], next.grids[i])
	}
	for i := range l.calendars {
		if o, n := &old.units[i], &next.units[i]; *o != *n {
			note(o.before, n.after)
		}
	}
	if from > to {
		return from, to
	}
	coarsest := l.sizes[len(l.sizes)-1]
	return saturate(from, -coarsest), saturate(to, coarsest)
}

// saturate adds without leaving the range.
func saturate(x, d int64) int64 {
	switch y := x + d; {
	case d < 0 && y > x:
		return math.MinInt64
	case d > 0 && y < x:
		return math.MaxInt64
	default:
		return y
	}
}
