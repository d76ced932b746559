package archive

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/freshet/freshet/featurestore"
)

// AppendComposite appends the JSON text by which a list or map stands in a file:
// an array, or an object with its keys ascending. In it, doubles have their
// shortest form, decimals are numbers of the type's scale, bytes are base64 and
// timestamps RFC 3339 in UTC.
func AppendComposite(dst []byte, v featurestore.Value, t featurestore.Type) ([]byte, error) {
	if v.IsNull() {
		return append(dst, "null"...), nil
	}
	if v.Kind() != t.Kind {
		return dst, fmt.Errorf("a %s in place of a %s", v.Kind(), t)
	}
	switch v.Kind() {
	case featurestore.KindBool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case featurestore.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10), nil
	case featurestore.KindDouble:
		return strconv.AppendFloat(dst, v.Double(), 'g', -1, 64), nil
	case featurestore.KindDecimal:
		return append(dst, featurestore.FormatDecimal(v.Int64(), t.Scale)...), nil
	case featurestore.KindTimestamp:
		return append(v.Timestamp().Time().AppendFormat(append(dst, '"'), "2006-01-02T15:04:05.999999Z07:00"), '"'), nil
	case featurestore.KindBytes:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), []byte(v.Str())), '"'), nil
	case featurestore.KindList, featurestore.KindMap:
		return appendElements(dst, v, *t.Elem)
	}
	return appendString(dst, v.Str())
}

func appendElements(dst []byte, v featurestore.Value, elem featurestore.Type) (_ []byte, err error) {
	open, end := byte('['), byte(']')
	if v.Kind() == featurestore.KindMap {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	for i, x := range v.Elems() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v.Kind() == featurestore.KindMap {
			if dst, err = appendString(dst, v.Keys()[i]); err != nil {
				return dst, err
			}
			dst = append(dst, ':')
		}
		if dst, err = AppendComposite(dst, x, elem); err != nil {
			return dst, err
		}
	}
	return append(dst, end), nil
}

func appendString(dst []byte, s string) ([]byte, error) {
	b, err := json.Marshal(s)
	return append(dst, b...), err
}
