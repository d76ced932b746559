// Package schedule computes the ticks of a batch view's schedule: hourly, daily
// or five cron fields, in UTC. It is arithmetic on instants; it runs nothing.
package schedule

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// Schedule is a parsed schedule; the zero Schedule has no ticks.
type Schedule struct {
	set                               bool
	minute, hour, day, month, weekday uint64 // bit n: value n
	anyDay, anyWeekday                bool
}

// Parse reads "hourly", "daily" or a cron expression "minute hour day month
// weekday" of numbers, *, lists, ranges and steps; "" is no schedule. As in
// cron, where both day and weekday are limited, either may match.
func Parse(text string) (Schedule, error) {
	switch text {
	case "":
		return Schedule{}, nil
	case "hourly":
		text = "0 * * * *"
	case "daily":
		text = "0 0 * * *"
	}
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return Schedule{}, fmt.Errorf("schedule %q: use hourly, daily or five cron fields (minute hour day month weekday)", text)
	}
	s := Schedule{set: true, anyDay: fields[2] == "*", anyWeekday: fields[4] == "*"}
	for i, f := range []struct {
		to       *uint64
		min, max int
	}{{&s.minute, 0, 59}, {&s.hour, 0, 23}, {&s.day, 1, 31}, {&s.month, 1, 12}, {&s.weekday, 0, 7}} {
		set, err := parseField(fields[i], f.min, f.max)
		if err != nil {
			return Schedule{}, fmt.Errorf("schedule %q: %w", text, err)
		}
		*f.to = set
	}
	if s.weekday&(1<<7) != 0 { // Sunday is 0 and 7
		s.weekday |= 1
	}
	return s, nil
}

func parseField(text string, low, high int) (uint64, error) {
	var set uint64
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			var err error
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return 0, fmt.Errorf("%q is no step", part)
			}
		}
		from, to := low, high
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			var err error
			if from, err = strconv.Atoi(first); err != nil {
				return 0, fmt.Errorf("%q is no number from %d to %d", part, low, high)
			}
			switch {
			case ranged:
				if to, err = strconv.Atoi(last); err != nil {
					return 0, fmt.Errorf("%q is no range", part)
				}
			case !stepped:
				to = from
			}
		}
		if from < low || to > high || from > to {
			return 0, fmt.Errorf("%q is not within %d to %d", part, low, high)
		}
		for n := from; n <= to; n += step {
			set |= 1 << n
		}
	}
	return set, nil
}

// Empty reports whether there are no ticks.
func (s Schedule) Empty() bool { return !s.set }

// searchDays bounds the search for a tick: 29 February comes within 8 years.
const searchDays = 366 * 9

// Prev is the last tick at or before t.
func (s Schedule) Prev(t featurestore.Instant) (featurestore.Instant, bool) {
	if !s.set {
		return 0, false
	}
	day := t.Floor(featurestore.Day)
	left := int64(t - day) // microseconds of the day that may be used
	for range searchDays {
		if s.matches(day) {
			if at, ok := s.lastIn(left); ok {
				return day + featurestore.Instant(at), true
			}
		}
		day -= featurestore.Instant(featurestore.Day)
		left = int64(featurestore.Day) - 1
	}
	return 0, false
}

// Next is the first tick after t.
func (s Schedule) Next(t featurestore.Instant) (featurestore.Instant, bool) {
	if !s.set {
		return 0, false
	}
	day := t.Floor(featurestore.Day)
	from := int64(t-day) + 1
	for range searchDays {
		if s.matches(day) {
			if at, ok := s.firstIn(from); ok {
				return day + featurestore.Instant(at), true
			}
		}
		day += featurestore.Instant(featurestore.Day)
		from = 0
	}
	return 0, false
}

func (s Schedule) matches(day featurestore.Instant) bool {
	year, month, date := day.Time().Date()
	if s.month&(1<<month) == 0 {
		return false
	}
	onDay := s.day&(1<<date) != 0
	onWeekday := s.weekday&(1<<time.Date(year, month, date, 0, 0, 0, 0, time.UTC).Weekday()) != 0
	if s.anyDay || s.anyWeekday {
		return onDay && onWeekday
	}
	return onDay || onWeekday
}

// lastIn is the last tick of a day that is at most `until` microseconds after
// its start.
func (s Schedule) lastIn(until int64) (int64, bool) {
	minutes := until / int64(featurestore.Minute)
	for hour := minutes / 60; hour >= 0; hour-- {
		if s.hour&(1<<hour) == 0 {
			continue
		}
		upTo := int64(59)
		if hour == minutes/60 {
			upTo = minutes % 60
		}
		if set := s.minute & (1<<(upTo+1) - 1); set != 0 {
			return (hour*60 + int64(bits.Len64(set)-1)) * int64(featurestore.Minute), true
		}
	}
	return 0, false
}

// firstIn is the first tick of a day that is at least from microseconds after
// its start.
func (s Schedule) firstIn(from int64) (int64, bool) {
	minutes := (from + int64(featurestore.Minute) - 1) / int64(featurestore.Minute)
	for hour := minutes / 60; hour < 24; hour++ {
		if s.hour&(1<<hour) == 0 {
			continue
		}
		set := s.minute
		if hour == minutes/60 {
			set &^= 1<<(minutes%60) - 1
		}
		if set != 0 {
			return (hour*60 + int64(bits.TrailingZeros64(set))) * int64(featurestore.Minute), true
		}
	}
	return 0, false
}
