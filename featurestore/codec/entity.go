package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

const (
	entityMagic   = "FRSE"
	entityVersion = 1

	countSize   = 2  // of the applied list
	appliedSize = 26 // of one of its entries
)

// never is the newest event time of a state that has folded no event.
const never = math.MinInt64

// Header is what an entity blob says of itself beside its state.
type Header struct {
	Definition Hash
	Key        []byte
}

// AppendEntity appends the blob of an entity's settled state. The blob begins
// with a fixed-place copy of its applied list (AppliedPrefix), so that a store
// can compare it without decoding. The key is one of AppendKey's.
func AppendEntity(dst []byte, h Header, p *window.Plan, s *window.State) []byte {
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
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(h.Key)))
	dst = append(dst, h.Key...)
	dst = p.AppendState(dst, s)
	return seal(dst, start)
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
		if n := len(list); n > 0 && list[n-1].PartitionID.Compare(e.PartitionID) >= 0 {
			return nil, fmt.Errorf("%w: its applied list does not ascend", ErrMalformed)
		}
		list = append(list, e)
	}
	return list, nil
}

// DecodeEntity reads a blob into s, verifying magic, version, checksum,
// definition and key echo. The error says which of them was wrong (ErrMagic and
// so on); s is then an entity never seen.
func DecodeEntity(blob []byte, h Header, p *window.Plan, s *window.State) error {
	err := decodeEntity(blob, h, p, s)
	if err != nil {
		s.Reset()
		return fmt.Errorf("entity blob of %d bytes: %w", len(blob), err)
	}
	return nil
}

func decodeEntity(blob []byte, h Header, p *window.Plan, s *window.State) error {
	prefix, err := AppliedPrefix(blob)
	if err != nil {
		return err
	}
	rest, err := unseal(blob, len(prefix), entityMagic, entityVersion)
	if err != nil {
		return err
	}
	if len(rest) < len(h.Definition)+8 {
		return ErrTruncated
	}
	definition := Hash(rest[:len(h.Definition)])
	if definition != h.Definition {
		return fmt.Errorf("%w: %s, not %s", ErrDefinition, definition, h.Definition)
	}
	rest = rest[len(definition):]
	newest := int64(binary.LittleEndian.Uint64(rest))
	key, body, err := cutKey(rest[8:])
	if err != nil {
		return err
	}
	if !bytes.Equal(key, h.Key) {
		return fmt.Errorf("%w: %x, not %x", ErrKey, key, h.Key)
	}
	s.Applied, err = appendApplied(s.Applied[:0], prefix)
	if err != nil {
		return err
	}
	state := window.Header{Applied: s.Applied, Newest: featurestore.EventTime(newest), Folded: newest != never}
	if err := p.DecodeWhole(body, state, s); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
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
