package featurestore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Instant is a point of time: microseconds since 1970-01-01T00:00:00Z.
type Instant int64

// EventTime is the instant at which something happened, by its source (e).
type EventTime int64

// LogTime is the instant at which the log took a record (a): the broker's
// append time, the producer's time, or a history file's available_at.
type LogTime int64

// Duration is an exact length in microseconds; a day is 86,400 seconds, always.
type Duration int64

// The units of a Duration.
const (
	Microsecond Duration = 1
	Millisecond          = 1000 * Microsecond
	Second               = 1000 * Millisecond
	Minute               = 60 * Second
	Hour                 = 60 * Minute
	Day                  = 24 * Hour
)

// AheadLimit is how far an event time may lie after its log time; beyond it a
// record is quarantined as a dead letter.
const AheadLimit = 5 * Minute

// MinInstant and MaxInstant bound what RFC 3339 can write: years 0001 to 9999.
const (
	MinInstant Instant = -62135596800000000
	MaxInstant Instant = 253402300799999999
)

// InstantOf converts a time.Time, cutting below the microsecond downwards.
func InstantOf(t time.Time) Instant { return Instant(t.UnixMicro()) }

// Time converts to a time.Time in UTC.
func (t Instant) Time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// String writes RFC 3339 in UTC with as many fraction digits as needed.
func (t Instant) String() string { return t.Time().Format("2006-01-02T15:04:05.999999Z07:00") }

// String writes the event time as an Instant does.
func (t EventTime) String() string { return Instant(t).String() }

// String writes the log time as an Instant does.
func (t LogTime) String() string { return Instant(t).String() }

// Floor aligns t down to a multiple of g, also before the epoch; g must be
// positive.
func (t Instant) Floor(g Duration) Instant {
	r := int64(t) % int64(g)
	if r < 0 {
		r += int64(g)
	}
	return t - Instant(r)
}

// ErrNoZone is the reason for which a time without a zone is refused.
var ErrNoZone = errors.New("the time has no zone: write an offset or Z, or declare a zone")

// ParseInstant reads RFC 3339 with an explicit offset. A zone-less time is
// ErrNoZone; more than six fraction digits and leap seconds are refused.
func ParseInstant(s string) (Instant, error) {
	return ParseInstantIn(s, nil)
}

// ParseInstantIn is ParseInstant, with loc as the zone of a time without one;
// a nil loc refuses such a time.
func ParseInstantIn(s string, loc *time.Location) (Instant, error) {
	// time.Parse also takes a comma and a one-digit hour, which RFC 3339 has not.
	if len(s) < 10 || strings.ContainsRune(s, ',') || len(s) >= 13 && (s[12] < '0' || s[12] > '9') {
		return 0, fmt.Errorf("%q is not an RFC 3339 time", s)
	}
	if len(s) >= 19 && s[17:19] == "60" {
		return 0, fmt.Errorf("%q: leap seconds are refused", s)
	}
	if dot := strings.IndexByte(s, '.'); dot >= 0 {
		n := 0
		for _, c := range []byte(s[dot+1:]) {
			if c < '0' || c > '9' {
				break
			}
			n++
		}
		if n > 6 {
			return 0, fmt.Errorf("%q: more than 6 fraction digits", s)
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return inRange(s, t)
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			if loc == nil {
				return 0, fmt.Errorf("%q: %w", s, ErrNoZone)
			}
			return inRange(s, time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc))
		}
	}
	return 0, fmt.Errorf("%q is not an RFC 3339 time", s)
}

func inRange(s string, t time.Time) (Instant, error) {
	if at := InstantOf(t); at >= MinInstant && at <= MaxInstant {
		return at, nil
	}
	return 0, fmt.Errorf("%q is outside of the years 0001 to 9999", s)
}

// Std converts to the standard library's duration.
func (d Duration) Std() time.Duration { return time.Duration(d) * time.Microsecond }

var durationUnits = []struct {
	suffix string
	unit   Duration
}{{"us", Microsecond}, {"ms", Millisecond}, {"s", Second}, {"m", Minute}, {"h", Hour}, {"d", Day}}

// ParseDuration reads one number and one unit: "90s", "5m", "1h", "30d", and
// "us" and "ms" below the second.
func ParseDuration(s string) (Duration, error) {
	for _, u := range durationUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > math.MaxInt64/int64(u.unit) {
			return 0, fmt.Errorf("duration %q is out of range", s)
		}
		return Duration(n) * u.unit, nil
	}
	return 0, fmt.Errorf("%q is not a duration: write a number and a unit, as 90s, 5m, 1h or 30d", s)
}

// String writes the duration in the largest unit that divides it.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	for i := len(durationUnits) - 1; i >= 0; i-- {
		if u := durationUnits[i]; d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(d), 10) + "us"
}
