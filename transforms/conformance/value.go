package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/freshet/freshet/featurestore"
)

// parseValue reads a JSON value of vectors.json: null, true, false, a number,
// or a text that holds the value exactly. "NaN" is a typed double that is no
// number, which every path treats as null.
func parseValue(raw json.RawMessage, t featurestore.Type) (featurestore.Value, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return featurestore.Null, nil
	}
	return parseText(literal(raw), t)
}

// literal is the text of a JSON scalar, without the quotes of a string.
func literal(raw json.RawMessage) string {
	var s string
	if bytes.HasPrefix(raw, []byte{'"'}) && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func parseText(s string, t featurestore.Type) (featurestore.Value, error) {
	switch t.Kind {
	case featurestore.KindBool:
		b, err := strconv.ParseBool(s)
		return featurestore.BoolValue(b), err
	case featurestore.KindInt64:
		n, err := strconv.ParseInt(s, 10, 64)
		return featurestore.Int64Value(n), err
	case featurestore.KindDouble:
		f, err := strconv.ParseFloat(s, 64)
		return featurestore.DoubleValue(f), err
	case featurestore.KindDecimal:
		n, err := featurestore.ParseDecimal(s, t.Precision, t.Scale)
		return featurestore.DecimalValue(n), err
	case featurestore.KindString:
		return featurestore.StringValue(s), nil
	case featurestore.KindBytes:
		return featurestore.BytesValue(s), nil
	case featurestore.KindTimestamp:
		n, err := strconv.ParseInt(s, 10, 64)
		return featurestore.TimestampValue(featurestore.Instant(n)), err
	}
	return featurestore.Null, fmt.Errorf("no literals of type %s", t)
}

// wireValue is a field as a JSON record carries it. JSON has no NaN: such a
// value goes as null.
func wireValue(raw json.RawMessage, t featurestore.Type) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	text := literal(raw)
	switch {
	case text == "NaN":
		return json.RawMessage("null")
	case t.Kind == featurestore.KindInt64 || t.Kind == featurestore.KindDouble:
		return json.RawMessage(text)
	}
	return raw
}

func parseType(s string) (featurestore.Type, error) { return featurestore.ParseType(s) }

func parseDuration(s string) (featurestore.Duration, error) {
	if s == "" {
		return 0, nil
	}
	return featurestore.ParseDuration(s)
}
