package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/window"
)

const (
	entityMagic   = "FRSE"
	entityVersion = 2

	countSize   = 2  // of the applied list
	appliedSize = 26 // of one of its entries
)

// never is the newest event time of a state that has folded no event.
const never = math.MinInt64

// Header is what an entity's blobs say of themselves beside its state.
type Header struct {
	Definition Hash
	Key        []byte
}

// AppendOpen appends the open part of an entity's settled state: all of it where
// it has no closed part. The blob begins with a fixed-place copy of its applied
// list (AppliedPrefix), so that a store can compare it without decoding. The key
// is one of AppendKey's; closed names the closed part that stands, or will stand,
// beside it.
func AppendOpen(dst []byte, h Header, closed Closed, p *window.Plan, s *window.State) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(s.Applied)))
	for i := range s.Applied {
		e := &s.Applied[i]
		dst = binary.LittleEndian.AppendUint16(dst, e.Source)
		dst = binary.LittleEndian.AppendUint32(dst, e.Generation)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Partition))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Offset))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.MaxLogTime))
	}
	dst = append(append(dst, entityMagic...), entityVersion)
	dst = append(dst, h.Definition[:]...)
	newest := int64(never)
	if e, ok := s.Newest(); ok {
		newest = int64(e)
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(newest))
	dst = appendKeyEcho(dst, h.Key)
	dst = pack.AppendUint(dst, uint64(closed.Size))
	if closed.Size > 0 {
		dst = binary.LittleEndian.AppendUint64(dst, closed.Sum)
	}
	return seal(p.AppendOpen(dst, s), start)
}

// AppendEntity appends both parts of an entity's settled state, each to its own dst.
func AppendEntity(open, closed []byte, h Header, p *window.Plan, s *window.State) (openBlob, closedBlob []byte) {
	start := len(closed)
	closed = AppendClosed(closed, h, p, s)
	return AppendOpen(open, h, ClosedOf(closed[start:]), p, s), closed
}

func appendKeyEcho(dst, key []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(dst, uint16(len(key))), key...)
}

// AppliedPrefix is the leading part of a blob that holds its applied list: two
// blobs of an entity have the same prefix iff their applied lists are equal. It
// is a part of the blob, not a copy.
func AppliedPrefix(blob []byte) ([]byte, error) {
	if len(blob) < countSize {
		return nil, ErrTruncated
	}
	n := countSize + appliedSize*int(binary.LittleEndian.Uint16(blob))
	if len(blob) < n {
		return nil, ErrTruncated
	}
	return blob[:n], nil
}

// AppliedOf reads the applied list of a blob without its state. Only DecodeEntity
// verifies the blob.
func AppliedOf(blob []byte) (featurestore.Applied, error) {
	prefix, err := AppliedPrefix(blob)
	if err != nil {
		return nil, err
	}
	return appendApplied(make(featurestore.Applied, 0, len(prefix)/appliedSize), prefix)
}

func appendApplied(list featurestore.Applied, prefix []byte) (featurestore.Applied, error) {
	first := len(list)
	for b := prefix[countSize:]; len(b) > 0; b = b[appliedSize:] {
		e := featurestore.AppliedEntry{
			PartitionID: featurestore.PartitionID{
				Source:     binary.LittleEndian.Uint16(b),
				Generation: binary.LittleEndian.Uint32(b[2:]),
				Partition:  int32(binary.LittleEndian.Uint32(b[6:])),
			},
			Offset:     int64(binary.LittleEndian.Uint64(b[10:])),
			MaxLogTime: featurestore.LogTime(binary.LittleEndian.Uint64(b[18:])),
		}
		if n := len(list); n > first && list[n-1].PartitionID.Compare(e.PartitionID) >= 0 {
			return nil, fmt.Errorf("%w: its applied list does not ascend", ErrMalformed)
		}
		list = append(list, e)
	}
	return list, nil
}

