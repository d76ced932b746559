package kafka

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// producerState is what a transactional or idempotent batch says of its
// producer; noProducer says nothing.
type producerState struct {
	id            int64
	epoch         int16
	sequence      int32
	transactional bool
}

func noProducer() producerState { return producerState{id: -1, epoch: -1, sequence: -1} }

// appendBatch writes one record batch (see batchread.go for the format).
func appendBatch(dst []byte, records []logrecord.Record, codec Compression, p producerState) ([]byte, error) {
	start := len(dst)
	base := millis(records[0].LogTime)
	newest := base
	room := batchHeader
	for i := range records {
		room += recordBytes(&records[i])
	}
	dst = slices.Grow(dst, room)[:start+batchHeader]
	clear(dst[start:])
	for i := range records {
		var err error
		ms := millis(records[i].LogTime)
		newest = max(newest, ms)
		if dst, err = appendRecord(dst, &records[i], ms-base, i); err != nil {
			return dst, err
		}
	}
	if codec != Uncompressed {
		packed, err := pack(dst[start+batchHeader:], codec)
		if err != nil {
			return dst, err
		}
		dst = append(dst[:start+batchHeader], packed...)
	}
	attributes := uint16(codec)
	if p.transactional {
		attributes |= attrTransaction
	}
	b := dst[start:]
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batchPrefix))
	binary.BigEndian.PutUint32(b[12:], math.MaxUint32) // leader epoch: the broker's
	b[16] = 2
	binary.BigEndian.PutUint16(b[21:], attributes)
	binary.BigEndian.PutUint32(b[23:], uint32(len(records)-1))
	binary.BigEndian.PutUint64(b[27:], uint64(base))
	binary.BigEndian.PutUint64(b[35:], uint64(newest))
	binary.BigEndian.PutUint64(b[43:], uint64(p.id))
	binary.BigEndian.PutUint16(b[51:], uint16(p.epoch))
	binary.BigEndian.PutUint32(b[53:], uint32(p.sequence))
	binary.BigEndian.PutUint32(b[57:], uint32(len(records)))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli()))
	return dst, nil
}

// millis cuts a log time to the log's milliseconds, downwards.
func millis(t featurestore.LogTime) int64 {
	return int64(featurestore.Instant(t).Floor(featurestore.Millisecond)) / 1000
}

func appendRecord(dst []byte, r *logrecord.Record, timeDelta int64, i int) ([]byte, error) {
	count, err := r.Headers.Count()
	if err != nil {
		return dst, featurestore.Invalidf("kafka: record %d: %w", i, err)
	}
	size := 1 + varintLen(timeDelta) + varintLen(int64(i)) + fieldLen(r.Key) + fieldLen(r.Value) +
		varintLen(int64(count)) + len(r.Headers)
	dst = binary.AppendVarint(dst, int64(size))
	dst = append(dst, 0) // attributes
	dst = binary.AppendVarint(dst, timeDelta)
	dst = binary.AppendVarint(dst, int64(i))
	dst = appendField(dst, r.Key)
	dst = appendField(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(count))
	return append(dst, r.Headers...), nil
}

func appendField(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

func fieldLen(b []byte) int {
	if b == nil {
		return 1
	}
	return varintLen(int64(len(b))) + len(b)
}

func varintLen(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	n := 1
	for ; u >= 0x80; u >>= 7 {
		n++
	}
	return n
}

// recordBytes is an upper bound of what a record takes in a batch.
func recordBytes(r *logrecord.Record) int {
	return len(r.Key) + len(r.Value) + len(r.Headers) + 40
}

// cutChunk gives how many records fit a batch of limit bytes; at least one.
func cutChunk(records []logrecord.Record, limit int) int {
	size := 0
	for i := range records {
		size += recordBytes(&records[i])
		if size > limit && i > 0 {
			return i
		}
	}
	return len(records)
}

func tooLarge(p partition, r *logrecord.Record, err error) error {
	return fmt.Errorf("%s: a record of %d bytes is larger than the topic takes (max.message.bytes): %w", p, recordBytes(r), err)
}
