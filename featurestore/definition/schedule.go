package definition

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// cron is a compiled schedule: a bit for each minute, hour, day of the month,
// month and day of the week (0 is Sunday) that is due.
type cron struct {
	minute, hour, day, month, weekday uint64
	anyDay, anyWeekday                bool
}

// ParseSchedule reads "hourly", "daily" (at 00:00) or the five fields of cron:
// minute, hour, day of the month, month, day of the week, each *, a number, a
// range a-b, a step */n or a-b/n, or a list of these. Where both days are
// restricted, either suffices, as in cron. A schedule is in UTC.
func ParseSchedule(text string) (Schedule, error) {
	fields := strings.Fields(text)
	switch {
	case text == "hourly":
		fields = strings.Fields("0 * * * *")
	case text == "daily":
		fields = strings.Fields("0 0 * * *")
	case len(fields) != 5:
		return Schedule{}, fmt.Errorf("%s is not a schedule: write hourly, daily, or minute hour day month weekday, as \"30 6 * * 1-5\"", quoted(text))
	}
	var c cron
	for i, part := range []struct {
		name      string
		low, high int
		set       *uint64
	}{{"minute", 0, 59, &c.minute}, {"hour", 0, 23, &c.hour}, {"day", 1, 31, &c.day}, {"month", 1, 12, &c.month}, {"weekday", 0, 7, &c.weekday}} {
		set, err := cronField(fields[i], part.low, part.high)
		if err != nil {
			return Schedule{}, fmt.Errorf("schedule %s: %s %w", quoted(text), part.name, err)
		}
		*part.set = set
	}
	c.weekday |= c.weekday >> 7 & 1 // 7 is Sunday too
	c.anyDay, c.anyWeekday = strings.HasPrefix(fields[2], "*"), strings.HasPrefix(fields[4], "*")
	if !c.possible() {
		return Schedule{}, fmt.Errorf("schedule %s is never due: no month has such a day", quoted(text))
	}
	return Schedule{Text: text, cron: c}, nil
}

func cronField(text string, low, high int) (uint64, error) {
	var set uint64
	for _, part := range strings.Split(text, ",") {
		from, to, step := low, high, 1
		spread, stepText, stepped := strings.Cut(part, "/")
		var err error
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return 0, fmt.Errorf("%q: the step is a number above 0", part)
			}
		}
		if spread != "*" {
			first, last, ranged := strings.Cut(spread, "-")
			if from, err = strconv.Atoi(first); err != nil {
				return 0, fmt.Errorf("%q is not a number", first)
			}
			if ranged {
				if to, err = strconv.Atoi(last); err != nil {
					return 0, fmt.Errorf("%q is not a number", last)
				}
			} else if !stepped {
				to = from
			}
		}
		if from < low || to > high || from > to {
			return 0, fmt.Errorf("%q is not within %d to %d", part, low, high)
		}
		for i := from; i <= to; i += step {
			set |= 1 << i
		}
	}
	return set, nil
}

// compiled gives the schedule's compiled form, also of one that was not made by
// ParseSchedule; ok is false for none.
func (s Schedule) compiled() (c cron, ok bool) {
	if s.cron.minute == 0 && s.Text != "" {
		s, _ = ParseSchedule(s.Text)
	}
	return s.cron, s.cron.minute != 0
}

// Latest is the last tick at or before t; ok is false without a schedule.
func (s Schedule) Latest(t featurestore.Instant) (tick featurestore.Instant, ok bool) {
	c, ok := s.compiled()
	if !ok {
		return 0, false
	}
	at := t.Time().Truncate(time.Minute)
	minutes := at.Hour()*60 + at.Minute()
	for range cronHorizon {
		if c.dueOn(at) {
			if m := c.lastMinute(minutes); m >= 0 {
				return featurestore.InstantOf(time.Date(at.Year(), at.Month(), at.Day(), 0, m, 0, 0, time.UTC)), true
			}
		}
		at, minutes = at.AddDate(0, 0, -1), 24*60-1
	}
	return 0, false
}

// Next is the first tick after t; ok is false without a schedule.
func (s Schedule) Next(t featurestore.Instant) (tick featurestore.Instant, ok bool) {
	c, ok := s.compiled()
	if !ok {
		return 0, false
	}
	at := t.Time().Truncate(time.Minute).Add(time.Minute)
	minutes := at.Hour()*60 + at.Minute()
	for range cronHorizon {
		if c.dueOn(at) {
			if m := c.firstMinute(minutes); m >= 0 {
				return featurestore.InstantOf(time.Date(at.Year(), at.Month(), at.Day(), 0, m, 0, 0, time.UTC)), true
			}
		}
		at, minutes = at.AddDate(0, 0, 1), 0
	}
	return 0, false
}

// Ticks are the ticks in [from, to), ascending.
func (s Schedule) Ticks(from, to featurestore.Instant) []featurestore.Instant {
	var ticks []featurestore.Instant
	for t, ok := s.Next(from - 1); ok && t < to; t, ok = s.Next(t) {
		ticks = append(ticks, t)
	}
	return ticks
}

// cronHorizon is how many days hold every date: leap years can be eight apart,
// and a day of the week falls on one of them within 40 years.
const cronHorizon = 41 * 366

// possible reports whether some date is due: a day that a month can have.
func (c *cron) possible() bool {
	if !c.anyDay && !c.anyWeekday {
		return true // any date of the weekday
	}
	for month := time.January; month <= time.December; month++ {
		days := 30 + int(month+month/8)%2
		if month == time.February {
			days = 29
		}
		if c.month>>month&1 == 1 && c.day&(1<<(days+1)-1) != 0 {
			return true
		}
	}
	return false
}

func (c *cron) dueOn(t time.Time) bool {
	if c.month>>t.Month()&1 == 0 {
		return false
	}
	day, weekday := c.day>>t.Day()&1 == 1, c.weekday>>t.Weekday()&1 == 1
	if c.anyDay || c.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// lastMinute is the last due minute of a day up to one, -1 for none.
func (c *cron) lastMinute(most int) int {
	hours := c.hour & (1<<(most/60+1) - 1)
	for hours != 0 {
		h := bits.Len64(hours) - 1
		minutes := c.minute
		if h == most/60 {
			minutes &= 1<<(most%60+1) - 1
		}
		if minutes != 0 {
			return h*60 + bits.Len64(minutes) - 1
		}
		hours &^= 1 << h
	}
	return -1
}

// firstMinute is the first due minute of a day from one on, -1 for none.
func (c *cron) firstMinute(least int) int {
	hours := c.hour &^ (1<<(least/60) - 1)
	for hours != 0 {
		h := bits.TrailingZeros64(hours)
		minutes := c.minute
		if h == least/60 {
			minutes &^= 1<<(least%60) - 1
		}
		if minutes != 0 {
			return h*60 + bits.TrailingZeros64(minutes)
		}
		hours &^= 1 << h
	}
	return -1
}
