package featurestore

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unsafe"
)

// Value is one cell: null, or a value of one kind. It is small, passed by
// value, and holds no interface, so that a row of values costs no allocation.
// Its zero value is null. Values are compared with Equal; as keys of a map stand
// their Keys.
//
// A Value never holds NaN, an infinity or -0.0: DoubleValue makes null of the
// first two and +0.0 of the last (semantics: Values).
type Value struct {
	_    [0]func()      // == would compare where texts stand, not what they say
	at   unsafe.Pointer // the bytes of a string or bytes, the *Composite of a list or map
	num  uint64         // the bits of a scalar, the length of a string or bytes
	kind Kind
}

// ScalarKey is what a scalar value is, to be compared with == and to be the key of
// a map.
type ScalarKey struct {
	kind Kind
	num  uint64
	str  string
}

// ScalarKey gives equal keys for equal values that are no lists or maps.
func (v Value) ScalarKey() ScalarKey { return ScalarKey{kind: v.kind, num: v.num, str: v.Str()} }

// Composite holds the elements of a list, or the entries of a map in ascending
// order of their keys. It is not changed after it was given to a Value.
type Composite struct {
	Keys   []string // nil for a list
	Values []Value
}

// Null is the missing value.
var Null = Value{}

// The makers of values have one return each: a value of one return is built where
// it goes, one of several is built in memory and copied, which stalls.

// BoolValue is a bool.
func BoolValue(b bool) Value {
	var num uint64
	if b {
		num = 1
	}
	return Value{kind: KindBool, num: num}
}

// Int64Value is an int64.
func Int64Value(n int64) Value { return Value{kind: KindInt64, num: uint64(n)} }

// DoubleValue is a double; NaN and the infinities give null, -0.0 gives +0.0.
func DoubleValue(f float64) Value {
	const exponent = 0x7ff << 52
	kind, num := KindDouble, math.Float64bits(f)
	switch {
	case f == 0:
		num = 0
	case num&exponent == exponent:
		kind, num = KindNull, 0
	}
	return Value{kind: kind, num: num}
}

// StringValue is a string of text.
func StringValue(s string) Value {
	return Value{kind: KindString, num: uint64(len(s)), at: unsafe.Pointer(unsafe.StringData(s))}
}

// BytesValue is a string of bytes; b is given away to the value.
func BytesValue(b string) Value {
	return Value{kind: KindBytes, num: uint64(len(b)), at: unsafe.Pointer(unsafe.StringData(b))}
}

// TimestampValue is an instant.
func TimestampValue(t Instant) Value { return Value{kind: KindTimestamp, num: uint64(t)} }

// DecimalValue is a decimal by its unscaled integer; the scale is the type's.
func DecimalValue(unscaled int64) Value { return Value{kind: KindDecimal, num: uint64(unscaled)} }

// ScalarValue is a value of a kind by the bits of it: what Bits gives of a bool,
// int64, double, timestamp or decimal.
func ScalarValue(k Kind, bits uint64) Value { return Value{kind: k, num: bits} }

// ListValue is a list.
func ListValue(elems []Value) Value {
	return Value{kind: KindList, at: unsafe.Pointer(&Composite{Values: elems})}
}

// MapValue is a map; keys must ascend.
func MapValue(keys []string, values []Value) Value {
	return Value{kind: KindMap, at: unsafe.Pointer(&Composite{Keys: keys, Values: values})}
}

// MapOf is a map of entries in any order, which it keeps and sorts. A key that
// stands twice is an error.
func MapOf(keys []string, values []Value) (Value, error) {
	sort.Sort(&entries{keys, values})
	for i := 1; i < len(keys); i++ {
		if keys[i-1] == keys[i] {
			return Null, fmt.Errorf("the key %q stands twice", keys[i])
		}
	}
	return MapValue(keys, values), nil
}

// entries sorts keys with their values.
type entries struct {
	keys   []string
	values []Value
}

func (e *entries) Len() int           { return len(e.keys) }
func (e *entries) Less(i, j int) bool { return e.keys[i] < e.keys[j] }
func (e *entries) Swap(i, j int) {
	e.keys[i], e.keys[j] = e.keys[j], e.keys[i]
	e.values[i], e.values[j] = e.values[j], e.values[i]
}

