package frame

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// Cast turns a value of one column into a declared type; null stays null.
type Cast func(featurestore.Value) (featurestore.Value, error)

// maxExactInt is the largest integer below which every integer is a double.
const maxExactInt = 1 << 53

// Into says how a column is read as a declared type: the same type, an integer
// as a double or decimal, a narrower decimal as a wider one, text as a timestamp
// (RFC 3339), and the text of a file without types as anything (lists and maps
// as JSON); a list or a map by its parts. zone is that of timestamps without
// one; nil refuses them. Nothing is rounded or cut. The error says what the
// column is.
func Into(from Field, to featurestore.Type, zone *time.Location) (Cast, error) {
	if from.Text {
		return fromText(to, zone)
	}
	switch {
	case to.Elem != nil && from.Type.Kind == to.Kind:
		return parts(from, to, zone)
	case from.Type.Kind == featurestore.KindTimestamp && to.Kind == featurestore.KindTimestamp:
		return zoned(from, zone)
	case from.Type.Kind == featurestore.KindString && to.Kind == featurestore.KindTimestamp:
		return fromText(to, zone)
	case from.Type.Kind == featurestore.KindDecimal && to.Kind == featurestore.KindDecimal:
		return fromDecimal(from.Type, to)
	case from.Type.Equal(to) && from.Type.Kind != featurestore.KindNull:
		return same, nil
	case from.Type.Kind == featurestore.KindInt64 && to.Kind == featurestore.KindDouble:
		return intToDouble, nil
	case from.Type.Kind == featurestore.KindInt64 && to.Kind == featurestore.KindDecimal:
		return fromDecimal(featurestore.Decimal(featurestore.MaxDecimalPrecision, 0), to)
	}
	return nil, fmt.Errorf("is %s, not %s", from.Native, to)
}

// parts reads a list as a list and a map as a map: each part by its own cast.
func parts(from Field, to featurestore.Type, zone *time.Location) (Cast, error) {
	if from.Type.Equal(to) && !from.Zoneless {
		return same, nil
	}
	elem := from
	elem.Type = *from.Type.Elem
	cast, err := Into(elem, *to.Elem, zone)
	if err != nil {
		return nil, err
	}
	return func(v featurestore.Value) (featurestore.Value, error) {
		if v.IsNull() {
			return v, nil
		}
		out := make([]featurestore.Value, len(v.Elems()))
		for i, e := range v.Elems() {
			part, err := cast(e)
			if err != nil {
				return featurestore.Null, err
			}
			out[i] = part
		}
		if to.Kind == featurestore.KindMap {
			return featurestore.MapValue(v.Keys(), out), nil
		}
		return featurestore.ListValue(out), nil
	}, nil
}

func same(v featurestore.Value) (featurestore.Value, error) { return v, nil }

func intToDouble(v featurestore.Value) (featurestore.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	n := v.Int64()
	if n > maxExactInt || n < -maxExactInt {
		return featurestore.Null, fmt.Errorf("%d has no exact double", n)
	}
	return featurestore.DoubleValue(float64(n)), nil
}

func fromDecimal(from, to featurestore.Type) (Cast, error) {
	if from.Scale > to.Scale {
		return nil, fmt.Errorf("is %s, whose fraction %s cannot hold", from, to)
	}
	return func(v featurestore.Value) (featurestore.Value, error) {
		if v.IsNull() {
			return v, nil
		}
		n, err := featurestore.ParseDecimal(featurestore.FormatDecimal(v.Int64(), from.Scale), to.Precision, to.Scale)
		return featurestore.DecimalValue(n), err
	}, nil
}

// zoned reads a timestamp column; wall times get the zone.
func zoned(from Field, zone *time.Location) (Cast, error) {
	if !from.Zoneless {
		return same, nil
	}
	if zone == nil {
		return nil, fmt.Errorf("is %s: %w", from.Native, featurestore.ErrNoZone)
	}
	return func(v featurestore.Value) (featurestore.Value, error) {
		if v.IsNull() {
			return v, nil
		}
		return featurestore.TimestampValue(InZone(v.Timestamp(), zone)), nil
	}, nil
}

// InZone takes an instant whose UTC reading is a wall time of a zone to the
// instant that the wall time means there.
func InZone(wall featurestore.Instant, zone *time.Location) featurestore.Instant {
	t := wall.Time()
	return featurestore.InstantOf(time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone))
}

// fromText parses the characters of a file without types.
func fromText(to featurestore.Type, zone *time.Location) (Cast, error) {
	parse := textParser(to, zone)
	if parse == nil {
		return nil, fmt.Errorf("is text, which cannot be read as %s", to)
	}
	return func(v featurestore.Value) (featurestore.Value, error) {
		if v.IsNull() {
			return v, nil
		}
		return parse(v.Str())
	}, nil
}

func textParser(to featurestore.Type, zone *time.Location) func(string) (featurestore.Value, error) {
	switch to.Kind {
	case featurestore.KindString:
		return func(s string) (featurestore.Value, error) { return featurestore.StringValue(s), nil }
	case featurestore.KindBool:
		return parseBool
	case featurestore.KindInt64:
		return parseInt
	case featurestore.KindDouble:
		return parseDouble
	case featurestore.KindBytes:
		return parseBytes
	case featurestore.KindTimestamp:
		return func(s string) (featurestore.Value, error) {
			t, err := featurestore.ParseInstantIn(s, zone)
			return featurestore.TimestampValue(t), err
		}
	case featurestore.KindDecimal:
		return func(s string) (featurestore.Value, error) {
			n, err := featurestore.ParseDecimal(s, to.Precision, to.Scale)
			return featurestore.DecimalValue(n), err
		}
	case featurestore.KindList, featurestore.KindMap:
		return func(s string) (featurestore.Value, error) { return featurestore.ParseJSON(s, to) }
	}
	return nil
}

func parseBool(s string) (featurestore.Value, error) {
	if s != "true" && s != "false" {
		return featurestore.Null, fmt.Errorf("%q is not a bool: write true or false", s)
	}
	return featurestore.BoolValue(s == "true"), nil
}

func parseInt(s string) (featurestore.Value, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return featurestore.Null, fmt.Errorf("%q is not an int64", s)
	}
	return featurestore.Int64Value(n), nil
}

func parseDouble(s string) (featurestore.Value, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return featurestore.Null, fmt.Errorf("%q is not a double", s)
	}
	return featurestore.DoubleValue(f), nil
}

func parseBytes(s string) (featurestore.Value, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return featurestore.Null, fmt.Errorf("%q is not base64", s)
	}
	return featurestore.BytesValue(string(b)), nil
}
