package decode

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/schema"
)

// cells makes values of what stands on the wire of formats with a schema, by the
// rules of package schema.
type cells struct {
	text  *text
	times *timeReader
}

// bad says why a value is not of a field's type.
func bad(s *slot, t *featurestore.Type, what string, err error) *Error {
	if s.pii {
		what = "the value (hidden: pii)"
	}
	if err == nil {
		return &Error{Code: CodeType, Field: s.name, Message: fmt.Sprintf("%s is not of type %s", what, t)}
	}
	return &Error{Code: CodeType, Field: s.name, Message: fmt.Sprintf("%s is not of type %s: %v", what, t, err)}
}

// badTime is bad for times.
func badTime(s *slot, what string, err error) *Error {
	return timeError(s.name, []byte(what), s.pii, err)
}

// integer makes a value of a number: a count, a decimal of scale 0, or a time.
func (c *cells) integer(s *slot, t *featurestore.Type, from schema.Shape, n int64) (featurestore.Value, *Error) {
	switch t.Kind {
	case featurestore.KindInt64:
		if from.Kind == schema.Integer || from.Kind == schema.Enum && from.Numbered {
			return featurestore.Int64Value(n), nil
		}
	case featurestore.KindDouble:
		if from.Kind == schema.Integer {
			if n > 1<<53 || n < -1<<53 {
				return featurestore.Null, bad(s, t, fmt.Sprint(n), errors.New("it is not exact as a double"))
			}
			return featurestore.DoubleValue(float64(n)), nil
		}
	case featurestore.KindDecimal:
		if from.Kind == schema.Integer {
			unscaled, err := scaled(n, t.Precision, t.Scale)
			if err != nil {
				return featurestore.Null, bad(s, t, fmt.Sprint(n), err)
			}
			return featurestore.DecimalValue(unscaled), nil
		}
	case featurestore.KindTimestamp:
		at, err := c.instant(from, n)
		if err != nil {
			return featurestore.Null, badTime(s, fmt.Sprint(n), err)
		}
		return featurestore.TimestampValue(at), nil
	}
	return featurestore.Null, bad(s, t, fmt.Sprint(n), errors.New("it is "+from.Kind.String()))
}

// unsigned makes a value of a number that may lie beyond int64.
func (c *cells) unsigned(s *slot, t *featurestore.Type, n uint64) (featurestore.Value, *Error) {
	if n > math.MaxInt64 {
		return featurestore.Null, bad(s, t, fmt.Sprint(n), errRange)
	}
	return c.integer(s, t, schema.Shape{Kind: schema.Integer}, int64(n))
}

// instant makes a time of a number.
func (c *cells) instant(from schema.Shape, n int64) (featurestore.Instant, error) {
	switch from.Kind {
	case schema.Integer:
		return c.times.count(n)
	case schema.Instant:
		return inUnit(n, from.Unit)
	case schema.Local:
		wall, err := inUnit(n, from.Unit)
		if err != nil {
			return 0, err
		}
		return c.times.local(wall)
	case schema.Date:
		if n > math.MaxInt32 || n < math.MinInt32 {
			return 0, errOutside
		}
		return c.times.local(featurestore.Instant(n * int64(featurestore.Day)))
	}
	return 0, errors.New("it is " + from.Kind.String())
}

var (
	errOutside     = errors.New("it is outside the years 0001 to 9999")
	errForm        = errors.New("it does not have the declared format")
	errHoldsNoTime = errors.New("a field of its type holds no time")
)

func inUnit(n int64, u schema.Unit) (featurestore.Instant, error) {
	switch u {
	case schema.Millis:
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, errOutside
		}
		n *= 1000
	case schema.Nanos:
		if n%1000 != 0 {
			return 0, errors.New("more than 6 fraction digits")
		}
		n /= 1000
	}
	return inRange(featurestore.Instant(n))
}

// count makes a time of a number of the declared unit.
func (r *timeReader) count(n int64) (featurestore.Instant, error) {
	if r.isText() || r.isNative() {
		return 0, errForm
	}
	unit := int64(1)
	for range r.digits() {
		unit *= 10
	}
	if n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, errOutside
	}
	return inRange(featurestore.Instant(n * unit))
}

// local gives the instant at which clocks of the declared zone show a time.
func (r *timeReader) local(wall featurestore.Instant) (featurestore.Instant, error) {
	if r.zone == nil {
		return 0, featurestore.ErrNoZone
	}
	w, err := inRange(wall)
	if err != nil {
		return 0, err
	}
	t := w.Time()
	return inRange(featurestore.InstantOf(time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), r.zone)))
}

