package kafka

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// A record batch of Kafka's message format 2 (KIP-98), big endian:
//
//	 0 base offset int64        23 last offset delta int32
//	 8 length int32, after it   27 base timestamp int64, ms
//	12 leader epoch int32       35 max timestamp int64, ms
//	16 magic int8 = 2           43 producer id int64
//	17 CRC-32C of what follows  51 producer epoch int16
//	21 attributes int16         53 base sequence int32
//	                            57 number of records int32, then the records
const (
	batchPrefix = 12 // base offset and length
	batchHeader = 61

	attrCodec       = 0x07
	attrAppendTime  = 0x08
	attrTransaction = 0x10
	attrControl     = 0x20
)

// batchHead is the header of one record batch; body is what follows it.
type batchHead struct {
	base, last        int64
	attributes        int16
	baseTime, maxTime int64
	producer          int64
	count             int32
	body              []byte
}

// cutBatch takes one whole batch off; ok is false where only a part is there,
// which a broker may send at the end of an answer.
func cutBatch(b []byte) (h batchHead, rest []byte, ok bool, err error) {
	if len(b) < batchPrefix {
		return h, nil, false, nil
	}
	size := int(int32(binary.BigEndian.Uint32(b[8:])))
	h.base = int64(binary.BigEndian.Uint64(b))
	if size < 0 || size > len(b)-batchPrefix {
		return h, nil, false, nil
	}
	if size < batchHeader-batchPrefix {
		return h, nil, false, fmt.Errorf("record batch at offset %d has %d bytes", h.base, size)
	}
	whole, rest := b[:batchPrefix+size], b[batchPrefix+size:]
	if magic := whole[16]; magic != 2 {
		return h, nil, false, fmt.Errorf("record batch at offset %d has message format %d; only 2 is read (Kafka 0.11 and later)", h.base, magic)
	}
	if crc32.Checksum(whole[21:], castagnoli()) != binary.BigEndian.Uint32(whole[17:]) {
		return h, nil, false, fmt.Errorf("record batch at offset %d: checksum mismatch", h.base)
	}
	h.attributes = int16(binary.BigEndian.Uint16(whole[21:]))
	h.last = h.base + int64(binary.BigEndian.Uint32(whole[23:]))
	h.baseTime = int64(binary.BigEndian.Uint64(whole[27:]))
	h.maxTime = int64(binary.BigEndian.Uint64(whole[35:]))
	h.producer = int64(binary.BigEndian.Uint64(whole[43:]))
	h.count = int32(binary.BigEndian.Uint32(whole[57:]))
	h.body = whole[batchHeader:]
	return h, rest, true, nil
}

// castagnoli gives the polynomial of CRC-32C; the standard library makes the
// table once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// unpackLimits bound the memory of one fetch.
type unpackLimits struct {
	batch int // one batch may not unpack to more
	soft  int // past this the rest of the answer is left for the next fetch
}

// fill walks the batches of an answer into b: records from offset `from` on
// that are committed. b.Next moves over everything that was walked, b.Removed is what of
// that was not there.
func fill(b *logrecord.Batch, res *fetchResponse, from int64, limits unpackLimits) error {
	b.Next = from
	filter := newAbortFilter(res.aborted)
	for rest := res.records; len(rest) > 0; {
		if len(b.Unpacked) > limits.soft {
			return nil
		}
		h, next, ok, err := cutBatch(rest)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		rest = next
		if h.base > b.Next {
			b.Removed = append(b.Removed, logrecord.Offsets{From: b.Next, To: h.base})
		}
		if filter.keep(&h) && h.last >= from {
			if err := appendRecords(b, &h, from, limits.batch); err != nil {
				return fmt.Errorf("record batch at offset %d: %w", h.base, err)
			}
		}
		b.Next = max(b.Next, h.last+1)
	}
	return nil
}

// leastRecord is the length of the shortest record, in bytes.
const leastRecord = 7

