package codec

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

const (
	batchMagic   = "FRSB"
	batchVersion = 1
)

// BatchRow is a batch view's latest row of one entity.
type BatchRow struct {
	Definition  Hash
	Key         []byte
	Run         string               // id of the materialization that wrote it
	Completed   featurestore.Instant // when that run completed
	Time        featurestore.EventTime
	Sequence    featurestore.Value
	AvailableAt featurestore.LogTime
	File        string // ties: path, then row number within the file
	FileRow     int64
	Values      []featurestore.Value
}

// Compare orders two rows of an entity: (e, sequence, available_at, file, row).
func (r *BatchRow) Compare(o *BatchRow) int {
	return cmp.Or(
		cmp.Compare(r.Time, o.Time), r.Sequence.Compare(o.Sequence), cmp.Compare(r.AvailableAt, o.AvailableAt),
		strings.Compare(r.File, o.File), cmp.Compare(r.FileRow, o.FileRow))
}

// Check says why a row cannot be written as a blob: values that are not of their
// types, a sequence that has no order, or an order or key that is too long. The
// error is ErrInvalid.
func (r *BatchRow) Check(types []featurestore.Type) error {
	if len(r.Values) != len(types) {
		return featurestore.Invalidf("a batch row of %d values where the view has %d features", len(r.Values), len(types))
	}
	for i := range r.Values {
		if k := r.Values[i].Kind(); k != featurestore.KindNull && k != types[i].Kind {
			return featurestore.Invalidf("value %d of a batch row is a %s, not a %s", i+1, k, types[i])
		}
	}
	if k := r.Sequence.Kind(); k > featurestore.KindDecimal {
		return featurestore.Invalidf("the sequence of a batch row is a %s, which has no order", k)
	}
	if n := len(appendOrder(nil, r)); n > MaxOrder {
		return featurestore.Invalidf("sequence and file path of a batch row take %d bytes: at most %d are allowed", n, MaxOrder)
	}
	if len(r.Key) > MaxKey {
		return tooLong(len(r.Key))
	}
	return nil
}

// AppendBatchRow appends the blob of a batch row; types are its features'. It
// begins with the row's order in memcomparable bytes behind their length
// (uint16, little endian): bytes.Compare of two orders is BatchRow.Compare. The
// row is one that Check accepts; it panics on another.
func AppendBatchRow(dst []byte, types []featurestore.Type, r *BatchRow) []byte {
	start := len(dst)
	dst = appendOrder(append(dst, 0, 0), r)
	order := len(dst) - start - 2
	if order > MaxOrder || len(r.Values) != len(types) {
		panic(fmt.Sprintf("codec: a batch row with an order of %d bytes and %d values of %d was not checked", order, len(r.Values), len(types)))
	}
	binary.LittleEndian.PutUint16(dst[start:], uint16(order))
	dst = append(append(dst, batchMagic...), batchVersion)
	dst = append(dst, r.Definition[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Completed))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(r.Key)))
	dst = append(dst, r.Key...)
	dst = pack.AppendText(dst, r.Run)
	dst = pack.AppendUint(dst, uint64(len(r.Values)))
	dst = appendBits(dst, types, r.Values)
	for i := range r.Values {
		dst = appendPayload(dst, r.Values[i], types[i])
	}
	return seal(dst, start)
}

// appendBits appends one bit a value, set where it is not null, and for a bool
// its own bit after it; least bit first.
func appendBits(dst []byte, types []featurestore.Type, values []featurestore.Value) []byte {
	var b byte
	n := 0
	push := func(set bool) {
		if set {
			b |= 1 << (n & 7)
		}
		if n++; n&7 == 0 {
			dst, b = append(dst, b), 0
		}
	}
	for i := range values {
		push(!values[i].IsNull())
		if types[i].Kind == featurestore.KindBool {
			push(values[i].Bool())
		}
	}
	if n&7 != 0 {
		dst = append(dst, b)
	}
	return dst
}

