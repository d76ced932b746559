package kafka

import (
	"io"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// readCommitted is the isolation level at which a broker stops at the last
// stable offset and lists the aborted transactions below it.
const readCommitted = 1

// fetchRequest asks one partition for record batches. It is its own codec,
// versions 4 to 11 of the Fetch API (KIP-98, KIP-227, KIP-392), without a
// fetch session. It is used once.
type fetchRequest struct {
	client    string
	topic     string
	partition int32
	offset    int64
	maxBytes  int32
	maxWaitMS int32
	limit     int    // of the answer
	buf       []byte // to read the answer into; given away until the answer is there
	version   int16
}

func (r *fetchRequest) ApiKey() protocol.ApiKey { return protocol.Fetch }

func (r *fetchRequest) Broker(c protocol.Cluster) (protocol.Broker, error) {
	return leaderOf(c, r.topic, r.partition)
}

// Required is part of protocol.RawExchanger.
func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = min(versions[protocol.Fetch], 11)
	return true
}

// RawExchange is part of protocol.RawExchanger.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < 4 {
		return nil, kafkago.UnsupportedVersion
	}
	buf, err := exchange(rw, r.encode(), r.buf, r.limit)
	if err != nil {
		return nil, err
	}
	res := &fetchResponse{buf: buf}
	return res, res.decode(r.version)
}

func (r *fetchRequest) encode() []byte {
	v := r.version
	b := appendHeader(make([]byte, 0, 128), protocol.Fetch, v, r.client)
	b = appendInt32(b, -1) // a consumer, not a replica
	b = appendInt32(b, r.maxWaitMS)
	b = appendInt32(b, 1)          // min bytes
	b = appendInt32(b, r.maxBytes) // max bytes
	b = append(b, readCommitted)
	if v >= 7 {
		b = appendInt32(b, 0)  // no session
		b = appendInt32(b, -1) // and none wanted
	}
	b = appendInt32(b, 1)
	b = appendString(b, r.topic)
	b = appendInt32(b, 1)
	b = appendInt32(b, r.partition)
	if v >= 9 {
		b = appendInt32(b, -1) // leader epoch not known
	}
	b = appendInt64(b, r.offset)
	if v >= 5 {
		b = appendInt64(b, -1) // log start: replicas only
	}
	b = appendInt32(b, r.maxBytes)
	if v >= 7 {
		b = appendInt32(b, 0) // nothing to forget
	}
	if v >= 11 {
		b = appendString(b, "") // rack
	}
	return b
}

// abortedTxn is an entry of the aborted list: records of this producer from
// this offset on, up to its next abort marker, do not count.
type abortedTxn struct {
	producer int64
	first    int64
}

// fetchResponse is the answer for one partition. records points into buf.
type fetchResponse struct {
	buf           []byte
	code          int16
	highWatermark int64
	lastStable    int64
	logStart      int64
	aborted       []abortedTxn
	records       []byte
}

func (r *fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

func (r *fetchResponse) decode(version int16) error {
	c := cursor{b: r.buf}
	c.int32() // throttle time
	if version >= 7 {
		r.code = c.int16()
		c.int32() // session
	}
	if n := c.int32(); n != 1 || r.code != 0 {
		return c.err
	}
	_ = c.string()
	if n := c.int32(); n != 1 {
		return c.err
	}
	c.int32() // partition
	r.code = c.int16()
	r.highWatermark = c.int64()
	r.lastStable = c.int64()
	if version >= 5 {
		r.logStart = c.int64()
	}
	for n := c.int32(); n > 0 && c.err == nil; n-- {
		r.aborted = append(r.aborted, abortedTxn{producer: c.int64(), first: c.int64()})
	}
	if version >= 11 {
		c.int32() // preferred replica: none without a rack
	}
	if n := c.int32(); n > 0 {
		r.records = c.take(int(n))
	}
	return c.err
}
