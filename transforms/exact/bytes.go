package exact

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// The formats are specified in docs/formats/entity-v1.md ("Exact sums").

// Limits of a sum's bytes: no sum of fourth powers of finite float64 values leaves
// them. Sums of plain values and squares stay within half of them.
const (
	minExponent = -4300
	maxExponent = 4300
)

var (
	errShort     = errors.New("exact sum: bytes end early")
	errCanonical = errors.New("exact sum: bytes are not in canonical form")
)

// Append appends the canonical bytes of the sum: one for zero, about two for a
// small integer, at most 10 for any int64 and 12 for any float64.
func (f *Float) Append(dst []byte) []byte {
	if v, ok := f.integer(); ok {
		return binary.AppendUvarint(dst, zigzag(v)<<1)
	}
	var buf [8]uint64
	mag, neg := f.magnitude(buf[:0])
	if len(mag) == 0 {
		return append(dst, 0)
	}
	low := trailingZeros(mag)
	exp, n := 64*int(f.base)+low, bitLen(mag)-low
	if exp >= 0 && exp+n <= 62 {
		v := int64(bitsAt(mag, low) << uint(exp))
		if neg {
			v = -v
		}
		return binary.AppendUvarint(dst, zigzag(v)<<1)
	}
	size := (n + 7) / 8
	head := uint64(size)<<2 | 1
	if neg {
		head |= 2
	}
	dst = binary.AppendUvarint(dst, head)
	dst = binary.AppendUvarint(dst, zigzag(int64(exp)))
	for i := 0; i < size; i++ {
		dst = append(dst, byte(bitsAt(mag, low+8*i)))
	}
	return dst
}

// integer gives zero, and an integer below 2^62 in size in limbs of the usual
// base: the sums that most cells hold.
func (f *Float) integer() (v int64, ok bool) {
	if f.n != inlineLimbs {
		return 0, f.n == 0
	}
	v = int64(f.in[2])
	ok = f.base == usualBase && f.in[0]|f.in[1] == 0 && int64(f.in[3]) == v>>63 && v > -1<<62 && v < 1<<62
	return v, ok
}

// Decode reads a sum from the front of src and returns what follows it.
func (f *Float) Decode(src []byte) (rest []byte, err error) {
	f.Reset()
	return f.MergeBytes(src)
}

// MergeBytes adds the sum that Append wrote to the front of src, and returns what
// follows it: Decode into another sum and Merge, without that other sum. After an
// error f is not to be used.
func (f *Float) MergeBytes(src []byte) (rest []byte, err error) {
	if len(src) > 0 && src[0] < 0x80 && src[0]&1 == 0 {
		f.addInteger(unzigzag(uint64(src[0] >> 1)))
		return src[1:], nil
	}
	head, src, err := uvarint(src)
	if err != nil {
		return nil, err
	}
	if head&1 == 0 {
		v := unzigzag(head >> 1)
		if v <= -1<<62 || v >= 1<<62 {
			return nil, errCanonical
		}
		f.addInteger(v)
		return src, nil
	}
	e, src, err := uvarint(src)
	if err != nil {
		return nil, err
	}
	exp := unzigzag(e)
	size := head >> 2
	if size > uint64(len(src)) {
		return nil, errShort
	}
	if exp < minExponent || exp+8*int64(size) > maxExponent {
		return nil, errCanonical
	}
	m := src[:size]
	if size == 0 || m[0]&1 == 0 || m[size-1] == 0 {
		return nil, errCanonical
	}
	if n := 8*int64(size) - int64(bits.LeadingZeros8(m[size-1])); exp >= 0 && exp+n <= 62 {
		return nil, errCanonical // has a shorter form
	}
	f.addBytes(m, int(exp), head&2 != 0)
	return src[size:], nil
}