// DecodeEntity reads both parts of an entity, as of one moment, into s; closed is
// nil where none stands. It verifies magic, version, checksum, definition, key
// echo, and that the closed part is the one that the open part names. The error
// says which of them was wrong (ErrMagic and so on); s is then an entity never
// seen.
func DecodeEntity(open, closed []byte, h Header, p *window.Plan, s *window.State) error {
	err := decodeEntity(open, closed, h, p, s)
	if err != nil {
		s.Reset()
		return entityError(open, closed, err)
	}
	return nil
}

func decodeEntity(open, closed []byte, h Header, p *window.Plan, s *window.State) error {
	in, applied, err := openEntity(open, closed, h, s.Applied[:0])
	s.Applied = applied
	if err != nil {
		return err
	}
	if err := p.DecodeState(in.Open, in.Closed, in.Header, s); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// OpenEntity verifies both parts of an entity as DecodeEntity does, and gives
// what window.Plan.ReadPacked reads, without decoding it: bodies that alias the
// blobs, and the applied list, which it appends to list, so that the lists of
// many entities can share memory. The error is DecodeEntity's; list is then as
// it was.
func OpenEntity(open, closed []byte, h Header, list featurestore.Applied) (window.Packed, featurestore.Applied, error) {
	in, grown, err := openEntity(open, closed, h, list)
	if err != nil {
		return window.Packed{}, list, entityError(open, closed, err)
	}
	return in, grown, nil
}

// ReadEntity computes every feature at t into out from what OpenEntity gave. The
// error is ErrMalformed; out is then undefined.
func ReadEntity(in window.Packed, p *window.Plan, t featurestore.Instant, sc *window.Scratch, out []featurestore.Cell) error {
	if err := p.ReadPacked(in, t, sc, out); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

func entityError(open, closed []byte, err error) error {
	return fmt.Errorf("entity blob of %d bytes and a closed part of %d: %w", len(open), len(closed), err)
}

func openEntity(open, closed []byte, h Header, list featurestore.Applied) (in window.Packed, grown featurestore.Applied, err error) {
	prefix, err := AppliedPrefix(open)
	if err != nil {
		return in, list, err
	}
	rest, err := unseal(open, len(prefix), entityMagic, entityVersion)
	if err != nil {
		return in, list, err
	}
	if len(rest) < len(h.Definition)+8 {
		return in, list, ErrTruncated
	}
	definition := Hash(rest[:len(h.Definition)])
	if definition != h.Definition {
		return in, list, fmt.Errorf("%w: %s, not %s", ErrDefinition, definition, h.Definition)
	}
	rest = rest[len(definition):]
	newest := int64(binary.LittleEndian.Uint64(rest))
	if rest, err = checkKey(rest[8:], h.Key); err != nil {
		return in, list, err
	}
	var named Closed
	if in.Open, named, err = cutClosed(rest); err != nil {
		return in, list, err
	}
	if in.Closed, err = openClosed(closed, named, h.Key); err != nil {
		return in, list, err
	}
	if grown, err = appendApplied(list, prefix); err != nil {
		return in, list, err
	}
	applied := grown[len(list):len(grown):len(grown)]
	in.Header = window.Header{Applied: applied, Newest: featurestore.EventTime(newest), Folded: newest != never}
	return in, grown, nil
}

// checkKey takes the key echo off the front and compares it.
func checkKey(b, want []byte) (rest []byte, err error) {
	key, rest, err := cutKey(b)
	if err == nil && !bytes.Equal(key, want) {
		return nil, fmt.Errorf("%w: %x, not %x", ErrKey, key, want)
	}
	return rest, err
}

// cutKey takes a key behind its length (uint16, little endian) off the front.
func cutKey(b []byte) (key, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, ErrTruncated
	}
	n := int(binary.LittleEndian.Uint16(b))
	if b = b[2:]; len(b) < n {
		return nil, nil, ErrTruncated
	}
	return b[:n], b[n:], nil
}