// appendRecords adds the records of one batch.
func appendRecords(b *logrecord.Batch, h *batchHead, from int64, limit int) error {
	body := h.body
	if codec := Compression(h.attributes & attrCodec); codec != Uncompressed {
		start := len(b.Unpacked)
		var err error
		if b.Unpacked, err = unpack(b.Unpacked, body, codec, limit); err != nil {
			return err
		}
		body = b.Unpacked[start:]
	}
	appendTime := h.attributes&attrAppendTime != 0
	c, next := cursor{b: body}, max(h.base, from)
	b.Records = slices.Grow(b.Records, max(0, min(int(h.count), len(body)/leastRecord))) // the count may be any
	for range h.count {
		r, err := cutRecord(&c)
		if err != nil {
			return err
		}
		offset := h.base + r.offsetDelta
		if offset < from {
			continue
		}
		if offset > next { // compaction leaves a batch its offsets
			b.Removed = append(b.Removed, logrecord.Offsets{From: next, To: offset})
		}
		next = max(next, offset+1)
		rec := logrecord.Record{
			Partition: b.Partition,
			Offset:    offset,
			LogTime:   logTimeOf(h.baseTime + r.timeDelta),
			Key:       r.key, Value: r.value, Headers: r.headers,
		}
		if appendTime {
			rec.Origin, rec.LogTime = logrecord.OriginBroker, logTimeOf(h.maxTime)
		}
		b.Records = append(b.Records, rec)
	}
	if next <= h.last {
		b.Removed = append(b.Removed, logrecord.Offsets{From: next, To: h.last + 1})
	}
	return nil
}

// logTimeOf converts a log's milliseconds.
func logTimeOf(ms int64) featurestore.LogTime { return featurestore.LogTime(ms * 1000) }

// wireRecord is one record as it stands in a batch.
type wireRecord struct {
	timeDelta, offsetDelta int64
	key, value             []byte
	headers                logrecord.Headers
}

// cutRecord takes one record off: length, attributes, deltas of time and
// offset, key, value, headers.
func cutRecord(c *cursor) (r wireRecord, err error) {
	size := c.varint()
	if size < 0 || size > int64(len(c.b)) {
		return r, errShort
	}
	in := cursor{b: c.take(int(size))}
	in.take(1) // attributes: none are defined
	r.timeDelta = in.varint()
	r.offsetDelta = in.varint()
	r.key = in.bytes()
	r.value = in.bytes()
	count := in.varint()
	if in.err != nil {
		return r, in.err
	}
	if count == 0 {
		return r, nil
	}
	r.headers = logrecord.Headers(in.b)
	n, err := r.headers.Count()
	if err == nil && int64(n) != count {
		err = fmt.Errorf("%d record headers, not the %d announced", n, count)
	}
	return r, err
}

// abortFilter decides which batches count, as Kafka's own consumer does: a
// transactional batch of a producer counts unless an entry of the aborted list
// with a first offset at or before it is open; the producer's next abort marker
// closes the entry.
type abortFilter struct {
	pending []abortedTxn // ascending by first offset
	open    map[int64]struct{}
}

func newAbortFilter(aborted []abortedTxn) *abortFilter {
	f := &abortFilter{pending: slices.Clone(aborted)}
	slices.SortFunc(f.pending, func(a, b abortedTxn) int { return cmp.Compare(a.first, b.first) })
	return f
}

// keep reports whether the batch's records are committed data.
func (f *abortFilter) keep(h *batchHead) bool {
	for len(f.pending) > 0 && f.pending[0].first <= h.last {
		if f.open == nil {
			f.open = map[int64]struct{}{}
		}
		f.open[f.pending[0].producer] = struct{}{}
		f.pending = f.pending[1:]
	}
	if h.attributes&attrControl != 0 {
		if isAbortMarker(h) {
			delete(f.open, h.producer)
		}
		return false
	}
	if h.attributes&attrTransaction == 0 {
		return true
	}
	_, aborted := f.open[h.producer]
	return !aborted
}

// isAbortMarker reads the key of a control record: version and type, two int16;
// type 0 is abort, 1 commit.
func isAbortMarker(h *batchHead) bool {
	r, err := cutRecord(&cursor{b: h.body})
	return err == nil && len(r.key) >= 4 && binary.BigEndian.Uint16(r.key[2:]) == 0
}
