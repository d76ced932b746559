package oracle

import (
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// dividesOffsets reports whether g divides every offset from UTC that the zone
// has had since 1970, and by its rules will have until 2100.
func dividesOffsets(zone *time.Location, g featurestore.Duration) bool {
	for at := time.Unix(0, 0).In(zone); at.Year() < 2100; {
		if offsetAt(at)*featurestore.Second%g != 0 {
			return false
		}
		_, end := at.ZoneBounds()
		if end.IsZero() {
			return true
		}
		// Of far years the package time knows no exact bounds: some lie behind.
		if next := at.Add(24 * time.Hour); end.Before(next) {
			end = next
		}
		at = end
	}
	return true
}

// offsetAt is the zone's offset in seconds.
func offsetAt(at time.Time) featurestore.Duration {
	_, offset := at.Zone()
	return featurestore.Duration(offset)
}

// calendar is the window of the unit that holds t, up to t, or the last complete
// one before it. Its edges keep to tiles: since 1970 every unit begins on one.
func calendar(f *window.Feature, t featurestore.Instant) (start, end featurestore.Instant) {
	g := tileOf(f)
	begin, before := unitsBefore(f, t)
	if f.Complete {
		return floor(before, g), floor(begin, g)
	}
	return floor(begin, g), t
}

// unitsBefore gives the newest begin of a unit that is not after t, and the one before
// it. Units that begin at one instant, because the zone skipped a date, are one.
func unitsBefore(f *window.Feature, t featurestore.Instant) (begin, before featurestore.Instant) {
	// Some unit that begins after t for sure, then back.
	local := t.Time().In(f.Zone)
	date := time.Date(local.Year(), local.Month(), local.Day()+3, 0, 0, 0, 0, time.UTC)
	switch f.Unit {
	case window.Week:
		for date.Weekday() != time.Monday {
			date = date.AddDate(0, 0, 1)
		}
	case window.Month:
		date = time.Date(date.Year(), date.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	default:
	}
	back := func() {
		switch f.Unit {
		case window.Week:
			date = date.AddDate(0, 0, -7)
		case window.Month:
			date = date.AddDate(0, -1, 0)
		default:
			date = date.AddDate(0, 0, -1)
		}
	}
	for begin = dayBegin(date, f.Zone); begin > t; begin = dayBegin(date, f.Zone) {
		back()
	}
	for before = begin; before >= begin; before = dayBegin(date, f.Zone) {
		back()
	}
	return begin, before
}

// dayBegin is the least instant whose date in the zone is this one or a later
// one. A day that begins in a gap begins with the gap's end; one that begins
// twice, the first time.
func dayBegin(date time.Time, zone *time.Location) featurestore.Instant {
	// No offset is as large as 26 hours, and none changes twice in an hour.
	from := date.Add(-26 * time.Hour).In(zone)
	for {
		to := offsetChange(from, from.Add(time.Hour))
		// Within, local time goes as fast as time.
		midnight := date.Add(-time.Duration(offsetAt(from)) * time.Second)
		if midnight.Before(from) { // the beginning is past midnight already
			midnight = from
		}
		if midnight.Before(to) {
			return featurestore.InstantOf(midnight)
		}
		from = to
	}
}

// offsetChange is when the offset changes between two instants, or the later
// one.
func offsetChange(from, to time.Time) time.Time {
	if offsetAt(from) == offsetAt(to) {
		return to
	}
	lo, hi := from, to // at lo it is the old one, at hi no more
	for hi.Sub(lo) > time.Second {
		mid := lo.Add(hi.Sub(lo) / 2).Truncate(time.Second)
		if offsetAt(mid) == offsetAt(from) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}
