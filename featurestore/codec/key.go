package codec

import (
	"encoding/binary"
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// MaxKey is the greatest length of an entity key in bytes.
const MaxKey = 1024

// AppendKey appends an entity key: a typed, length-prefixed tuple, byte-exact,
// at most 1 KiB. A null or a value of another type is an error (ErrInvalid); dst
// is then returned as it was.
func AppendKey(dst []byte, types []featurestore.Type, values []featurestore.Value) ([]byte, error) {
	if len(values) != len(types) {
		return dst, featurestore.Invalidf("a key of %d values where the entity has %d", len(values), len(types))
	}
	start := len(dst)
	for i := range values {
		v := &values[i]
		switch {
		case v.IsNull():
			return dst[:start], featurestore.Invalidf("key %d is null", i+1)
		case v.Kind() != types[i].Kind:
			return dst[:start], featurestore.Invalidf("key %d has the type %s, not %s", i+1, v.Kind(), types[i])
		}
		dst = append(dst, byte(v.Kind()))
		switch v.Kind() {
		case featurestore.KindBool:
			dst = append(dst, 1, boolByte(v.Bool()))
		case featurestore.KindInt64, featurestore.KindTimestamp:
			at := len(dst)
			dst = binary.AppendVarint(append(dst, 0), v.Int64())
			dst[at] = byte(len(dst) - at - 1)
		case featurestore.KindString, featurestore.KindBytes:
			if n := len(v.Str()); n > MaxKey {
				return dst[:start], tooLong(n)
			}
			dst = binary.AppendUvarint(dst, uint64(len(v.Str())))
			dst = append(dst, v.Str()...)
		default:
			return dst[:start], featurestore.Invalidf("key %d has the type %s: a key is bool, int64, string, bytes or timestamp", i+1, v.Kind())
		}
	}
	if n := len(dst) - start; n > MaxKey {
		return dst[:start], tooLong(n)
	}
	return dst, nil
}

func tooLong(n int) error {
	return featurestore.Invalidf("the key takes %d bytes: at most %d are allowed", n, MaxKey)
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// DecodeKey reads a key back into its values. The error is ErrInvalid.
func DecodeKey(key []byte, types []featurestore.Type) ([]featurestore.Value, error) {
	if len(key) > MaxKey {
		return nil, tooLong(len(key))
	}
	values := make([]featurestore.Value, 0, len(types))
	rest := key
	for i, t := range types {
		v, after, err := cutKeyValue(rest, t.Kind)
		if err != nil {
			return nil, featurestore.Invalidf("key %x, value %d: %w", key, i+1, err)
		}
		values, rest = append(values, v), after
	}
	if len(rest) > 0 {
		return nil, featurestore.Invalidf("key %x: %d bytes follow its %d values", key, len(rest), len(types))
	}
	return values, nil
}

// cutKeyValue takes one value off the front of a key.
func cutKeyValue(b []byte, want featurestore.Kind) (v featurestore.Value, rest []byte, err error) {
	if len(b) < 2 {
		return v, nil, ErrTruncated
	}
	if kind := featurestore.Kind(b[0]); kind != want {
		return v, nil, fmt.Errorf("its type is %s, not %s", kind, want)
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || n > 1 && b[n] == 0 || size > uint64(len(b)-1-n) {
		return v, nil, ErrMalformed
	}
	payload, rest := b[1+n:1+n+int(size)], b[1+n+int(size):]
	switch want {
	case featurestore.KindBool:
		if len(payload) != 1 || payload[0] > 1 {
			return v, nil, ErrMalformed
		}
		return featurestore.BoolValue(payload[0] == 1), rest, nil
	case featurestore.KindInt64, featurestore.KindTimestamp:
		i, n := binary.Varint(payload)
		if n != len(payload) || n == 0 || n > 1 && payload[n-1] == 0 {
			return v, nil, ErrMalformed
		}
		if want == featurestore.KindTimestamp {
			return featurestore.TimestampValue(featurestore.Instant(i)), rest, nil
		}
		return featurestore.Int64Value(i), rest, nil
	case featurestore.KindString:
		return featurestore.StringValue(string(payload)), rest, nil
	case featurestore.KindBytes:
		return featurestore.BytesValue(string(payload)), rest, nil
	}
	return v, nil, fmt.Errorf("a %s is no key", want)
}