// Kind is the value's kind; KindNull for null.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether the value is missing.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Bool is the value of a bool; false for any other kind.
func (v Value) Bool() bool { return v.kind == KindBool && v.num != 0 }

// isText reports whether the value is a string or bytes.
func (v Value) isText() bool { return v.kind == KindString || v.kind == KindBytes }

// composite is what a list or map holds; nil for any other kind.
func (v Value) composite() *Composite {
	if v.kind != KindList && v.kind != KindMap {
		return nil
	}
	return (*Composite)(v.at)
}

// Int64 is the value of an int64, or the unscaled integer of a decimal.
func (v Value) Int64() int64 { return int64(v.num) }

// Bits are those of a scalar that is no text; of text they are its length.
func (v Value) Bits() uint64 { return v.num }

// Double is the value of a double.
func (v Value) Double() float64 { return math.Float64frombits(v.num) }

// Str is the text of a string or the bytes of a bytes value; "" for any other kind.
func (v Value) Str() string {
	if !v.isText() {
		return ""
	}
	return unsafe.String((*byte)(v.at), v.num)
}

// Timestamp is the value of a timestamp.
func (v Value) Timestamp() Instant { return Instant(v.num) }

// Elems are a list's or map's values; they must not be changed.
func (v Value) Elems() []Value {
	c := v.composite()
	if c == nil {
		return nil
	}
	return c.Values
}

// Keys are a map's keys, ascending; nil for a list.
func (v Value) Keys() []string {
	c := v.composite()
	if c == nil {
		return nil
	}
	return c.Keys
}

// Equal reports whether two values are the same kind and the same bits.
func (v Value) Equal(o Value) bool {
	if v.kind != o.kind || v.num != o.num {
		return false
	}
	switch v.kind {
	case KindString, KindBytes:
		return v.Str() == o.Str()
	case KindList, KindMap:
		a, b := v.composite(), o.composite()
		return slices.EqualFunc(a.Values, b.Values, Value.Equal) && slices.Equal(a.Keys, b.Keys)
	}
	return true
}

// Compare orders two values of the same scalar kind: -1, 0 or 1. Null is before
// everything; false before true; text and bytes by their bytes. Values of
// different kinds are ordered by kind.
func (v Value) Compare(o Value) int {
	if v.kind != o.kind {
		return compare(v.kind, o.kind)
	}
	switch v.kind {
	case KindInt64, KindTimestamp, KindDecimal:
		return compare(int64(v.num), int64(o.num))
	case KindDouble:
		return compare(v.Double(), o.Double())
	case KindString, KindBytes:
		return strings.Compare(v.Str(), o.Str())
	default:
		return compare(v.num, o.num)
	}
}

func compare[T Kind | int64 | uint64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Text writes the value for people: the shortest text that reads back as the
// same value under type t, "null" for null.
func (v Value) Text(t Type) string {
	switch v.kind {
	case KindNull:
		return "null"
	case KindBool:
		return strconv.FormatBool(v.num != 0)
	case KindInt64:
		return strconv.FormatInt(int64(v.num), 10)
	case KindDouble:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case KindString:
		return v.Str()
	case KindBytes:
		return base64.StdEncoding.EncodeToString([]byte(v.Str()))
	case KindTimestamp:
		return v.Timestamp().String()
	case KindDecimal:
		return FormatDecimal(int64(v.num), t.Scale)
	case KindList, KindMap:
		return v.compositeText(t)
	}
	return fmt.Sprintf("<%s>", v.kind)
}

// Exact is Text, but JSON for a list or a map, whose Text does not keep its
// parts apart: it reads back as the same value.
func (v Value) Exact(t Type) string {
	if v.kind == KindList || v.kind == KindMap {
		return string(AppendJSON(nil, v, t))
	}
	return v.Text(t)
}

func (v Value) compositeText(t Type) string {
	var elem Type
	if t.Elem != nil {
		elem = *t.Elem
	}
	var b bytes.Buffer
	open, end := "[", "]"
	if v.kind == KindMap {
		open, end = "{", "}"
	}
	b.WriteString(open)
	for i, e := range v.Elems() {
		if i > 0 {
			b.WriteString(", ")
		}
		if v.kind == KindMap {
			b.WriteString(v.Keys()[i] + ": ")
		}
		b.WriteString(e.Text(elem))
	}
	b.WriteString(end)
	return b.String()
}
