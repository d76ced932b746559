package kafka

import (
	"context"
	"errors"
	"io"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/freshet/freshet/ingest/logrecord"
)

// acksAll waits for every replica in sync.
const acksAll = -1

// produceLimit bounds the answer to a produce request, which names offsets only.
const produceLimit = 1 << 20

// produceRequest appends one record batch to one partition. It is its own
// codec, versions 3 to 8 of the Produce API. It is used once.
type produceRequest struct {
	client        string
	transactional string // "" is none
	topic         string
	partition     int32
	batch         []byte
	timeoutMS     int32
	version       int16
}

func (r *produceRequest) ApiKey() protocol.ApiKey { return protocol.Produce }

func (r *produceRequest) Broker(c protocol.Cluster) (protocol.Broker, error) {
	return leaderOf(c, r.topic, r.partition)
}

// Required is part of protocol.RawExchanger.
func (r *produceRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = min(versions[protocol.Produce], 8)
	return true
}

// RawExchange is part of protocol.RawExchanger.
func (r *produceRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < 3 {
		return nil, kafkago.UnsupportedVersion
	}
	buf, err := exchange(rw, r.encode(), nil, produceLimit)
	if err != nil {
		return nil, err
	}
	res := &produceResponse{}
	return res, res.decode(buf)
}

func (r *produceRequest) encode() []byte {
	b := make([]byte, 0, len(r.batch)+len(r.topic)+len(r.client)+128)
	b = appendHeader(b, protocol.Produce, r.version, r.client)
	if r.transactional == "" {
		b = appendInt16(b, -1) // null
	} else {
		b = appendString(b, r.transactional)
	}
	b = appendInt16(b, acksAll)
	b = appendInt32(b, r.timeoutMS)
	b = appendInt32(b, 1)
	b = appendString(b, r.topic)
	b = appendInt32(b, 1)
	b = appendInt32(b, r.partition)
	b = appendInt32(b, int32(len(r.batch)))
	return append(b, r.batch...)
}

type produceResponse struct {
	code int16
	base int64
}

func (r *produceResponse) ApiKey() protocol.ApiKey { return protocol.Produce }

// decode reads up to the base offset; what follows is not needed.
func (r *produceResponse) decode(buf []byte) error {
	c := cursor{b: buf}
	if n := c.int32(); n != 1 && c.err == nil {
		return errors.New("the broker answers for no topic")
	}
	_ = c.string()
	c.int32() // one partition
	c.int32() // its number
	r.code = c.int16()
	r.base = c.int64()
	return c.err
}

// failed is the answer's error, nil where the records stand. A leader that loses its lead
// while it waits for its followers gives the code of one that never had it, but says
// where it has appended them (DelayedProduce of Apache Kafka keeps the offset, and
// replaces the code): to send them again could make them stand twice.
func (r *produceResponse) failed() error {
	err := asError(r.code)
	if err != nil && r.base >= 0 {
		return &appendedError{err}
	}
	return err
}

// Produce is part of logrecord.Log.
func (c *Client) Produce(ctx context.Context, topic string, number int32, records []logrecord.Record) (int64, error) {
	p := partition{topic, number}
	base := int64(-1)
	var buf []byte
	for len(records) > 0 {
		n := cutChunk(records, c.cfg.ProduceBytes)
		var err error
		if buf, err = appendBatch(buf[:0], records[:n], c.cfg.Compression, noProducer()); err != nil {
			return base, err
		}
		at, err := c.send(ctx, p, buf, "")
		if codeOf(err) == kafkago.MessageSizeTooLarge {
			return base, tooLarge(p, &records[0], err)
		}
		if err != nil {
			return base, err
		}
		if base < 0 {
			base = at
		}
		records = records[n:]
	}
	return base, nil
}

// send appends one batch. It is sent again only after errors that leave nothing
// behind.
func (c *Client) send(ctx context.Context, p partition, batch []byte, transactional string) (int64, error) {
	var base int64
	err := c.retryTopic(ctx, "produce to "+p.String(), p.topic, neverWritten, func(ctx context.Context) error {
		msg, err := c.roundTrip(ctx, &produceRequest{
			client: c.cfg.ClientID, transactional: transactional, topic: p.topic, partition: p.number,
			batch: batch, timeoutMS: int32(c.cfg.Timeout.Milliseconds()),
		})
		if err != nil {
			return err
		}
		res := msg.(*produceResponse)
		base = res.base
		return res.failed()
	})
	return base, err
}