// double makes a value of a floating point number; NaN and the infinities are
// null and counted.
func (c *cells) double(s *slot, t *featurestore.Type, f float64) (featurestore.Value, *Error) {
	if t.Kind != featurestore.KindDouble {
		return featurestore.Null, bad(s, t, fmt.Sprint(f), errors.New("it is a floating point number"))
	}
	return featurestore.DoubleValue(f), nil
}

func (c *cells) boolean(s *slot, t *featurestore.Type, b bool) (featurestore.Value, *Error) {
	if t.Kind != featurestore.KindBool {
		return featurestore.Null, bad(s, t, fmt.Sprint(b), errors.New("it is a boolean"))
	}
	return featurestore.BoolValue(b), nil
}

// bytes makes a value of text, bytes or a decimal.
func (c *cells) bytes(s *slot, t *featurestore.Type, from schema.Shape, b []byte) (featurestore.Value, *Error) {
	switch {
	case from.Kind == schema.Bytes && t.Kind == featurestore.KindBytes:
		return featurestore.BytesValue(c.text.put(b)), nil
	case from.Kind == schema.Decimal && t.Kind == featurestore.KindDecimal:
		n, err := unscaledOf(b)
		if err == nil {
			n, err = rescaled(n, t.Precision, t.Scale-from.Scale)
		}
		if err != nil {
			return featurestore.Null, bad(s, t, "the decimal", err)
		}
		return featurestore.DecimalValue(n), nil
	case from.Kind == schema.Text || from.Kind == schema.Enum:
		return c.fromText(s, t, b)
	}
	return featurestore.Null, bad(s, t, "the value", errors.New("it is "+from.Kind.String()))
}

// fromText makes a value of text.
func (c *cells) fromText(s *slot, t *featurestore.Type, b []byte) (featurestore.Value, *Error) {
	if !utf8.Valid(b) {
		return featurestore.Null, &Error{Code: CodeUTF8, Field: s.name, Message: "the text is not valid UTF-8"}
	}
	switch t.Kind {
	case featurestore.KindString:
		return featurestore.StringValue(c.text.put(b)), nil
	case featurestore.KindDecimal:
		n, err := parseDecimal(b, t.Precision, t.Scale)
		if err != nil {
			return featurestore.Null, bad(s, t, shown(b, s.pii), err)
		}
		return featurestore.DecimalValue(n), nil
	case featurestore.KindTimestamp:
		if !c.times.isText() {
			return featurestore.Null, timeError(s.name, b, s.pii, errForm)
		}
		at, err := c.times.text(b)
		if err != nil {
			return featurestore.Null, timeError(s.name, b, s.pii, err)
		}
		return featurestore.TimestampValue(at), nil
	}
	return featurestore.Null, bad(s, t, shown(b, s.pii), errors.New("it is text"))
}

// unscaledOf reads a big-endian two's complement integer that fits an int64.
func unscaledOf(b []byte) (int64, error) {
	for len(b) > 8 { // leading bytes of the sign alone
		if b[0] != 0 && b[0] != 0xff || b[0]>>7 != b[1]>>7 {
			return 0, errRange
		}
		b = b[1:]
	}
	n := int64(0)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n = -1
	}
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n, nil
}

// rescaled multiplies by a power of ten, exactly.
func rescaled(n int64, precision, by int) (int64, error) {
	for ; by < 0 && n != 0; by++ {
		if n%10 != 0 {
			return 0, errNotDecimal
		}
		n /= 10
	}
	return scaled(n, precision, max(by, 0))
}

// scaled is n x 10^scale within a precision.
func scaled(n int64, precision, scale int) (int64, error) {
	limit := int64(1)
	for range precision {
		limit *= 10
	}
	for ; scale > 0 && n != 0; scale-- {
		if n >= limit || n <= -limit {
			return 0, errRange
		}
		n *= 10
	}
	if n >= limit || n <= -limit {
		return 0, errRange
	}
	return n, nil
}

// when gives the event time that a value of the timestamp's field says.
func (c *cells) when(s *slot, v featurestore.Value) (featurestore.Instant, *Error) {
	var t featurestore.Instant
	err := errHoldsNoTime
	switch v.Kind() {
	case featurestore.KindTimestamp:
		return v.Timestamp(), nil
	case featurestore.KindString:
		if err = errForm; c.times.isText() {
			t, err = c.times.text([]byte(v.Str()))
		}
	case featurestore.KindInt64:
		t, err = c.times.count(v.Int64())
	}
	if err != nil {
		return 0, badTime(s, v.Text(s.typ), err)
	}
	return t, nil
}
