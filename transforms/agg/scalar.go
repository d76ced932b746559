package agg

import (
	"cmp"
	"encoding/binary"
	"math"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// scalar is a single value as sets keep it, without its kind: the type of the
// aggregate's input says that. Equal values are equal by ==.
type scalar[K any] interface {
	comparable
	of(x *featurestore.Value) K // of a value that is not null; text is not copied
	keep() K                    // the same, with memory of its own
	compare(o K) int
	hash(kind featurestore.Kind) uint64 // that of hashValue
	append(dst []byte) []byte
	read(r *pack.Reader, kind featurestore.Kind) K
	value(kind featurestore.Kind) featurestore.Value
}

// integer is bool, int64, timestamp or decimal.
type integer int64

func (integer) of(x *featurestore.Value) integer { return integer(x.Int64()) }
func (k integer) keep() integer                  { return k }
func (k integer) compare(o integer) int          { return cmp.Compare(k, o) }
func (k integer) append(dst []byte) []byte       { return pack.AppendInt(dst, int64(k)) }

func (k integer) hash(kind featurestore.Kind) uint64 {
	if kind == featurestore.KindBool {
		return hashBit(int64(k))
	}
	return hashWord(uint64(k))
}

func (integer) read(r *pack.Reader, kind featurestore.Kind) integer {
	v := r.Int()
	if kind == featurestore.KindBool && v>>1 != 0 {
		r.Fail(pack.ErrCanonical)
	}
	return integer(v)
}

func (k integer) value(kind featurestore.Kind) featurestore.Value { return integral(kind, int64(k)) }

// real is a double, neither NaN nor -0.0.
type real float64

func (real) of(x *featurestore.Value) real                 { return real(x.Double()) }
func (k real) keep() real                                  { return k }
func (k real) compare(o real) int                          { return cmp.Compare(k, o) }
func (k real) hash(featurestore.Kind) uint64               { return hashWord(math.Float64bits(float64(k))) }
func (k real) append(dst []byte) []byte                    { return pack.AppendDouble(dst, float64(k)) }
func (real) read(r *pack.Reader, _ featurestore.Kind) real { return real(r.Double()) }
func (k real) value(_ featurestore.Kind) featurestore.Value {
	return featurestore.DoubleValue(float64(k))
}

// text is a string or bytes.
type text string

func (text) of(x *featurestore.Value) text                 { return text(x.Str()) }
func (k text) keep() text                                  { return text(strings.Clone(string(k))) }
func (k text) compare(o text) int                          { return strings.Compare(string(k), string(o)) }
func (k text) hash(featurestore.Kind) uint64               { return xxh3.HashString(string(k)) }
func (k text) append(dst []byte) []byte                    { return pack.AppendText(dst, string(k)) }
func (text) read(r *pack.Reader, _ featurestore.Kind) text { return text(r.Text()) }

func (k text) value(kind featurestore.Kind) featurestore.Value {
	if kind == featurestore.KindBytes {
		return featurestore.BytesValue(string(k))
	}
	return featurestore.StringValue(string(k))
}

// quantities are the forms of one quantity, by how its input is kept.
type quantities struct{ integers, reals, texts *quantity }

func (q *quantities) of(t featurestore.Type) *quantity {
	switch t.Kind {
	case featurestore.KindDouble:
		return q.reals
	case featurestore.KindString, featurestore.KindBytes:
		return q.texts
	}
	return q.integers
}

// hashValue is the hash by which sets of values are cut to size: XXH3-64, seed
// 0, of one byte 0 or 1 of a bool; of the 8 bytes, least first, of an int64, of
// a timestamp's microseconds, of a decimal's unscaled integer, and of a double's
// IEEE bits; of text and bytes as they are.
func hashValue(x *featurestore.Value) uint64 {
	switch x.Kind() {
	case featurestore.KindString, featurestore.KindBytes:
		return xxh3.HashString(x.Str())
	case featurestore.KindBool:
		return hashBit(x.Int64())
	}
	return hashWord(uint64(x.Int64()))
}

func hashBit(v int64) uint64 { return xxh3.Hash([]byte{byte(v)}) }

func hashWord(v uint64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	return xxh3.Hash(b[:])
}
