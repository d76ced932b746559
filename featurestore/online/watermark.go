package online

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// MaxPrints is the number of fingerprints that a watermark holds at most.
const MaxPrints = 8

// A stored watermark, version 1:
//
//	byte 0      version, 1
//	bytes 1-8   offset, int64, little endian
//	varint      log time (zigzag, microseconds)
//	varint      fetch time - log time
//	uvarint     number of fingerprints, at most 8; then for each
//	  varint    watermark's offset - fingerprint's offset
//	  varint    fingerprint's log time - watermark's log time
//	  8 bytes   hash, little endian
//
// Differences wrap modulo 2^64. Nothing follows. Version and offset have a fixed
// place, so that a store compares the offset by the equality of 9 bytes.
const (
	watermarkVersion = 1
	watermarkHead    = 9
)

// AppendWatermarkHead appends the first 9 bytes of every watermark with this
// offset: the chain of a lane is compared by them.
func AppendWatermarkHead(dst []byte, offset int64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, watermarkVersion), uint64(offset))
}

// AppendWatermark appends the stored form of a watermark; fingerprints past
// MaxPrints are cut.
func AppendWatermark(dst []byte, w Watermark) []byte {
	dst = AppendWatermarkHead(dst, w.Offset)
	dst = binary.AppendVarint(dst, int64(w.LogTime))
	dst = binary.AppendVarint(dst, int64(w.FetchTime)-int64(w.LogTime))
	prints := w.Prints[:min(len(w.Prints), MaxPrints)]
	dst = binary.AppendUvarint(dst, uint64(len(prints)))
	for _, p := range prints {
		dst = binary.AppendVarint(dst, w.Offset-p.Offset)
		dst = binary.AppendVarint(dst, int64(p.LogTime)-int64(w.LogTime))
		dst = binary.LittleEndian.AppendUint64(dst, p.Hash)
	}
	return dst
}

// DecodeWatermark reads what AppendWatermark wrote.
func DecodeWatermark(b []byte) (Watermark, error) {
	if len(b) < watermarkHead {
		return Watermark{}, fmt.Errorf("%w: watermark of %d bytes", ErrDamaged, len(b))
	}
	if b[0] != watermarkVersion {
		return Watermark{}, fmt.Errorf("watermark of %d bytes is not of version %d", len(b), watermarkVersion)
	}
	d := decoder{rest: b[watermarkHead:]}
	w := Watermark{Offset: int64(binary.LittleEndian.Uint64(b[1:]))}
	w.LogTime = featurestore.LogTime(d.varint())
	w.FetchTime = featurestore.Instant(d.varint() + int64(w.LogTime))
	n := d.uvarint()
	if n > MaxPrints {
		return Watermark{}, fmt.Errorf("%w: watermark has %d fingerprints, at most %d are possible", ErrDamaged, n, MaxPrints)
	}
	for range n {
		w.Prints = append(w.Prints, Fingerprint{
			Offset:  w.Offset - d.varint(),
			LogTime: featurestore.LogTime(d.varint() + int64(w.LogTime)),
			Hash:    d.fixed64(),
		})
	}
	if d.bad || len(d.rest) > 0 {
		return Watermark{}, fmt.Errorf("%w: watermark of %d bytes", ErrDamaged, len(b))
	}
	return w, nil
}

// decoder takes numbers from the front of rest; bad stays set once one is cut.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	d.skip(n)
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	d.skip(n)
	return v
}

func (d *decoder) fixed64() uint64 {
	if len(d.rest) < 8 {
		d.skip(0)
		return 0
	}
	v := binary.LittleEndian.Uint64(d.rest)
	d.skip(8)
	return v
}

func (d *decoder) skip(n int) {
	if n <= 0 {
		d.rest, d.bad = nil, true
		return
	}
	d.rest = d.rest[n:]
}

// AppendField appends a partition as the field of its watermark:
// source|generation|partition, the numbers in decimal.
func (p Partition) AppendField(dst []byte) []byte {
	dst = append(append(dst, p.Source...), '|')
	dst = append(strconv.AppendUint(dst, uint64(p.Generation), 10), '|')
	return strconv.AppendInt(dst, int64(p.Number), 10)
}

// ParsePartition reads what AppendField wrote; the source is all before the
// last two bars.
func ParsePartition(field string) (Partition, error) {
	head, number, ok1 := cutLast(field)
	source, generation, ok2 := cutLast(head)
	n, err1 := strconv.ParseInt(number, 10, 32)
	g, err2 := strconv.ParseUint(generation, 10, 32)
	p := Partition{Source: source, Generation: uint32(g), Number: int32(n)}
	if !ok1 || !ok2 || err1 != nil || err2 != nil || string(p.AppendField(nil)) != field {
		return Partition{}, fmt.Errorf("watermark field %q is not source|generation|partition", field)
	}
	return p, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '|')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}
