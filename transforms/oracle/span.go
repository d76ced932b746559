package oracle

import (
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// The caps of what a state keeps for windows of single rows.
const (
	defaultMaxRows  = 1000 // of an exact window
	maxSessionTiles = 1024
)

// beginning is a start edge before every event.
const beginning = featurestore.Instant(math.MinInt64)

// feature computes one feature. Its where filters before its window is formed:
// it is the feature of a view that has this where.
func (k *knowledge) feature(f *window.Feature) (featurestore.Cell, error) {
	passes := func(x *event) bool { return f.Where < 0 || x.Inputs[f.Where].Bool() } // null is false
	rows := only(k.rows, passes)
	switch f.Kind {
	case window.Latest:
		return k.latest(f, rows), nil
	case window.Series:
		return k.series(f, rows)
	default:
	}
	inside, start, cut := k.span(f, rows, only(k.settled, passes))
	cell, err := k.aggregate(f, inside)
	return k.unlessMissed(approximate(cell, cut), start), err
}

// unlessMissed weakens a cell of a window with this start edge where it may lack
// events: that there are none is not known then.
func (k *knowledge) unlessMissed(c featurestore.Cell, start featurestore.Instant) featurestore.Cell {
	if c.Status == featurestore.Empty && k.misses(start) {
		c.Status = featurestore.Approximate
	}
	return approximate(c, k.misses(start))
}

// misses reports whether the cap of raw rows may have cut events of a window
// with this start edge.
func (k *knowledge) misses(start featurestore.Instant) bool {
	return k.witness != nil && featurestore.Instant(k.witness.Time) >= start
}

// span picks the rows of a feature's window; rows are visible, settled are what
// a state has folded, both pass the feature's where. start is where the window
// begins, and cut says that the state could not tell all of its rows.
func (k *knowledge) span(f *window.Feature, rows, settled []*event) (inside []*event, start featurestore.Instant, cut bool) {
	t := k.at
	switch f.Kind {
	case window.Lifetime:
		return rows, beginning, false
	case window.Rows:
		return rows[max(0, len(rows)-int(f.Count)):], beginning, false
	case window.Session:
		inside, cut = session(f, rows, settled)
		return inside, beginning, cut
	case window.Tumbling:
		end := floor(t, f.Width)
		start = end - featurestore.Instant(f.Width)
		return between(rows, start, end), start, false
	case window.Hopping:
		end := floor(t, f.Step)
		start = end - featurestore.Instant(f.Width)
		return between(rows, start, end), start, false
	case window.Calendar:
		start, end := calendar(f, t)
		return between(rows, start, end), start, false
	default:
		return k.trailing(f, rows, settled)
	}
}

// between keeps the events of [start, end).
func between(rows []*event, start, end featurestore.Instant) []*event {
	return only(rows, func(x *event) bool {
		e := featurestore.Instant(x.Time)
		return e >= start && e < end
	})
}

// trailing picks [floor(t-o-w, g), t), or [floor(t-o-w, g), floor(t-o, g)) where
// there is an offset.
//
// An exact window is not aligned. Its state keeps the newest MaxRows settled
// rows and knows when the next one was, the witness: as long as that lies before
// the start, it has all rows of the window. Otherwise the value is the aligned
// window's, which is off by less than a tile, and says so.
func (k *knowledge) trailing(f *window.Feature, rows, settled []*event) (inside []*event, start featurestore.Instant, cut bool) {
	end := k.at - featurestore.Instant(f.Offset)
	start = end - featurestore.Instant(f.Width)
	if f.Exact {
		limit := int(f.MaxRows)
		if limit == 0 {
			limit = defaultMaxRows
		}
		n := len(settled)
		if n <= limit || featurestore.Instant(settled[n-limit-1].Time) < start {
			return between(rows, start, end), start, false
		}
	}
	g := tileOf(f)
	start = floor(start, g)
	if f.Offset != 0 {
		end = floor(end, g)
	}
	return between(rows, start, end), start, f.Exact
}

// session picks the run of rows, neighbours less than the gap apart, that holds
// the newest one. A state keeps the settled rows of the newest maxSessionTiles
// tiles; where the run reaches the oldest of these and there were others, it may
// have gone on.
func session(f *window.Feature, rows, settled []*event) (run []*event, cut bool) {
	g := tileOf(f)
	kept := rows
	oldest := beginning
	if tiles := tilesOf(settled, g); len(tiles) > maxSessionTiles {
		oldest = tiles[len(tiles)-maxSessionTiles]
		isSettled := map[*event]bool{}
		for _, x := range settled {
			isSettled[x] = true
		}
		kept = only(rows, func(x *event) bool { return !isSettled[x] || featurestore.Instant(x.Time) >= oldest })
		cut = true
	}
	first := len(kept)
	for first > 0 && (first == len(kept) || int64(kept[first].Time)-int64(kept[first-1].Time) < int64(f.Width)) {
		first--
	}
	run = kept[first:]
	reached := len(run) > 0 && floor(featurestore.Instant(run[0].Time), g) <= oldest
	return run, cut && reached
}

// tilesOf are the starts of the tiles that hold events, ascending.
func tilesOf(rows []*event, g featurestore.Duration) []featurestore.Instant {
	var tiles []featurestore.Instant
	for _, x := range rows {
		if start := floor(featurestore.Instant(x.Time), g); len(tiles) == 0 || tiles[len(tiles)-1] != start {
			tiles = append(tiles, start)
		}
	}
	return tiles
}

// latest is the value of the greatest row with t - ttl <= e. A state that keeps
// raw rows keeps them for the retention only: what is older is not EXPIRED, it
// never was.
func (k *knowledge) latest(f *window.Feature, rows []*event) featurestore.Cell {
	if keep, bounded := retention(k.entity.config); bounded && keepsRawRows(k.entity.config) {
		rows = between(rows, k.at-featurestore.Instant(keep), k.at)
	}
	start := beginning
	if ttl := k.entity.config.TTL; ttl > 0 {
		start = k.at - featurestore.Instant(ttl)
	}
	if len(rows) == 0 {
		return k.unlessMissed(featurestore.Cell{Status: featurestore.Empty}, start)
	}
	newest := rows[len(rows)-1]
	if featurestore.Instant(newest.Time) < start {
		return featurestore.Cell{Status: featurestore.Expired}
	}
	return k.unlessMissed(present(newest.Inputs[f.Input]), start)
}

// series is a list of trailing windows, element i with the offset i x step: an
// element without input is what an empty window gives. It is EMPTY iff every
// element is.
func (k *knowledge) series(f *window.Feature, rows []*event) (featurestore.Cell, error) {
	var values []featurestore.Value
	var oldest featurestore.Instant
	seen := map[featurestore.Status]bool{}
	for i := range f.Count {
		element := *f
		element.Kind, element.Offset = window.Trailing, featurestore.Duration(i)*f.Step
		inside, start, _ := k.trailing(&element, rows, nil)
		cell, err := k.aggregate(&element, inside)
		if err != nil {
			return cell, err
		}
		values, oldest = append(values, cell.Value), start
		seen[cell.Status] = true
	}
	status := featurestore.Present
	switch {
	case seen[featurestore.Overflow]:
		status = featurestore.Overflow
	case !seen[featurestore.Present] && !seen[featurestore.Approximate]:
		status = featurestore.Empty
	case seen[featurestore.Approximate]:
		status = featurestore.Approximate
	}
	return k.unlessMissed(featurestore.Cell{Value: featurestore.ListValue(values), Status: status}, oldest), nil
}
