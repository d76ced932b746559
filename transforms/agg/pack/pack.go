// Package pack reads and writes the varint-packed bytes that states are made
// of. It owns spelling only: the meaning and order of the fields belong to the
// types that call it. Every number has exactly one spelling, and a reader
// refuses the others.
package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Reasons for which bytes are refused.
var (
	ErrShort     = errors.New("bytes end early")
	ErrCanonical = errors.New("bytes are not in canonical form")
)

// AppendInt appends a signed integer as a zigzag varint.
func AppendInt(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

// AppendUint appends an unsigned integer as a varint.
func AppendUint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// AppendText appends bytes behind their length.
func AppendText[T string | []byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// maxIntegral bounds the doubles that are written as integers.
const maxIntegral = 1 << 53

// AppendDouble appends a finite double other than -0.0: an integer below 2^53
// in size as a varint of twice its zigzag (one byte below 32, two below 4,096),
// any other as the byte 1 and its eight bytes, least first.
func AppendDouble(dst []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < maxIntegral {
		n := int64(f)
		return binary.AppendUvarint(dst, (uint64(n)<<1^uint64(n>>63))<<1)
	}
	return binary.LittleEndian.AppendUint64(append(dst, 1), math.Float64bits(f))
}

// Reader takes fields off the front of bytes. After the first failure every
// field is zero and Err keeps the reason, so that a decoder checks once.
type Reader struct {
	rest []byte
	err  error
}

// NewReader reads from src, which is not changed and may be kept by Text.
func NewReader(src []byte) Reader { return Reader{rest: src} }

// Err is the first failure.
func (r *Reader) Err() error { return r.err }

// Rest is what was not read.
func (r *Reader) Rest() []byte { return r.rest }

// Fail records a failure, unless one stands.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

// Failf is Fail with a message.
func (r *Reader) Failf(format string, args ...any) { r.Fail(fmt.Errorf(format, args...)) }

// Continue goes on with what a decoder of another package left of Rest:
// r.Continue(x.Decode(r.Rest())).
func (r *Reader) Continue(rest []byte, err error) {
	if err != nil {
		r.Fail(err)
		return
	}
	r.rest = rest
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.rest) == 0 {
		r.Fail(ErrShort)
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// Uint reads a varint in its shortest form.
func (r *Reader) Uint() uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 {
		v := r.rest[0]
		r.rest = r.rest[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.rest)
	switch {
	case n == 0:
		r.Fail(ErrShort)
		return 0
	case n < 0 || r.rest[n-1] == 0:
		r.Fail(ErrCanonical)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Int reads a zigzag varint.
func (r *Reader) Int() int64 {
	u := r.Uint()
	return int64(u>>1) ^ -int64(u&1)
}

// Uint64 reads eight bytes, least first.
func (r *Reader) Uint64() uint64 {
	if len(r.rest) < 8 {
		r.Fail(ErrShort)
		return 0
	}
	v := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return v
}

// Count reads the number of things that follow, each of at least size bytes: a
// number that the rest cannot hold is refused before anything is allocated.
func (r *Reader) Count(size int) int {
	n := r.Uint()
	if n > uint64(len(r.rest)/size) {
		r.Fail(ErrShort)
		return 0
	}
	return int(n)
}

// Text reads bytes behind their length; they alias the source.
func (r *Reader) Text() []byte {
	n := r.Count(1)
	t := r.rest[:n]
	r.rest = r.rest[n:]
	return t
}

// Double reads a double of AppendDouble.
func (r *Reader) Double() float64 {
	u := r.Uint()
	if u&1 == 0 {
		u >>= 1
		n := int64(u>>1) ^ -int64(u&1)
		if n <= -maxIntegral || n >= maxIntegral {
			r.Fail(ErrCanonical)
			return 0
		}
		return float64(n)
	}
	f := math.Float64frombits(r.Uint64())
	bad := math.IsNaN(f) || math.IsInf(f, 0) || f == math.Trunc(f) && math.Abs(f) < maxIntegral
	if u != 1 || bad && r.err == nil {
		r.Fail(ErrCanonical)
		return 0
	}
	return f
}
