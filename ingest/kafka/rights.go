package kafka

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"

	"github.com/freshet/freshet/ingest/logrecord"
)

// Rights are what the user may do with a topic; a cluster without an authorizer
// lets everybody do everything.
type Rights struct{ Read, Write bool }

// Operations of Kafka's rights, by their numbers.
const (
	operationRead  = 3
	operationWrite = 4
)

// Rights asks what the user may do with a topic, without trying it. It is
// ErrNotFound where there is none, and ErrInvalid where the user may not even ask.
func (c *Client) Rights(ctx context.Context, topic string) (Rights, error) {
	var out Rights
	err := c.retry(ctx, fmt.Sprintf("rights on topic %q", topic), passesForKnownTopic, func(ctx context.Context) error {
		msg, err := c.roundTrip(ctx, &rightsRequest{client: c.cfg.ClientID, topic: topic})
		if err != nil {
			return err
		}
		res := msg.(*rightsResponse)
		out = Rights{Read: res.operations&(1<<operationRead) != 0, Write: res.operations&(1<<operationWrite) != 0}
		return asError(res.code)
	})
	return out, err
}

// MayCreate is nil where the user may create a topic as it is meant; nothing is made.
func (c *Client) MayCreate(ctx context.Context, spec logrecord.TopicSpec) error {
	if err := checkSpec(spec); err != nil {
		return err
	}
	return c.retry(ctx, fmt.Sprintf("create topic %q", spec.Name), passes, func(ctx context.Context) error {
		req := createRequest(spec, c.cfg.Timeout.Milliseconds())
		req.ValidateOnly = true
		res, err := c.roundTrip(ctx, req)
		if err != nil {
			return err
		}
		for _, t := range res.(*createtopics.Response).Topics {
			if t.ErrorCode != 0 {
				return fmt.Errorf("%w: %s", kafkago.Error(t.ErrorCode), t.ErrorMessage)
			}
		}
		return nil
	})
}

// rightsVersion is the first version of Metadata that tells rights, and the last
// one whose answer has no tagged fields.
const rightsVersion = 8

// rightsLimit bounds the answer, which names brokers and one topic's partitions.
const rightsLimit = 16 << 20

// rightsRequest is a Metadata request for one topic with its rights. It is its own
// codec: the library answers its own from a cache that has none. It is used once.
type rightsRequest struct {
	client, topic string
	version       int16
}

func (r *rightsRequest) ApiKey() protocol.ApiKey { return protocol.Metadata }

func (r *rightsRequest) Broker(c protocol.Cluster) (protocol.Broker, error) {
	for _, id := range slices.Sorted(maps.Keys(c.Brokers)) {
		return c.Brokers[id], nil
	}
	return protocol.Broker{}, kafkago.BrokerNotAvailable
}

// Required is part of protocol.RawExchanger.
func (r *rightsRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Metadata]
	return true
}

// RawExchange is part of protocol.RawExchanger.
func (r *rightsRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < rightsVersion {
		return nil, kafkago.UnsupportedVersion
	}
	b := appendHeader(nil, protocol.Metadata, rightsVersion, r.client)
	b = appendString(appendInt32(b, 1), r.topic)
	b = append(b, 0, 0, 1) // make no topic; no rights on the cluster; those on the topic
	buf, err := exchange(rw, b, nil, rightsLimit)
	if err != nil {
		return nil, err
	}
	res := &rightsResponse{}
	return res, res.decode(buf)
}

type rightsResponse struct {
	code       int16
	operations int32 // a bit each
}

func (r *rightsResponse) ApiKey() protocol.ApiKey { return protocol.Metadata }

// decode walks to the topic's rights, which stand behind its partitions.
func (r *rightsResponse) decode(buf []byte) error {
	c := cursor{b: buf}
	c.int32() // throttled for
	for range c.count() {
		c.int32() // node
		_ = c.string()
		c.int32() // port
		_ = c.string()
	}
	_ = c.string() // cluster
	c.int32()      // controller
	if n := c.count(); n != 1 && c.err == nil {
		return fmt.Errorf("the broker answers for %d topics, not for one", n)
	}
	r.code = c.int16()
	_ = c.string()
	c.take(1) // internal
	for range c.count() {
		c.int16()
		c.take(4 + 4 + 4) // number, leader, epoch
		for range 3 {     // replicas, those in sync, those offline
			c.take(4 * c.count())
		}
	}
	r.operations = c.int32()
	return c.err
}

// count reads the length of an array, which no more elements can follow than there
// are bytes left.
func (c *cursor) count() int {
	n := int(c.int32())
	if n > len(c.b) {
		c.err, c.b = errShort, nil
		return 0
	}
	return max(n, 0)
}
