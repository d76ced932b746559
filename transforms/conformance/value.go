package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/freshet/freshet/featurestore"
)

// parseValue reads a JSON value of vectors.json: null, true, false, a number, a
// text that holds the value exactly, an array for a list, an object for a map.
// "NaN" is a typed double that is no number, which every path treats as null.
func parseValue(raw json.RawMessage, t featurestore.Type) (featurestore.Value, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return featurestore.Null, nil
	}
	switch t.Kind {
	case featurestore.KindList:
		return parseList(raw, *t.Elem)
	case featurestore.KindMap:
		return parseMap(raw, *t.Elem)
	}
	return parseText(literal(raw), t)
}

func parseList(raw json.RawMessage, elem featurestore.Type) (featurestore.Value, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return featurestore.Null, err
	}
	var values []featurestore.Value
	for i := range list {
		v, err := parseValue(list[i], elem)
		if err != nil {
			return featurestore.Null, fmt.Errorf("element %d: %w", i, err)
		}
		values = append(values, v)
	}
	return featurestore.ListValue(values), nil
}

func parseMap(raw json.RawMessage, elem featurestore.Type) (featurestore.Value, error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return featurestore.Null, err
	}
	keys := slices.Sorted(maps.Keys(entries))
	var values []featurestore.Value
	for _, k := range keys {
		v, err := parseValue(entries[k], elem)
		if err != nil {
			return featurestore.Null, fmt.Errorf("key %q: %w", k, err)
		}
		values = append(values, v)
	}
	return featurestore.MapValue(keys, values), nil
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
		b, err := base64.StdEncoding.DecodeString(s)
		return featurestore.BytesValue(string(b)), err
	case featurestore.KindTimestamp:
		n, err := strconv.ParseInt(s, 10, 64)
		return featurestore.TimestampValue(featurestore.Instant(n)), err
	}
	return featurestore.Null, fmt.Errorf("no literals of type %s", t)
}

func parseType(s string) (featurestore.Type, error) { return featurestore.ParseType(s) }

func parseDuration(s string) (featurestore.Duration, error) {
	if s == "" {
		return 0, nil
	}
	return featurestore.ParseDuration(s)
}
