package predictions

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// A segment is segmentMagic, the version, then frames: the payload's length
// (uint32, little endian), its XXH3 (uint64, little endian), the payload. A
// payload begins with its kind.
const (
	segmentMagic = "FRSPLOG"
	frameHead    = 4 + 8
)

type recordKind byte

const (
	kindSchema     recordKind = 1 // schema number (uvarint), header as JSON
	kindLookup     recordKind = 2
	kindPrediction recordKind = 3
)

// AppendSegmentHead appends what a segment begins with.
func AppendSegmentHead(dst []byte) []byte { return append(append(dst, segmentMagic...), Version) }

// frame appends a payload that fill writes, behind its length and hash.
func frame(dst []byte, fill func([]byte) []byte) []byte {
	start := len(dst)
	dst = fill(append(dst, make([]byte, frameHead)...))
	payload := dst[start+frameHead:]
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(dst[start+4:], xxh3.Hash(payload))
	return dst
}

// AppendSchema appends a header, under a number of its own in the segment: from
// 1, each one more than the one before.
func AppendSchema(dst []byte, schema int, header []byte) []byte {
	return frame(dst, func(b []byte) []byte {
		return append(pack.AppendUint(append(b, byte(kindSchema)), uint64(schema)), header...)
	})
}

// Segment is what could be read of a segment.
type Segment struct {
	Records []Record
	// Damaged counts frames whose hash does not agree, which were left out; Torn
	// is the bytes after the last whole frame: a write that did not end.
	Damaged int
	Torn    int
}

// Record is one logged record of a segment, decoded as far as it is sorted by.
type Record struct {
	Header   *Header // nil for outputs
	Schema   int     // 0 for outputs
	LoggedAt featurestore.Instant
	Rows     int
	body     pack.Reader
}

// ErrSegment says that bytes are no segment that this program reads.
var ErrSegment = errors.New("not a segment of the prediction log that this program reads")

// ReadSegment finds the records of a segment, which keeps data. What cannot be
// read is counted and left out: a torn tail is of a write that did not end. A
// file cut within its head holds nothing.
func ReadSegment(data []byte) (*Segment, error) {
	head := AppendSegmentHead(nil)
	if len(data) < len(head) {
		return &Segment{Torn: len(data)}, nil
	}
	if string(data[:len(head)]) != string(head) {
		return nil, fmt.Errorf("%w: it begins with %q", ErrSegment, data[:len(head)])
	}
	r := segmentReader{headers: map[int]*Header{}}
	rest := data[len(head):]
	for len(rest) >= frameHead {
		n := int64(binary.LittleEndian.Uint32(rest))
		if n > int64(len(rest)-frameHead) {
			break
		}
		payload := rest[frameHead : frameHead+n]
		if xxh3.Hash(payload) != binary.LittleEndian.Uint64(rest[4:]) || r.record(payload) != nil {
			r.out.Damaged++
		}
		rest = rest[frameHead+n:]
	}
	r.out.Torn = len(rest)
	return &r.out, nil
}

type segmentReader struct {
	headers map[int]*Header
	out     Segment
}

func (s *segmentReader) record(payload []byte) error {
	r := pack.NewReader(payload)
	switch kind := recordKind(r.Byte()); kind {
	case kindSchema:
		schema := int(r.Uint())
		header, err := DecodeHeader(r.Rest())
		if err = errors.Join(r.Err(), err); err != nil {
			return err
		}
		s.headers[schema] = header
		return nil
	case kindLookup, kindPrediction:
		rec := Record{Rows: 1}
		if kind == kindLookup {
			rec.Schema = int(r.Uint())
			rec.Rows = int(r.Uint())
			if rec.Header = s.headers[rec.Schema]; rec.Header == nil {
				return fmt.Errorf("schema %d is not in the segment", rec.Schema)
			}
		}
		rec.LoggedAt = featurestore.Instant(r.Int())
		rec.body = r
		if r.Err() == nil {
			s.out.Records = append(s.out.Records, rec)
		}
		return r.Err()
	default:
		return fmt.Errorf("unknown kind of record %d", kind)
	}
}
