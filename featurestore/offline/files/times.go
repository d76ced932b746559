package files

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// errNoTime is the problem of an empty or null time.
var errNoTime = errors.New("the time is missing")

// unixDigits is how many digits of the unit of a unix format make a microsecond;
// ok is false for the other formats.
func unixDigits(f definition.TimeFormat) (digits int, ok bool) {
	switch f {
	case definition.FormatUnixS:
		return 6, true
	case definition.FormatUnixMS:
		return 3, true
	case definition.FormatUnixUS:
		return 0, true
	default:
		return 0, false
	}
}

// unixUnit is the microseconds of one unit of a unix format.
func unixUnit(digits int) int64 { return pow10(digits).Int64() }

// fromUnix scales an integer time to microseconds, within the years 1 to 9999.
func fromUnix(n, unit int64) (featurestore.Instant, error) {
	if n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, fmt.Errorf("%d is not a time between the years 1 and 9999", n)
	}
	return inRange(featurestore.Instant(n * unit))
}

func inRange(t featurestore.Instant) (featurestore.Instant, error) {
	if t < featurestore.MinInstant || t > featurestore.MaxInstant {
		return 0, fmt.Errorf("%d us is not a time between the years 1 and 9999", int64(t))
	}
	return t, nil
}

// fromNanos accepts nanoseconds that are whole microseconds.
func fromNanos(n int64) (featurestore.Instant, error) {
	if n%1000 != 0 {
		return 0, fmt.Errorf("%d ns is not a whole microsecond", n)
	}
	return inRange(featurestore.Instant(n / 1000))
}

// inZone reads a wall clock reading, as microseconds since 1970 of the same
// reading in UTC, in a zone.
func inZone(wall featurestore.Instant, zone *time.Location) (featurestore.Instant, error) {
	t := wall.Time()
	return inRange(featurestore.InstantOf(time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)))
}

// parseTime reads a time from text as its spec declares.
func parseTime(spec *definition.TimeSpec, text string) (featurestore.Instant, error) {
	if digits, ok := unixDigits(spec.Format); ok {
		n, err := exactDecimal(text, featurestore.MaxDecimalPrecision, digits)
		if err != nil {
			return 0, fmt.Errorf("%q is not a count of its unit, exact to the microsecond", text)
		}
		return inRange(featurestore.Instant(n))
	}
	if spec.Format == definition.FormatLayout {
		return parseLayout(spec, text)
	}
	if strings.Contains(text, ",") { // which the standard library takes for a dot
		return 0, fmt.Errorf("%q is not an RFC 3339 time", text)
	}
	t, err := featurestore.ParseInstantIn(text, spec.Zone)
	if err != nil {
		return 0, err
	}
	return inRange(t)
}

func parseLayout(spec *definition.TimeSpec, text string) (featurestore.Instant, error) {
	zone := spec.Zone
	if strings.Contains(spec.Layout, "Z07") || strings.Contains(spec.Layout, "-07") {
		zone = time.UTC // the text has its own offset
	}
	if zone == nil {
		return 0, fmt.Errorf("%q: %w", text, featurestore.ErrNoZone)
	}
	t, err := time.ParseInLocation(spec.Layout, text, zone)
	if err != nil {
		return 0, fmt.Errorf("%q does not match the layout %q", text, spec.Layout)
	}
	if t.Nanosecond()%1000 != 0 {
		return 0, fmt.Errorf("%q: more than 6 fraction digits", text)
	}
	return inRange(featurestore.InstantOf(t))
}
