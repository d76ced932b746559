package rpc

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/freshet/freshet/featurestore"
)

// jsonValue reads one value as a declared type; nothing is converted.
func jsonValue(v *fastjson.Value, t featurestore.Type) (featurestore.Value, error) {
	wrong := func() (featurestore.Value, error) {
		return featurestore.Null, fmt.Errorf("must be %s, is %s %s", t, v.Type(), clip(v.String()))
	}
	switch v.Type() {
	case fastjson.TypeNull:
		return featurestore.Null, nil
	case fastjson.TypeTrue, fastjson.TypeFalse:
		if t.Kind != featurestore.KindBool {
			return wrong()
		}
		return featurestore.BoolValue(v.Type() == fastjson.TypeTrue), nil
	case fastjson.TypeNumber:
		return numberValue(v.String(), t)
	case fastjson.TypeString:
		return textValue(string(v.GetStringBytes()), t)
	case fastjson.TypeArray:
		if t.Kind == featurestore.KindList {
			return listValue(v.GetArray(), *t.Elem)
		}
	case fastjson.TypeObject:
		if t.Kind == featurestore.KindMap {
			return mapValue(v.GetObject(), *t.Elem)
		}
	}
	return wrong()
}

func listValue(list []*fastjson.Value, t featurestore.Type) (featurestore.Value, error) {
	elems := make([]featurestore.Value, len(list))
	for i, e := range list {
		var err error
		if elems[i], err = jsonValue(e, t); err != nil {
			return featurestore.Null, fmt.Errorf("element %d %w", i, err)
		}
	}
	return featurestore.ListValue(elems), nil
}

// mapValue reads an object, whose keys may come in any order.
func mapValue(o *fastjson.Object, t featurestore.Type) (featurestore.Value, error) {
	var keys []string
	var values []featurestore.Value
	var err error
	o.Visit(func(k []byte, e *fastjson.Value) {
		part, wrong := jsonValue(e, t)
		if wrong != nil && err == nil {
			err = fmt.Errorf("key %q %w", clip(string(k)), wrong)
		}
		keys, values = append(keys, string(k)), append(values, part)
	})
	if err != nil {
		return featurestore.Null, err
	}
	return featurestore.MapOf(keys, values)
}

func numberValue(text string, t featurestore.Type) (featurestore.Value, error) {
	switch t.Kind {
	case featurestore.KindInt64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return featurestore.Null, fmt.Errorf("must be int64, is %s", clip(text))
		}
		return featurestore.Int64Value(n), nil
	case featurestore.KindDouble:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return featurestore.Null, fmt.Errorf("%s is out of the range of double", clip(text))
		}
		return featurestore.DoubleValue(f), nil
	case featurestore.KindDecimal:
		n, err := featurestore.ParseDecimal(text, t.Precision, t.Scale)
		return featurestore.DecimalValue(n), err
	}
	return featurestore.Null, fmt.Errorf("must be %s, is the number %s", t, clip(text))
}

func textValue(text string, t featurestore.Type) (featurestore.Value, error) {
	switch t.Kind {
	case featurestore.KindString:
		return featurestore.StringValue(text), nil
	case featurestore.KindBytes:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return featurestore.Null, fmt.Errorf("is not base64: %w", err)
		}
		return featurestore.BytesValue(string(b)), nil
	case featurestore.KindTimestamp:
		at, err := featurestore.ParseInstant(text)
		return featurestore.TimestampValue(at), err
	case featurestore.KindDecimal:
		n, err := featurestore.ParseDecimal(text, t.Precision, t.Scale)
		return featurestore.DecimalValue(n), err
	}
	return featurestore.Null, fmt.Errorf("must be %s, is the text %q", t, clip(text))
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
