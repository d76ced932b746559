package decode

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// timeReader reads instants of one declared form.
type timeReader struct {
	format definition.TimeFormat
	layout string
	zone   *time.Location

	// The date of the last time in the usual form of RFC 3339: a stream's events
	// mostly share it.
	date    [10]byte
	dated   bool
	seconds int64 // from 1970
}

// isText reports whether the form is text, not a number.
func (r *timeReader) isText() bool {
	return r.format == definition.FormatRFC3339 || r.format == definition.FormatLayout
}

// text reads an instant from text: a JSON string, or a header.
func (r *timeReader) text(b []byte) (featurestore.Instant, error) {
	if r.format == definition.FormatLayout {
		return r.byLayout(string(b))
	}
	if t, ok := r.fast(b); ok {
		return inRange(t)
	}
	if bytes.IndexByte(b, ',') >= 0 { // which the standard library takes for a dot
		return 0, errors.New("it is not an RFC 3339 time")
	}
	t, err := featurestore.ParseInstantIn(string(b), r.zone)
	if err != nil {
		return 0, err
	}
	return inRange(t)
}

func (r *timeReader) byLayout(s string) (featurestore.Instant, error) {
	t, err := time.Parse(r.layout, s)
	if err != nil {
		return 0, errors.New("it does not match the declared layout")
	}
	if t.Nanosecond()%1000 != 0 {
		return 0, errors.New("more than 6 fraction digits")
	}
	if !hasZone(r.layout) {
		if r.zone == nil {
			return 0, featurestore.ErrNoZone
		}
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), r.zone)
	}
	return inRange(featurestore.InstantOf(t))
}

// hasZone reports whether a Go layout writes an offset: two instants an hour of
// offset apart then differ in text though their local times are the same.
func hasZone(layout string) bool {
	local := time.Date(2006, 1, 2, 15, 4, 5, 0, time.FixedZone("", 3600))
	other := time.Date(2006, 1, 2, 15, 4, 5, 0, time.FixedZone("", 7200))
	return local.Format(layout) != other.Format(layout)
}

// number reads an instant from a number's text: a count of the declared unit,
// with a fraction down to the microsecond.
func (r *timeReader) number(b []byte) (featurestore.Instant, error) {
	n, err := parseDecimal(b, featurestore.MaxDecimalPrecision, r.digits())
	if err != nil {
		return 0, errors.New("it is not a count of the declared unit, exact to the microsecond")
	}
	return inRange(featurestore.Instant(n))
}

// isNative reports whether only a timestamp type of the format itself is taken.
func (r *timeReader) isNative() bool { return r.format == definition.FormatNative }

// digits is how many digits of the declared unit make a microsecond.
func (r *timeReader) digits() int {
	switch r.format {
	case definition.FormatUnixS:
		return 6
	case definition.FormatUnixMS:
		return 3
	}
	return 0
}

func inRange(t featurestore.Instant) (featurestore.Instant, error) {
	if t < featurestore.MinInstant || t > featurestore.MaxInstant {
		return 0, errors.New("it is outside the years 0001 to 9999")
	}
	return t, nil
}

// fast reads the usual form, 2013-01-01T05:17:00[.123456](Z|+hh:mm). Anything
// else, right or wrong, is left to featurestore.ParseInstantIn.
func (r *timeReader) fast(b []byte) (featurestore.Instant, bool) {
	if len(b) < 20 {
		return 0, false
	}
	if date := [10]byte(b); date != r.date || !r.dated {
		seconds, ok := fastDate(date)
		if !ok {
			return 0, false
		}
		r.date, r.dated, r.seconds = date, true, seconds
	}
	micros, ok := fastClock(b[10:])
	return featurestore.Instant(r.seconds*1_000_000 + micros), ok
}

// fastDate gives the seconds from 1970 to a date.
func fastDate(d [10]byte) (seconds int64, ok bool) {
	year := two(d[0], d[1])*100 + two(d[2], d[3])
	month, day := two(d[5], d[6]), two(d[8], d[9])
	if d[4] != '-' || d[7] != '-' || year|month|day < 0 || year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	return int64(daysSince1970(year, month, day)) * 86400, true
}

// fastClock gives the microseconds from midnight in UTC of a date to T05:17:00
// and what follows.
func fastClock(b []byte) (micros int64, ok bool) {
	if len(b) < 10 || b[0] != 'T' || b[3] != ':' || b[6] != ':' {
		return 0, false
	}
	hour, minute, second := two(b[1], b[2]), two(b[4], b[5]), two(b[7], b[8])
	if hour|minute|second < 0 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	part, rest, ok := fraction(b[9:])
	if !ok {
		return 0, false
	}
	offset, ok := zoneOffset(rest)
	return int64(hour*3600+minute*60+second-offset)*1_000_000 + int64(part), ok
}

// two reads two digits; a value below -1000 for anything else, so that sums and
// ors of several keep the sign.
func two(x, y byte) int {
	x, y = x-'0', y-'0'
	if x > 9 || y > 9 {
		return -1 << 20
	}
	return int(x)*10 + int(y)
}

// fraction reads an optional dot and 1 to 6 digits.
func fraction(b []byte) (micros int, rest []byte, ok bool) {
	if b[0] != '.' {
		return 0, b, true
	}
	i := 1
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		if i > 6 {
			return 0, nil, false
		}
		micros = micros*10 + int(b[i]-'0')
	}
	if i == 1 || i == len(b) {
		return 0, nil, false
	}
	for j := i; j <= 6; j++ {
		micros *= 10
	}
	return micros, b[i:], true
}

// zoneOffset reads Z or an offset, in seconds.
func zoneOffset(b []byte) (int, bool) {
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != 6 || b[3] != ':' || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, m := two(b[1], b[2]), two(b[4], b[5])
	if h|m < 0 || h > 23 || m > 59 {
		return 0, false
	}
	if b[0] == '-' {
		return -(h*3600 + m*60), true
	}
	return h*3600 + m*60, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 counts days of the proleptic Gregorian calendar (the
// days_from_civil algorithm: years begin in March, eras are 400 years).
func daysSince1970(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	ofEra := year - era*400
	ofYear := (153*(month-3)+2)/5 + day - 1
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468
}

// appendRFC3339 writes an instant in UTC with as many fraction digits as needed.
func appendRFC3339(dst []byte, t featurestore.Instant) []byte {
	return t.Time().AppendFormat(dst, "2006-01-02T15:04:05.999999Z07:00")
}

// timeError gives a failed instant its code and message.
func timeError(field string, raw []byte, pii bool, err error) *Error {
	code := CodeTime
	if errors.Is(err, featurestore.ErrNoZone) {
		code, err = CodeTimeNoZone, featurestore.ErrNoZone
	} else if pii {
		err = errors.New("it is not a time of the declared format")
	}
	return &Error{Code: code, Field: field, Message: fmt.Sprintf("%s is not a time: %v", shown(raw, pii), err)}
}
