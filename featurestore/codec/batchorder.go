package codec

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/freshet/freshet/featurestore"
)

// MaxOrder is the greatest length of a batch row's order in bytes.
const MaxOrder = math.MaxUint16

// The order of a batch row is written so that bytes.Compare compares it:
// integers most significant byte first with the sign bit turned, text with 00
// escaped as 00 FF and ended by 00 01.

// appendOrder appends (e, sequence, available_at, file, row).
func appendOrder(dst []byte, r *BatchRow) []byte {
	dst = appendOrderedInt(dst, int64(r.Time))
	dst = appendOrderedValue(dst, r.Sequence)
	dst = appendOrderedInt(dst, int64(r.AvailableAt))
	dst = appendOrderedText(dst, r.File)
	return appendOrderedInt(dst, r.FileRow)
}

const signBit = 1 << 63

func appendOrderedInt(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v)^signBit)
}

func appendOrderedText(dst []byte, s string) []byte {
	for i := range len(s) {
		if dst = append(dst, s[i]); s[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 1)
}

// appendOrderedValue appends a scalar behind its kind, null first.
func appendOrderedValue(dst []byte, v featurestore.Value) []byte {
	dst = append(dst, byte(v.Kind()))
	switch v.Kind() {
	case featurestore.KindBool:
		return append(dst, boolByte(v.Bool()))
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		return appendOrderedInt(dst, v.Int64())
	case featurestore.KindDouble:
		b := math.Float64bits(v.Double())
		if b&signBit != 0 {
			return binary.BigEndian.AppendUint64(dst, ^b)
		}
		return binary.BigEndian.AppendUint64(dst, b^signBit)
	case featurestore.KindString, featurestore.KindBytes:
		return appendOrderedText(dst, v.Str())
	}
	return dst
}

// orderReader takes the parts of an order off its front.
type orderReader struct {
	rest []byte
	err  error
}

func (o *orderReader) fail() { o.rest, o.err = nil, ErrMalformed }

func (o *orderReader) uint() uint64 {
	if len(o.rest) < 8 {
		o.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(o.rest)
	o.rest = o.rest[8:]
	return v
}

func (o *orderReader) int() int64 { return int64(o.uint() ^ signBit) }

func (o *orderReader) byte() byte {
	if len(o.rest) == 0 {
		o.fail()
		return 0
	}
	b := o.rest[0]
	o.rest = o.rest[1:]
	return b
}

func (o *orderReader) text() string {
	var out []byte
	for {
		i := bytes.IndexByte(o.rest, 0)
		if i < 0 || i+1 >= len(o.rest) {
			o.fail()
			return ""
		}
		out = append(out, o.rest[:i]...)
		mark := o.rest[i+1]
		o.rest = o.rest[i+2:]
		switch mark {
		case 1:
			return string(out)
		case 0xff:
			out = append(out, 0)
		default:
			o.fail()
			return ""
		}
	}
}

func (o *orderReader) value() featurestore.Value {
	switch kind := featurestore.Kind(o.byte()); kind {
	case featurestore.KindNull:
	case featurestore.KindBool:
		b := o.byte()
		if b > 1 {
			o.fail()
		}
		return featurestore.BoolValue(b == 1)
	case featurestore.KindInt64:
		return featurestore.Int64Value(o.int())
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(o.int()))
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(o.int())
	case featurestore.KindDouble:
		return o.double()
	case featurestore.KindString:
		return featurestore.StringValue(o.text())
	case featurestore.KindBytes:
		return featurestore.BytesValue(o.text())
	default:
		o.fail()
	}
	return featurestore.Null
}

func (o *orderReader) double() featurestore.Value {
	b := o.uint()
	if b&signBit != 0 {
		b ^= signBit
	} else {
		b = ^b
	}
	f := math.Float64frombits(b)
	if math.IsNaN(f) || math.IsInf(f, 0) || f == 0 && b != 0 {
		o.fail()
		return featurestore.Null
	}
	return featurestore.DoubleValue(f)
}

// readOrder reads an order back into r.
func readOrder(order []byte, r *BatchRow) error {
	o := orderReader{rest: order}
	r.Time = featurestore.EventTime(o.int())
	r.Sequence = o.value()
	r.AvailableAt = featurestore.LogTime(o.int())
	r.File = o.text()
	r.FileRow = o.int()
	if len(o.rest) > 0 {
		o.fail()
	}
	return o.err
}