// addInteger adds v.
func (f *Float) addInteger(v int64) {
	if f.n != inlineLimbs || f.base != usualBase {
		if f.n != 0 {
			f.add2(0, magnitude64(v), 0, uint64(v>>63))
			return
		}
		if v != 0 {
			f.base, f.n, f.in = usualBase, inlineLimbs, [inlineLimbs]uint64{2: uint64(v), 3: uint64(v >> 63)}
		}
		return
	}
	var c uint64
	old, s := f.in[3], uint64(v>>63)
	f.in[2], c = bits.Add64(f.in[2], uint64(v), 0)
	top, _ := bits.Add64(old, s, c)
	f.in[3] = top
	if (old^top)&(s^top)>>63 != 0 {
		f.push(s)
	}
}

// addBytes adds the number of m's bytes, least first, times 2^exp.
func (f *Float) addBytes(m []byte, exp int, neg bool) {
	var s uint64
	if neg {
		s = ^uint64(0)
	}
	for i := 0; i < len(m); i += 8 {
		var v uint64
		for j, b := range m[i:min(i+8, len(m))] {
			v |= uint64(b) << uint(8*j)
		}
		p := exp + 8*i
		sh := uint(p & 63)
		f.add2(p>>6, v<<sh, v>>1>>(63-sh), s)
	}
}

// Append appends the canonical bytes of the sum: a zigzag varint of 128 bits.
func (s Int128) Append(dst []byte) []byte {
	sign := uint64(s.hi >> 63)
	lo := s.lo<<1 ^ sign
	hi := (uint64(s.hi)<<1 | s.lo>>63) ^ sign
	for hi != 0 || lo >= 0x80 {
		dst = append(dst, byte(lo)|0x80)
		lo, hi = lo>>7|hi<<57, hi>>7
	}
	return append(dst, byte(lo))
}

// Decode reads a sum from the front of src and returns what follows it.
func (s *Int128) Decode(src []byte) (rest []byte, err error) {
	*s = Int128{}
	return s.MergeBytes(src)
}

// MergeBytes adds the sum that Append wrote to the front of src, and returns what
// follows it. After an error s is not to be used.
func (s *Int128) MergeBytes(src []byte) (rest []byte, err error) {
	if len(src) > 0 && src[0] < 0x80 {
		s.Add(unzigzag(uint64(src[0])))
		return src[1:], nil
	}
	if v, n := binary.Uvarint(src); 0 < n && n < binary.MaxVarintLen64-1 && src[n-1] != 0 {
		s.Add(unzigzag(v))
		return src[n:], nil
	}
	var hi, lo uint64
	for i, b := range src {
		sh := uint(7 * i)
		v := uint64(b & 0x7f)
		if i == 18 && b > 3 || i > 0 && b == 0 {
			return nil, errCanonical
		}
		if sh < 64 {
			lo |= v << sh
			hi |= v >> (64 - sh) // nothing before the tenth byte
		} else {
			hi |= v << (sh - 64)
		}
		if b < 0x80 {
			sign := -(lo & 1)
			s.Merge(Int128{hi: int64(hi>>1 ^ sign), lo: (lo>>1 | hi<<63) ^ sign})
			return src[i+1:], nil
		}
	}
	return nil, errShort
}

func trailingZeros(mag []uint64) int {
	for i, v := range mag {
		if v != 0 {
			return 64*i + bits.TrailingZeros64(v)
		}
	}
	return 0
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// uvarint reads a varint in its shortest form.
func uvarint(src []byte) (v uint64, rest []byte, err error) {
	if len(src) > 0 && src[0] < 0x80 {
		return uint64(src[0]), src[1:], nil
	}
	if len(src) > 1 && src[1] < 0x80 && src[1] != 0 {
		return uint64(src[0]&0x7f) | uint64(src[1])<<7, src[2:], nil
	}
	v, n := binary.Uvarint(src)
	switch {
	case n == 0:
		return 0, nil, errShort
	case n < 0 || n > 1 && src[n-1] == 0:
		return 0, nil, errCanonical
	}
	return v, src[n:], nil
}
