package files

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// unixUnit is the microseconds of one unit of a unix format; 0 for the others.
func unixUnit(f definition.TimeFormat) int64 {
	switch f {
	case definition.FormatUnixS:
		return 1_000_000
	case definition.FormatUnixMS:
		return 1000
	case definition.FormatUnixUS:
		return 1
	default:
		return 0
	}
}

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
	if unit := unixUnit(spec.Format); unit != 0 {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a whole number of its unit", text)
		}
		return fromUnix(n, unit)
	}
	if spec.Format == definition.FormatLayout {
		return parseLayout(spec, text)
	}
	return featurestore.ParseInstantIn(text, spec.Zone)
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
