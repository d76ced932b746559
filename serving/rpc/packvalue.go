package rpc

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	servingv1 "github.com/freshet/freshet/serving/api/v1"
)

// unpackValues reads a packed column as a declared type; nothing is converted.
func unpackValues(v *servingv1.Values, validity []byte, t featurestore.Type) ([]featurestore.Value, error) {
	var out []featurestore.Value
	var err error
	kind := featurestore.KindNull
	switch k := v.GetKind().(type) {
	case *servingv1.Values_Bools:
		kind = featurestore.KindBool
		out = mapValues(k.Bools.GetValues(), featurestore.BoolValue)
	case *servingv1.Values_Int64S:
		kind = featurestore.KindInt64
		of := featurestore.Int64Value
		if t.Kind == featurestore.KindDecimal {
			kind, of = featurestore.KindDecimal, featurestore.DecimalValue
		}
		out = mapValues(k.Int64S.GetValues(), of)
	case *servingv1.Values_Doubles:
		kind = featurestore.KindDouble
		out = mapValues(k.Doubles.GetValues(), featurestore.DoubleValue)
	case *servingv1.Values_Strings:
		kind = featurestore.KindString
		out = mapValues(k.Strings.GetValues(), featurestore.StringValue)
	case *servingv1.Values_Bytes:
		kind = featurestore.KindBytes
		out = mapValues(k.Bytes.GetValues(), func(b []byte) featurestore.Value { return featurestore.BytesValue(string(b)) })
	case *servingv1.Values_Timestamps:
		kind = featurestore.KindTimestamp
		out = mapValues(k.Timestamps.GetValues(), func(n int64) featurestore.Value { return featurestore.TimestampValue(featurestore.Instant(n)) })
	case *servingv1.Values_Lists:
		if kind = featurestore.KindList; kind == t.Kind {
			out, err = unpackLists(k.Lists.GetValues(), elem(t))
		}
	case *servingv1.Values_Maps:
		if kind = featurestore.KindMap; kind == t.Kind {
			out, err = unpackMaps(k.Maps.GetValues(), elem(t))
		}
	}
	if kind != t.Kind {
		return nil, fmt.Errorf("must be %s, is %s", t, kind)
	}
	if err != nil || len(validity) == 0 {
		return out, err
	}
	if len(validity) != (len(out)+7)/8 {
		return nil, fmt.Errorf("has %d validity bytes for %d values", len(validity), len(out))
	}
	for i := range out {
		if validity[i/8]&(1<<(i%8)) == 0 {
			out[i] = featurestore.Null
		}
	}
	return out, nil
}

// unpackParts reads the parts of one list or map, whose validity is its own; one
// without parts need not say of what kind they would be.
func unpackParts(v *servingv1.Values, t featurestore.Type) ([]featurestore.Value, error) {
	if v.GetKind() == nil && len(v.GetValidity()) == 0 {
		return nil, nil
	}
	return unpackValues(v, v.GetValidity(), t)
}

func unpackLists(lists []*servingv1.Values, t featurestore.Type) ([]featurestore.Value, error) {
	out := make([]featurestore.Value, len(lists))
	for i, list := range lists {
		parts, err := unpackParts(list, t)
		if err != nil {
			return nil, fmt.Errorf("list %d: its elements %w", i, err)
		}
		out[i] = featurestore.ListValue(parts)
	}
	return out, nil
}

func unpackMaps(maps []*servingv1.MapValue, t featurestore.Type) ([]featurestore.Value, error) {
	out := make([]featurestore.Value, len(maps))
	for i, m := range maps {
		parts, err := unpackParts(m.GetValues(), t)
		if err != nil {
			return nil, fmt.Errorf("map %d: its values %w", i, err)
		}
		if len(parts) != len(m.GetKeys()) {
			return nil, fmt.Errorf("map %d has %d keys for %d values", i, len(m.GetKeys()), len(parts))
		}
		if out[i], err = featurestore.MapOf(slices.Clone(m.GetKeys()), parts); err != nil {
			return nil, fmt.Errorf("map %d: %w", i, err)
		}
	}
	return out, nil
}

func mapValues[T any](in []T, of func(T) featurestore.Value) []featurestore.Value {
	out := make([]featurestore.Value, len(in))
	for i, x := range in {
		out[i] = of(x)
	}
	return out
}

// packValues packs a column; validity is nil where nothing is null.
func packValues(values []featurestore.Value, t featurestore.Type) (*servingv1.Values, []byte) {
	out := &servingv1.Values{}
	switch t.Kind {
	case featurestore.KindBool:
		out.Kind = &servingv1.Values_Bools{Bools: &servingv1.BoolValues{Values: unmap(values, featurestore.Value.Bool)}}
	case featurestore.KindInt64, featurestore.KindDecimal:
		out.Kind = &servingv1.Values_Int64S{Int64S: &servingv1.Int64Values{Values: unmap(values, featurestore.Value.Int64)}}
	case featurestore.KindDouble:
		out.Kind = &servingv1.Values_Doubles{Doubles: &servingv1.DoubleValues{Values: unmap(values, featurestore.Value.Double)}}
	case featurestore.KindString:
		out.Kind = &servingv1.Values_Strings{Strings: &servingv1.StringValues{Values: unmap(values, validText)}}
	case featurestore.KindBytes:
		out.Kind = &servingv1.Values_Bytes{Bytes: &servingv1.BytesValues{Values: unmap(values, func(v featurestore.Value) []byte { return []byte(v.Str()) })}}
	case featurestore.KindTimestamp:
		out.Kind = &servingv1.Values_Timestamps{Timestamps: &servingv1.Int64Values{Values: unmap(values, func(v featurestore.Value) int64 { return int64(v.Timestamp()) })}}
	case featurestore.KindList:
		lists := unmap(values, func(v featurestore.Value) *servingv1.Values { return packParts(v, t) })
		out.Kind = &servingv1.Values_Lists{Lists: &servingv1.ListValues{Values: lists}}
	case featurestore.KindMap:
		maps := unmap(values, func(v featurestore.Value) *servingv1.MapValue {
			return &servingv1.MapValue{Keys: unmap(v.Keys(), validUTF8), Values: packParts(v, t)}
		})
		out.Kind = &servingv1.Values_Maps{Maps: &servingv1.MapValues{Values: maps}}
	}
	return out, validityOf(values)
}

// packParts packs the parts of one list or map, with their own validity.
func packParts(v featurestore.Value, t featurestore.Type) *servingv1.Values {
	out, validity := packValues(v.Elems(), elem(t))
	out.Validity = validity
	return out
}

func unmap[V, T any](in []V, of func(V) T) []T {
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = of(v)
	}
	return out
}

// validText is a protobuf string: UTF-8 or nothing would go out.
func validText(v featurestore.Value) string { return validUTF8(v.Str()) }

func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

func validityOf(values []featurestore.Value) []byte {
	var bits []byte
	for i, v := range values {
		if v.IsNull() && bits == nil {
			bits = make([]byte, (len(values)+7)/8)
			for j := range i {
				bits[j/8] |= 1 << (j % 8)
			}
		}
		if bits != nil && !v.IsNull() {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return bits
}
