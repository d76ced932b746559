package pack

import (
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// maxDepth bounds how deep lists and maps nest in bytes that are read.
const maxDepth = 8

// AppendValue appends a value behind its kind: one byte for null and for each
// bool, else the kind and the value in the spelling of its kind.
func AppendValue(dst []byte, v featurestore.Value) []byte {
	dst = append(dst, byte(v.Kind()))
	switch v.Kind() {
	case featurestore.KindNull:
		return dst
	case featurestore.KindBool:
		if v.Bool() {
			return append(dst, 1)
		}
		return append(dst, 0)
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		return AppendInt(dst, v.Int64())
	case featurestore.KindDouble:
		return AppendDouble(dst, v.Double())
	case featurestore.KindString, featurestore.KindBytes:
		return AppendText(dst, v.Str())
	}
	elems, keys := v.Elems(), v.Keys()
	dst = AppendUint(dst, uint64(len(elems)))
	for i, e := range elems {
		if v.Kind() == featurestore.KindMap {
			dst = AppendText(dst, keys[i])
		}
		dst = AppendValue(dst, e)
	}
	return dst
}

// Value reads a value of AppendValue; its text is its own.
func (r *Reader) Value() featurestore.Value { return r.value(0) }

func (r *Reader) value(depth int) featurestore.Value {
	kind := featurestore.Kind(r.Byte())
	switch kind {
	case featurestore.KindNull:
		return featurestore.Null
	case featurestore.KindBool:
		b := r.Byte()
		if b > 1 {
			r.Fail(ErrCanonical)
		}
		return featurestore.BoolValue(b == 1)
	case featurestore.KindInt64:
		return featurestore.Int64Value(r.Int())
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(r.Int()))
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(r.Int())
	case featurestore.KindDouble:
		return featurestore.DoubleValue(r.Double())
	case featurestore.KindString:
		return featurestore.StringValue(string(r.Text()))
	case featurestore.KindBytes:
		return featurestore.BytesValue(string(r.Text()))
	case featurestore.KindList, featurestore.KindMap:
		if depth == maxDepth {
			r.Failf("a value nests deeper than %d", maxDepth)
			return featurestore.Null
		}
		return r.composite(kind, depth)
	}
	r.Failf("a value has the unknown kind %d", kind)
	return featurestore.Null
}

func (r *Reader) composite(kind featurestore.Kind, depth int) featurestore.Value {
	n := r.Count(1)
	var keys []string
	var elems []featurestore.Value
	for range n {
		if kind == featurestore.KindMap {
			keys = append(keys, string(r.Text()))
			if k := len(keys); k > 1 && keys[k-2] >= keys[k-1] {
				r.Fail(ErrCanonical)
			}
		}
		elems = append(elems, r.value(depth+1))
		if r.err != nil {
			return featurestore.Null
		}
	}
	if kind == featurestore.KindMap {
		return featurestore.MapValue(keys, elems)
	}
	return featurestore.ListValue(elems)
}

// CloneValue gives a value that shares no memory with v.
func CloneValue(v featurestore.Value) featurestore.Value {
	switch v.Kind() {
	case featurestore.KindString:
		return featurestore.StringValue(strings.Clone(v.Str()))
	case featurestore.KindBytes:
		return featurestore.BytesValue(strings.Clone(v.Str()))
	case featurestore.KindList, featurestore.KindMap:
		var keys []string
		var elems []featurestore.Value
		for i, e := range v.Elems() {
			elems = append(elems, CloneValue(e))
			if v.Kind() == featurestore.KindMap {
				keys = append(keys, strings.Clone(v.Keys()[i]))
			}
		}
		if v.Kind() == featurestore.KindMap {
			return featurestore.MapValue(keys, elems)
		}
		return featurestore.ListValue(elems)
	}
	return v
}
