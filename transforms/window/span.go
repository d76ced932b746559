package window

import (
	"slices"
	"time"
)

// span is where one window that is read from tiles lies at a read time. Spans
// that are equal by == are the same window.
type span struct {
	shape  shape
	back   int64 // sliding: offset + width; stepping: the size
	offset int64 // sliding
	tile   int64 // aligns the edges of a sliding span
	step   int64 // stepping
	unit   Unit  // calendar
	zone   *time.Location
	last   bool // calendar: the last complete unit
}

// shape is how the edges of a span move with the read time.
type shape uint8

const (
	slidingSpan  shape = iota // [floor(t - back, tile), t), or with an offset to floor(t - offset, tile)
	steppingSpan              // [floor(t, step) - back, floor(t, step))
	calendarSpan
)

// at is the span at read time t. Its end may lie beyond every event.
func (w *span) at(t int64) (start, end int64) {
	switch w.shape {
	case steppingSpan:
		end = floor(t, w.step)
		return end - w.back, end
	case calendarSpan:
		return (&calendar{unit: w.unit, zone: w.zone, tile: w.tile, last: w.last}).window(t)
	}
	if w.offset > 0 {
		return floor(t-w.back, w.tile), floor(t-w.offset, w.tile)
	}
	return floor(t-w.back, w.tile), t
}

// constrain adds to a ladder where the edges of the span can lie: how far back
// windows with edges on multiples of each tile size reach, and which sizes are
// of use.
func (w *span) constrain(l *ladder, back *[most]int64, used *[most]bool) {
	level := func(size int64) int { // the largest size up to this one
		k := 0
		for k+1 < most && int64(steps[k+1]) <= size {
			k++
		}
		return k
	}
	used[level(w.tile)] = true
	switch w.shape {
	case slidingSpan:
		k := level(w.tile)
		back[k] = max(back[k], w.back)
	case steppingSpan:
		k := level(w.step)
		used[k] = true
		switch {
		case w.back%w.step != 0:
			l.grids = append(l.grids, grid{step: w.step, back: w.back}, grid{step: w.step})
		case int64(steps[k]) == w.step:
			back[k] = max(back[k], w.back)
		default:
			l.grids = append(l.grids, grid{step: w.step, back: w.back})
		}
	case calendarSpan:
		used[most-1] = true
		c := calendar{unit: w.unit, zone: w.zone, tile: w.tile, last: w.last}
		if !slices.ContainsFunc(l.calendars, func(o *calendar) bool { return *o == c }) {
			l.calendars = append(l.calendars, &c)
		}
	}
}
