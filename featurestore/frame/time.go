package frame

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// Times says how a column is read as the time that spec declares. A file's own
// timestamp type is accepted beside any format.
func Times(from Field, spec *definition.TimeSpec) (Cast, error) {
	if from.Type.Kind == featurestore.KindTimestamp {
		return zoned(from, spec.Zone)
	}
	switch spec.Format {
	case definition.FormatRFC3339:
		return textTimes(from, func(s string) (featurestore.Instant, error) {
			return featurestore.ParseInstantIn(s, spec.Zone)
		})
	case definition.FormatLayout:
		return textTimes(from, func(s string) (featurestore.Instant, error) { return parseLayout(s, spec) })
	case definition.FormatUnixS:
		return unixTimes(from, featurestore.Second)
	case definition.FormatUnixMS:
		return unixTimes(from, featurestore.Millisecond)
	case definition.FormatUnixUS:
		return unixTimes(from, featurestore.Microsecond)
	}
	return nil, fmt.Errorf("is %s, not a timestamp", from.Native)
}

func textTimes(from Field, parse func(string) (featurestore.Instant, error)) (Cast, error) {
	if from.Type.Kind != featurestore.KindString {
		return nil, fmt.Errorf("is %s, not the text of a time", from.Native)
	}
	return func(v featurestore.Value) (featurestore.Value, error) {
		if v.IsNull() {
			return v, nil
		}
		t, err := parse(v.Str())
		return featurestore.TimestampValue(t), err
	}, nil
}

func parseLayout(s string, spec *definition.TimeSpec) (featurestore.Instant, error) {
	zone := spec.Zone
	if strings.Contains(spec.Layout, "Z07") || strings.Contains(spec.Layout, "-07") {
		zone = time.UTC // the text has its own offset
	}
	if zone == nil {
		return 0, fmt.Errorf("%q: %w", s, featurestore.ErrNoZone)
	}
	t, err := time.ParseInLocation(spec.Layout, s, zone)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time of layout %q", s, spec.Layout)
	}
	if t.Nanosecond()%1000 != 0 {
		return 0, fmt.Errorf("%q: more than 6 fraction digits", s)
	}
	return featurestore.InstantOf(t), nil
}

func unixTimes(from Field, unit featurestore.Duration) (Cast, error) {
	if from.Type.Kind != featurestore.KindInt64 && !from.Text {
		return nil, fmt.Errorf("is %s, not whole numbers of %s since 1970", from.Native, unit)
	}
	return func(v featurestore.Value) (featurestore.Value, error) {
		if v.IsNull() {
			return v, nil
		}
		n := v.Int64()
		if from.Text {
			var err error
			if n, err = strconv.ParseInt(v.Str(), 10, 64); err != nil {
				return featurestore.Null, fmt.Errorf("%q is not a whole number", v.Str())
			}
		}
		if n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit) {
			return featurestore.Null, fmt.Errorf("time %d is out of range", n)
		}
		return inRange(featurestore.Instant(n * int64(unit)))
	}, nil
}

func inRange(t featurestore.Instant) (featurestore.Value, error) {
	if t < featurestore.MinInstant || t > featurestore.MaxInstant {
		return featurestore.Null, fmt.Errorf("%d us is not a time between the years 1 and 9999", int64(t))
	}
	return featurestore.TimestampValue(t), nil
}
