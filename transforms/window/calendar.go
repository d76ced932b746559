package window

import (
	"errors"
	"fmt"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// A calendar window goes from the start of the day, week (from Monday) or month
// in a zone to the read time, or, complete, covers the last unit before that.
// A unit starts at the first instant at which the zone's date is that of its
// first day or a later one: midnight, or where daylight saving skips midnight
// the end of the gap. A day has 23 to 25 hours where the zone changes; a date
// that a zone leaves out is no unit.

// calendar is a unit of a zone.
type calendar struct {
	unit Unit
	zone *time.Location
	tile int64 // starts are aligned down to it; since 1970 they are anyhow
	last bool  // the window of the last complete unit is read
}

// units are the starts of the units around an instant: the earliest that a
// window at the instant or later begins with, that of the instant's own unit,
// and of the two that follow.
type units struct{ before, start, next, after int64 }

// inside reports whether one of the starts lies inside of a tile. What lies
// beyond the last known start may hold one.
func (u *units) inside(start, end int64) bool {
	if end > u.after {
		return true
	}
	for _, x := range [...]int64{u.before, u.start, u.next, u.after} {
		if start < x && x < end {
			return true
		}
	}
	return false
}

// around gives the units around t.
func (c *calendar) around(t int64) units {
	u := units{start: c.start(t)}
	u.before = u.start
	if c.last {
		u.before = c.start(u.start - 1)
	}
	u.next = c.following(u.start)
	u.after = c.following(u.next)
	return u
}

// window is the window at t.
func (c *calendar) window(t int64) (start, end int64) {
	s := c.start(t)
	if c.last {
		return c.start(s - 1), s
	}
	return s, t
}

// start is the start of the unit that holds t.
func (c *calendar) start(t int64) int64 {
	y, m, d := c.first(t)
	// Where clocks go back over midnight the date of t may be one that is over.
	if next := c.starts(y, m, d, 1); next <= t {
		return next
	}
	return c.starts(y, m, d, 0)
}

// following is the start of the unit after the one that starts at t.
func (c *calendar) following(t int64) int64 {
	y, m, d := c.first(t)
	for n := 1; ; n++ {
		if next := c.starts(y, m, d, n); next > t {
			return next
		}
	}
}

// first is the first date of the unit that holds t, by the zone's date of t.
func (c *calendar) first(t int64) (int, time.Month, int) {
	local := time.UnixMicro(t).In(c.zone)
	y, m, d := local.Date()
	switch c.unit {
	case Week:
		d -= (int(local.Weekday()) + 6) % 7
	case Month:
		d = 1
	}
	return y, m, d
}

// starts is the start of the unit n units after the one whose first date is given.
func (c *calendar) starts(y int, m time.Month, d, n int) int64 {
	switch c.unit {
	case Week:
		d += 7 * n
	case Month:
		m += time.Month(n)
	default:
		d += n
	}
	first := firstOf(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), c.zone)
	return floor(first*int64(featurestore.Second), c.tile)
}

// firstOf is the first second at which the local time of a zone is at least that
// of midnight, both as seconds since 1970.
func firstOf(midnight int64, zone *time.Location) int64 {
	const most = 26 * 3600 // no zone is as far from UTC
	for from := midnight - most; ; {
		at := time.Unix(from, 0).In(zone)
		_, offset := at.Zone()
		end, any := offsetEnd(at)
		first := max(from, midnight-int64(offset))
		if !any || first < end.Unix() {
			return first
		}
		from = end.Unix()
	}
}

// offsetEnd is an instant after t up to which the zone's offset stays what it is
// at t; any is false where it stays so for ever.
func offsetEnd(t time.Time) (end time.Time, any bool) {
	_, end = t.ZoneBounds()
	if end.IsZero() {
		return end, false
	}
	if !end.After(t) { // so says package time of the last day of some leap years
		return t.Add(time.Hour), true
	}
	return end, true
}

// The years whose offsets decide on the default tile of a calendar window.
const firstYear, lastYear = 1970, 2100

// divides reports whether g divides every offset from UTC of a zone.
func divides(g featurestore.Duration, zone *time.Location) bool {
	at := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC).In(zone)
	for at.Year() <= lastYear {
		if _, offset := at.Zone(); featurestore.Duration(offset)*featurestore.Second%g != 0 {
			return false
		}
		end, any := offsetEnd(at)
		if !any {
			break
		}
		at = end
	}
	return true
}

func resolveCalendar(f *Feature) error {
	if f.Unit < Day || f.Unit > Month {
		return errors.New("a calendar window needs a unit: write day, week or month")
	}
	if f.Zone == nil {
		return errors.New("a calendar window needs a zone: write zone: UTC, or a name as Europe/Berlin")
	}
	if f.Tile != 0 {
		if divides(f.Tile, f.Zone) {
			return nil
		}
		return fmt.Errorf("tile %s does not divide every offset of %s from UTC: a %s would not begin on a tile; write a smaller tile", f.Tile, f.Zone, f.Unit)
	}
	for _, g := range []featurestore.Duration{featurestore.Hour, 5 * featurestore.Minute, featurestore.Minute, 10 * featurestore.Second} {
		if divides(g, f.Zone) {
			f.Tile = g
			return nil
		}
	}
	f.Tile = featurestore.Second
	return nil
}

// String gives the unit as definitions write it.
func (u Unit) String() string {
	switch u {
	case Day:
		return "day"
	case Week:
		return "week"
	case Month:
		return "month"
	}
	return fmt.Sprintf("unit(%d)", uint8(u))
}

// longest is the longest unit: an hour more than its days, where clocks go back.
func (u Unit) longest() featurestore.Duration {
	switch u {
	case Week:
		return 7*featurestore.Day + featurestore.Hour
	case Month:
		return 31*featurestore.Day + featurestore.Hour
	default:
		return featurestore.Day + featurestore.Hour
	}
}

func reachCalendar(f *Feature) (featurestore.Duration, bool) {
	if f.Complete {
		return 2 * f.Unit.longest(), true
	}
	return f.Unit.longest(), true
}

func coverCalendar(f *Feature) Cover {
	c := Cover{Tile: f.Tile, Most: f.Unit.longest()}
	if f.Complete {
		switch c.Least = 23 * featurestore.Hour; f.Unit {
		case Week:
			c.Least += 6 * featurestore.Day
		case Month:
			c.Least += 27 * featurestore.Day
		}
	}
	return c
}

func spansCalendar(f *Feature) []span {
	return []span{{shape: calendarSpan, tile: int64(f.Tile), unit: f.Unit, zone: f.Zone, last: f.Complete}}
}
