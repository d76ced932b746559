package pack_test

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

func TestDouble(t *testing.T) {
	for f, size := range map[float64]int{0: 1, 31: 1, -32: 1, 100: 2, 2047: 2, 0.1: 9, 1 << 53: 9, 1<<53 - 1: 8, -1e300: 9, 5e-324: 9} {
		b := pack.AppendDouble(nil, f)
		r := pack.NewReader(b)
		if got := r.Double(); got != f || r.Err() != nil || len(b) != size {
			t.Errorf("%v: %x (%d bytes, want %d) reads %v, %v", f, b, len(b), size, got, r.Err())
		}
	}
	for name, b := range map[string][]byte{
		"nan":              append([]byte{1}, 1, 0, 0, 0, 0, 0, 0xf8, 0x7f),
		"infinity":         append([]byte{1}, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f),
		"minus zero":       append([]byte{1}, 0, 0, 0, 0, 0, 0, 0, 0x80),
		"an integer":       append([]byte{1}, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f),
		"another tag":      append([]byte{3}, 0, 0, 0, 0, 0, 0, 0, 0x11),
		"a long varint":    {0x80, 0},
		"an integer 2^53":  pack.AppendUint(nil, 1<<55),
		"eight bytes only": {1, 0, 0, 0, 0, 0, 0, 0},
		"nothing":          {},
	} {
		r := pack.NewReader(b)
		if r.Double(); r.Err() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func value(depth int) *rapid.Generator[featurestore.Value] {
	return rapid.Custom(func(t *rapid.T) featurestore.Value {
		most := 9
		if depth == 0 {
			most = 7
		}
		switch featurestore.Kind(rapid.IntRange(0, most).Draw(t, "kind")) {
		case featurestore.KindBool:
			return featurestore.BoolValue(rapid.Bool().Draw(t, "b"))
		case featurestore.KindInt64:
			return featurestore.Int64Value(rapid.Int64().Draw(t, "n"))
		case featurestore.KindDouble:
			return featurestore.DoubleValue(rapid.Float64().Draw(t, "f"))
		case featurestore.KindString:
			return featurestore.StringValue(rapid.String().Draw(t, "s"))
		case featurestore.KindBytes:
			return featurestore.BytesValue(string(rapid.SliceOf(rapid.Byte()).Draw(t, "y")))
		case featurestore.KindTimestamp:
			return featurestore.TimestampValue(featurestore.Instant(rapid.Int64().Draw(t, "ts")))
		case featurestore.KindDecimal:
			return featurestore.DecimalValue(rapid.Int64().Draw(t, "d"))
		case featurestore.KindList:
			return featurestore.ListValue(rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "l"))
		case featurestore.KindMap:
			v := value(depth - 1)
			return featurestore.MapValue([]string{"", "a"}, []featurestore.Value{v.Draw(t, "v0"), v.Draw(t, "v1")})
		}
		return featurestore.Null
	})
}

func TestValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := value(3).Draw(t, "value")
		b := pack.AppendValue(nil, v)
		r := pack.NewReader(append(b, 0xcc))
		if got := r.Value(); !got.Equal(v) || r.Err() != nil || !bytes.Equal(r.Rest(), []byte{0xcc}) {
			t.Fatalf("%x reads %v, %v; want %v", b, got, r.Err(), v)
		}
		if c := pack.CloneValue(v); !c.Equal(v) {
			t.Fatalf("clone of %v is %v", v, c)
		}
		for n := range b {
			r := pack.NewReader(b[:n])
			if r.Value(); r.Err() == nil {
				t.Fatalf("%x is accepted though it is cut", b[:n])
			}
		}
	})
}

func TestValueRefusals(t *testing.T) {
	deep := bytes.Repeat([]byte{byte(featurestore.KindList), 1}, 9)
	for name, b := range map[string][]byte{
		"too deep":            append(deep, 0),
		"unknown kind":        {10},
		"bool 2":              {1, 2},
		"keys that descend":   {9, 2, 1, 'b', 0, 1, 'a', 0},
		"keys that are equal": {9, 2, 1, 'a', 0, 1, 'a', 0},
		"a huge list":         pack.AppendUint([]byte{8}, math.MaxUint64),
		"a huge text":         pack.AppendUint([]byte{4}, math.MaxUint64),
	} {
		r := pack.NewReader(b)
		if r.Value(); r.Err() == nil {
			t.Errorf("%s is accepted", name)
		}
		if r.Byte(); r.Int() != 0 || r.Rest() != nil {
			t.Errorf("%s: a reader goes on after its first failure", name)
		}
	}
}
