package predictions

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// AppendJSON writes a value as answers do: int64 as bare numbers, doubles with a
// fraction or an exponent, bytes as base64, instants and decimals as texts.
func AppendJSON(b []byte, v featurestore.Value, t featurestore.Type) []byte {
	switch v.Kind() {
	case featurestore.KindNull:
		return append(b, "null"...)
	case featurestore.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case featurestore.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case featurestore.KindDouble:
		text := strconv.FormatFloat(v.Double(), 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return append(b, text...)
	case featurestore.KindList:
		b = append(b, '[')
		for i, e := range v.Elems() {
			b = AppendJSON(comma(b, i), e, elem(t))
		}
		return append(b, ']')
	case featurestore.KindMap:
		b = append(b, '{')
		for i, e := range v.Elems() {
			b = append(appendText(comma(b, i), v.Keys()[i]), ':')
			b = AppendJSON(b, e, elem(t))
		}
		return append(b, '}')
	default: // texts; bytes, instants and decimals as texts
		return appendText(b, v.Text(t))
	}
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func elem(t featurestore.Type) featurestore.Type {
	if t.Elem == nil {
		return featurestore.Type{}
	}
	return *t.Elem
}

func appendText(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("predictions: a text does not encode: %v", err)) // texts always do
	}
	return append(b, text...)
}

// parseJSON reads what AppendJSON wrote of a list or a map.
func parseJSON(text string, t featurestore.Type) (featurestore.Value, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return featurestore.Null, err
	}
	return valueOf(v, t)
}

func valueOf(v any, t featurestore.Type) (featurestore.Value, error) {
	switch v := v.(type) {
	case nil:
		return featurestore.Null, nil
	case bool:
		if t.Kind == featurestore.KindBool {
			return featurestore.BoolValue(v), nil
		}
	case json.Number:
		return numberOf(v.String(), t)
	case string:
		return textOf(v, t)
	case []any:
		if t.Kind == featurestore.KindList {
			elems, err := valuesOf(v, elem(t))
			return featurestore.ListValue(elems), err
		}
	case map[string]any:
		if t.Kind == featurestore.KindMap {
			return mapOf(v, t)
		}
	}
	return featurestore.Null, fmt.Errorf("%v is not %s", v, t)
}

func valuesOf(in []any, t featurestore.Type) ([]featurestore.Value, error) {
	out := make([]featurestore.Value, len(in))
	var err error
	for i, e := range in {
		if out[i], err = valueOf(e, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func mapOf(in map[string]any, t featurestore.Type) (featurestore.Value, error) {
	keys := make([]string, 0, len(in))
	for k := range in {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	elems := make([]any, len(keys))
	for i, k := range keys {
		elems[i] = in[k]
	}
	values, err := valuesOf(elems, elem(t))
	return featurestore.MapValue(keys, values), err
}

func numberOf(text string, t featurestore.Type) (featurestore.Value, error) {
	switch t.Kind {
	case featurestore.KindInt64:
		n, err := strconv.ParseInt(text, 10, 64)
		return featurestore.Int64Value(n), err
	case featurestore.KindDouble:
		f, err := strconv.ParseFloat(text, 64)
		return featurestore.DoubleValue(f), err
	}
	return featurestore.Null, fmt.Errorf("the number %s is not %s", text, t)
}

func textOf(text string, t featurestore.Type) (featurestore.Value, error) {
	switch t.Kind {
	case featurestore.KindString:
		return featurestore.StringValue(text), nil
	case featurestore.KindBytes:
		b, err := base64.StdEncoding.DecodeString(text)
		return featurestore.BytesValue(string(b)), err
	case featurestore.KindTimestamp:
		at, err := featurestore.ParseInstant(text)
		return featurestore.TimestampValue(at), err
	case featurestore.KindDecimal:
		n, err := featurestore.ParseDecimal(text, t.Precision, t.Scale)
		return featurestore.DecimalValue(n), err
	}
	return featurestore.Null, fmt.Errorf("the text %q is not %s", text, t)
}