// appendPayload appends what the bits do not say of a value.
func appendPayload(dst []byte, v featurestore.Value, t featurestore.Type) []byte {
	if v.IsNull() {
		return dst
	}
	if v.Kind() != t.Kind {
		panic(fmt.Sprintf("codec: a batch row with a %s for a %s was not checked", v.Kind(), t))
	}
	switch v.Kind() {
	case featurestore.KindBool:
		return dst
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		return pack.AppendInt(dst, v.Int64())
	case featurestore.KindDouble:
		return pack.AppendDouble(dst, v.Double())
	case featurestore.KindString, featurestore.KindBytes:
		return pack.AppendText(dst, v.Str())
	}
	return pack.AppendValue(dst, v)
}

// DecodeBatchRow reads a blob of AppendBatchRow into r and verifies it as
// DecodeEntity does: where r.Definition is not zero, or r.Key not nil, they are
// what the blob must have. r shares no memory with the blob.
func DecodeBatchRow(blob []byte, types []featurestore.Type, r *BatchRow) error {
	if err := decodeBatchRow(blob, types, r); err != nil {
		return fmt.Errorf("batch row of %d bytes: %w", len(blob), err)
	}
	return nil
}

func decodeBatchRow(blob []byte, types []featurestore.Type, r *BatchRow) error {
	if len(blob) < 2 {
		return ErrTruncated
	}
	order := 2 + int(binary.LittleEndian.Uint16(blob))
	rest, err := unseal(blob, order, batchMagic, batchVersion)
	if err != nil {
		return err
	}
	if len(rest) < len(r.Definition)+8 {
		return ErrTruncated
	}
	definition := Hash(rest[:len(r.Definition)])
	if r.Definition != (Hash{}) && r.Definition != definition {
		return fmt.Errorf("%w: %s, not %s", ErrDefinition, definition, r.Definition)
	}
	rest = rest[len(definition):]
	completed := featurestore.Instant(binary.LittleEndian.Uint64(rest))
	key, body, err := cutKey(rest[8:])
	if err != nil {
		return err
	}
	if r.Key != nil && !bytes.Equal(key, r.Key) {
		return fmt.Errorf("%w: %x, not %x", ErrKey, key, r.Key)
	}
	if err := readOrder(blob[2:order], r); err != nil {
		return err
	}
	r.Definition, r.Key, r.Completed = definition, bytes.Clone(key), completed
	if err := r.readBody(body, types); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

func (r *BatchRow) readBody(body []byte, types []featurestore.Type) error {
	in := pack.NewReader(body)
	r.Run = string(in.Text())
	if n := in.Uint(); in.Err() == nil && n != uint64(len(types)) {
		return fmt.Errorf("%d values, not %d", n, len(types))
	}
	r.Values = r.Values[:0]
	bits := readBits(&in, types)
	for i, t := range types {
		if in.Err() != nil {
			return in.Err()
		}
		r.Values = append(r.Values, readPayload(&in, t, bits[i]))
	}
	if n := len(in.Rest()); n > 0 {
		return fmt.Errorf("%d bytes follow the row", n)
	}
	return in.Err()
}

// presence is what the bits say of one value.
type presence struct{ set, bool bool }

func readBits(in *pack.Reader, types []featurestore.Type) []presence {
	out := make([]presence, len(types))
	var b byte
	n := 0
	pull := func() bool {
		if n&7 == 0 {
			b = in.Byte()
		}
		set := b>>(n&7)&1 == 1
		n++
		return set
	}
	for i := range types {
		out[i].set = pull()
		if types[i].Kind == featurestore.KindBool {
			out[i].bool = pull()
		}
	}
	if n&7 != 0 && b>>(n&7) != 0 {
		in.Fail(pack.ErrCanonical)
	}
	return out
}

func readPayload(in *pack.Reader, t featurestore.Type, p presence) featurestore.Value {
	if !p.set {
		if p.bool {
			in.Fail(pack.ErrCanonical)
		}
		return featurestore.Null
	}
	switch t.Kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(p.bool)
	case featurestore.KindInt64:
		return featurestore.Int64Value(in.Int())
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(in.Int()))
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(in.Int())
	case featurestore.KindDouble:
		return featurestore.DoubleValue(in.Double())
	case featurestore.KindString:
		return featurestore.StringValue(string(in.Text()))
	case featurestore.KindBytes:
		return featurestore.BytesValue(string(in.Text()))
	}
	v := in.Value()
	if v.Kind() != t.Kind {
		in.Failf("a %s stands where a %s should", v.Kind(), t)
	}
	return v
}
