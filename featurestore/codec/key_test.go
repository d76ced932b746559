package codec_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
)

var (
	str   = featurestore.StringValue
	types = func(list ...featurestore.Type) []featurestore.Type { return list }
)

func mustKey(t testing.TB, values ...featurestore.Value) []byte {
	t.Helper()
	var of []featurestore.Type
	for _, v := range values {
		of = append(of, featurestore.Type{Kind: v.Kind()})
	}
	key, err := codec.AppendKey(nil, of, values)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeysThatMustDiffer(t *testing.T) {
	keys := [][]byte{
		mustKey(t, str("a"), str("bc")), mustKey(t, str("ab"), str("c")), mustKey(t, str("abc")), mustKey(t, str("")),
		mustKey(t, str(""), str("")), mustKey(t, str("1")), mustKey(t, featurestore.Int64Value(1)), mustKey(t, featurestore.BoolValue(true)),
		mustKey(t, featurestore.TimestampValue(1)), mustKey(t, featurestore.BytesValue("1")), mustKey(t, str("A")), mustKey(t, str("a")),
		mustKey(t, str("a\x00")), mustKey(t, str("\x00a")), mustKey(t, str("é")), mustKey(t, str("e\u0301")), mustKey(t, featurestore.Int64Value(-1)),
	}
	for i := range keys {
		for j := range i {
			if bytes.Equal(keys[i], keys[j]) {
				t.Errorf("keys %d and %d are the same: %x", i, j, keys[i])
			}
		}
	}
}

func TestKeyRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		types  []featurestore.Type
		values []featurestore.Value
		want   string
	}{
		{"null", types(featurestore.String), []featurestore.Value{featurestore.Null}, "key 1 is null"},
		{"int for string", types(featurestore.Int64, featurestore.String), []featurestore.Value{featurestore.Int64Value(1), featurestore.Int64Value(1)}, "key 2 has the type int64, not string"},
		{"string for int", types(featurestore.Int64), []featurestore.Value{str("1")}, "key 1 has the type string, not int64"},
		{"too few", types(featurestore.Int64, featurestore.Int64), []featurestore.Value{featurestore.Int64Value(1)}, "a key of 1 values where the entity has 2"},
		{"double", types(featurestore.Double), []featurestore.Value{featurestore.DoubleValue(1)}, "a key is bool"},
		{"long", types(featurestore.String), []featurestore.Value{str(strings.Repeat("x", 1022))}, "at most 1024"},
		{"very long", types(featurestore.Bytes), []featurestore.Value{featurestore.BytesValue(strings.Repeat("x", 1<<20))}, "at most 1024"},
	} {
		dst := []byte("kept")
		got, err := codec.AppendKey(dst, c.types, c.values)
		if !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), c.want) || string(got) != "kept" {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	if key := mustKey(t, str(strings.Repeat("x", 1021))); len(key) != codec.MaxKey {
		t.Errorf("the longest text gives %d bytes", len(key))
	}
}

func keyValues() *rapid.Generator[[]featurestore.Value] {
	one := rapid.Custom(func(t *rapid.T) featurestore.Value {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return featurestore.BoolValue(rapid.Bool().Draw(t, "b"))
		case 1:
			return featurestore.Int64Value(rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, math.MinInt64, math.MaxInt64})).Draw(t, "n"))
		case 2:
			return featurestore.TimestampValue(featurestore.Instant(rapid.Int64().Draw(t, "ts")))
		case 3:
			return featurestore.BytesValue(string(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "y")))
		default:
			return str(string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "s")))
		}
	})
	return rapid.SliceOfN(one, 1, 4)
}

func TestKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := keyValues().Draw(rt, "values")
		key := mustKey(t, values...)
		var of []featurestore.Type
		for _, v := range values {
			of = append(of, featurestore.Type{Kind: v.Kind()})
		}
		back, err := codec.DecodeKey(key, of)
		if err != nil || !slices.EqualFunc(back, values, featurestore.Value.Equal) {
			rt.Fatalf("%x: %v, %v; want %v", key, back, err, values)
		}
		for n := range key {
			if _, err := codec.DecodeKey(key[:n], of); err == nil {
				rt.Fatalf("%x is accepted though it is cut", key[:n])
			}
		}
		other := keyValues().Draw(rt, "other")
		if same := slices.EqualFunc(other, values, featurestore.Value.Equal); same != bytes.Equal(mustKey(t, other...), key) {
			rt.Fatalf("%v and %v: same is %v", values, other, same)
		}
	})
}

func rowOrders() *rapid.Generator[*codec.BatchRow] {
	small := rapid.Int64Range(-2, 2)
	text := rapid.SampledFrom([]string{"", "\x00", "\x00\x00", "a", "a\x00", "a\x00\xff", "a\x01", "ab", "\xff"})
	sequence := rapid.Custom(func(t *rapid.T) featurestore.Value {
		return rapid.SampledFrom([]featurestore.Value{
			featurestore.Null, featurestore.Int64Value(-1), featurestore.Int64Value(math.MinInt64), featurestore.Int64Value(300),
			featurestore.DoubleValue(-1e300), featurestore.DoubleValue(-1), featurestore.DoubleValue(0), featurestore.DoubleValue(5e-324), featurestore.DoubleValue(2),
			featurestore.BoolValue(false), featurestore.BoolValue(true), str(text.Draw(t, "s")), featurestore.BytesValue(text.Draw(t, "y")),
			featurestore.DecimalValue(-7), featurestore.TimestampValue(9),
		}).Draw(t, "sequence")
	})
	return rapid.Custom(func(t *rapid.T) *codec.BatchRow {
		return &codec.BatchRow{
			Time: featurestore.EventTime(small.Draw(t, "e")), Sequence: sequence.Draw(t, "seq"),
			AvailableAt: featurestore.LogTime(small.Draw(t, "a")), File: text.Draw(t, "file"), FileRow: small.Draw(t, "row"),
		}
	})
}

func order(blob []byte) []byte { return blob[2 : 2+int(blob[0])+int(blob[1])<<8] }

// TestBatchOrder is the store's contract: comparing order bytes is comparing rows.
func TestBatchOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rowOrders().Draw(t, "a"), rowOrders().Draw(t, "b")
		x, y := codec.AppendBatchRow(nil, nil, a), codec.AppendBatchRow([]byte("before"), nil, b)[6:]
		if got, want := bytes.Compare(order(x), order(y)), a.Compare(b); got != want {
			t.Fatalf("%+v, %+v: bytes compare %d, rows %d\n%x\n%x", a, b, got, want, order(x), order(y))
		}
		var back codec.BatchRow
		if err := codec.DecodeBatchRow(x, nil, &back); err != nil || back.Compare(a) != 0 || !back.Sequence.Equal(a.Sequence) {
			t.Fatalf("%+v reads back as %+v, %v", a, back, err)
		}
	})
}

func TestBatchRowCheck(t *testing.T) {
	row := goldenRow()
	row.Sequence = str(strings.Repeat("x", codec.MaxOrder))
	if err := row.Check(rowTypes); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("a sequence that is too long: %v", err)
	}
	row = goldenRow()
	row.Values[0] = featurestore.Int64Value(1)
	if err := row.Check(rowTypes); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("an int64 for a bool: %v", err)
	}
	row = goldenRow()
	row.Sequence = featurestore.ListValue(nil)
	if err := row.Check(rowTypes); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("a list as sequence: %v", err)
	}
	if err := goldenRow().Check(rowTypes[:3]); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("too many values: %v", err)
	}
}
