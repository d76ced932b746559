package featurestore

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// AppendJSON writes a value as JSON from which ParseJSON gives the same bits
// again: int64 as bare numbers, doubles with a fraction or an exponent, bytes as
// base64, instants and decimals as texts; lists and maps of these, with null
// where a part is null and the keys of a map ascending. Bytes of a text that are
// no UTF-8 become U+FFFD, since JSON has no other.
func AppendJSON(b []byte, v Value, t Type) []byte {
	switch v.Kind() {
	case KindNull:
		return append(b, "null"...)
	case KindBool:
		return strconv.AppendBool(b, v.Bool())
	case KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case KindDouble:
		text := strconv.FormatFloat(v.Double(), 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return append(b, text...)
	case KindList, KindMap:
		return appendParts(b, v, t)
	default: // texts; bytes, instants and decimals as texts
		return appendJSONText(b, v.Text(t))
	}
}

func appendParts(b []byte, v Value, t Type) []byte {
	open, end := byte('['), byte(']')
	if v.Kind() == KindMap {
		open, end = '{', '}'
	}
	var elem Type
	if t.Elem != nil {
		elem = *t.Elem
	}
	b = append(b, open)
	for i, e := range v.Elems() {
		if i > 0 {
			b = append(b, ',')
		}
		if v.Kind() == KindMap {
			b = append(appendJSONText(b, v.Keys()[i]), ':')
		}
		b = AppendJSON(b, e, elem)
	}
	return append(b, end)
}

func appendJSONText(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("featurestore: a text does not encode: %v", err)) // texts always do
	}
	return append(b, text...)
}

// ParseJSON reads a value of type t. It takes what AppendJSON writes, any JSON
// spelling of it, the keys of a map in any order, and decimals as numbers too;
// nothing is rounded, but doubles as JSON's numbers are.
func ParseJSON(text string, t Type) (Value, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := parseJSON(d, t)
	if err != nil {
		return Null, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Null, fmt.Errorf("something follows the %s", t)
	}
	return v, nil
}

func parseJSON(d *json.Decoder, t Type) (Value, error) {
	token, err := d.Token()
	if err != nil {
		return Null, notJSON(err)
	}
	switch token := token.(type) {
	case nil:
		return Null, nil
	case bool:
		if t.Kind == KindBool {
			return BoolValue(token), nil
		}
	case json.Number:
		return numberOf(token.String(), t)
	case string:
		return textOf(token, t)
	case json.Delim:
		switch {
		case token == '[' && t.Kind == KindList:
			return parseList(d, t)
		case token == '{' && t.Kind == KindMap:
			return parseMap(d, t)
		}
	}
	return Null, fmt.Errorf("%v is not %s", token, t)
}

func parseList(d *json.Decoder, t Type) (Value, error) {
	elems := []Value{}
	for d.More() {
		e, err := parseJSON(d, *t.Elem)
		if err != nil {
			return Null, err
		}
		elems = append(elems, e)
	}
	return ListValue(elems), endOf(d)
}

func parseMap(d *json.Decoder, t Type) (Value, error) {
	keys, values := []string{}, []Value{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return Null, notJSON(err)
		}
		key, _ := token.(string) // JSON has no other
		e, err := parseJSON(d, *t.Elem)
		if err != nil {
			return Null, err
		}
		keys, values = append(keys, key), append(values, e)
	}
	if err := endOf(d); err != nil {
		return Null, err
	}
	return MapOf(keys, values)
}

// endOf takes the bracket that ends a list or a map.
func endOf(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return notJSON(err)
	}
	return nil
}

func notJSON(err error) error { return fmt.Errorf("it is not JSON: %w", err) }

func numberOf(text string, t Type) (Value, error) {
	switch t.Kind {
	case KindInt64:
		n, err := strconv.ParseInt(text, 10, 64)
		return Int64Value(n), err
	case KindDouble:
		f, err := strconv.ParseFloat(text, 64)
		return DoubleValue(f), err
	case KindDecimal:
		n, err := ParseDecimal(text, t.Precision, t.Scale)
		return DecimalValue(n), err
	}
	return Null, fmt.Errorf("the number %s is not %s", text, t)
}

func textOf(text string, t Type) (Value, error) {
	switch t.Kind {
	case KindString:
		return StringValue(text), nil
	case KindBytes:
		b, err := base64.StdEncoding.DecodeString(text)
		return BytesValue(string(b)), err
	case KindTimestamp:
		at, err := ParseInstant(text)
		return TimestampValue(at), err
	case KindDecimal:
		n, err := ParseDecimal(text, t.Precision, t.Scale)
		return DecimalValue(n), err
	}
	return Null, fmt.Errorf("the text %q is not %s", text, t)
}
