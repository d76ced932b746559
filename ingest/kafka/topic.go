package kafka

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// metadata asks for one topic, or for all with "". The client's own transport
// would answer from its cache, so a fresh one asks.
func (c *Client) metadata(ctx context.Context, topic string) (*metadata.Response, error) {
	req := &metadata.Request{}
	if topic != "" {
		req.TopicNames = []string{topic}
	}
	t := c.newTransport(req.TopicNames)
	defer t.CloseIdleConnections()
	res, err := t.RoundTrip(ctx, c.addr, req)
	if err != nil {
		return nil, err
	}
	return res.(*metadata.Response), nil
}

// Partitions is part of logrecord.Log.
func (c *Client) Partitions(ctx context.Context, topic string) (int, error) {
	n := 0
	what := fmt.Sprintf("partitions of topic %q", topic)
	err := c.retry(ctx, what, passesForKnownTopic, func(ctx context.Context) error {
		meta, err := c.metadata(ctx, topic)
		if err != nil {
			return err
		}
		for _, t := range meta.Topics {
			if t.Name == topic {
				n = len(t.Partitions)
				return asError(t.ErrorCode)
			}
		}
		return kafkago.UnknownTopicOrPartition
	})
	return n, err
}

// passesForKnownTopic is passes where an unknown topic is an answer.
func passesForKnownTopic(err error) bool {
	return passes(err) && codeOf(err) != kafkago.UnknownTopicOrPartition
}

// Ready waits until the cluster has brokers and every topic a leader for each
// of its partitions.
func (c *Client) Ready(ctx context.Context) error {
	return c.retry(ctx, "wait for leaders", passes, func(ctx context.Context) error {
		meta, err := c.metadata(ctx, "")
		if err != nil {
			return err
		}
		if len(meta.Brokers) == 0 {
			return kafkago.BrokerNotAvailable
		}
		for _, t := range meta.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 || p.LeaderID < 0 {
					return kafkago.LeaderNotAvailable
				}
			}
		}
		return nil
	})
}

// CreateTopic is part of logrecord.Log.
func (c *Client) CreateTopic(ctx context.Context, spec logrecord.TopicSpec) error {
	if err := checkSpec(spec); err != nil {
		return err
	}
	what := fmt.Sprintf("create topic %q", spec.Name)
	err := c.retry(ctx, what, passes, func(ctx context.Context) error {
		res, err := c.roundTrip(ctx, createRequest(spec, c.cfg.Timeout.Milliseconds()))
		if err != nil {
			return err
		}
		for _, t := range res.(*createtopics.Response).Topics {
			if kafkago.Error(t.ErrorCode) == kafkago.TopicAlreadyExists {
				return nil
			}
			if t.ErrorCode != 0 {
				return fmt.Errorf("%w: %s", kafkago.Error(t.ErrorCode), t.ErrorMessage)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.checkTopic(ctx, spec)
}

// checkTopic waits for the topic to be known everywhere, and compares it.
func (c *Client) checkTopic(ctx context.Context, spec logrecord.TopicSpec) error {
	return c.retry(ctx, fmt.Sprintf("find topic %q after its creation", spec.Name), passes, func(ctx context.Context) error {
		meta, err := c.metadata(ctx, spec.Name)
		if err != nil {
			return err
		}
		for _, t := range meta.Topics {
			if t.Name != spec.Name || t.ErrorCode != 0 {
				continue
			}
			if len(t.Partitions) != spec.Partitions {
				return featurestore.Invalidf("kafka: topic %q exists with %d partitions, not %d", spec.Name, len(t.Partitions), spec.Partitions)
			}
			for _, p := range t.Partitions {
				if p.LeaderID < 0 || p.ErrorCode != 0 {
					return kafkago.LeaderNotAvailable
				}
			}
			return nil
		}
		return kafkago.UnknownTopicOrPartition
	})
}

func createRequest(spec logrecord.TopicSpec, timeoutMS int64) *createtopics.Request {
	topic := createtopics.RequestTopic{Name: spec.Name, NumPartitions: int32(spec.Partitions), ReplicationFactor: -1}
	if spec.Replication > 0 {
		topic.ReplicationFactor = int16(spec.Replication)
	}
	set := func(name, value string) {
		topic.Configs = append(topic.Configs, createtopics.RequestConfig{Name: name, Value: value})
	}
	switch {
	case spec.Retention < 0:
		set("retention.ms", "-1")
		set("retention.bytes", "-1")
	case spec.Retention > 0:
		set("retention.ms", strconv.FormatInt(int64(spec.Retention/featurestore.Millisecond), 10))
	}
	if spec.Retention > 0 {
		set("cleanup.policy", "delete")
	}
	if spec.Roll > 0 {
		set("segment.ms", strconv.FormatInt(int64(spec.Roll/featurestore.Millisecond), 10))
	}
	if spec.BrokerTime {
		set("message.timestamp.type", "LogAppendTime")
	}
	return &createtopics.Request{Topics: []createtopics.RequestTopic{topic}, TimeoutMs: int32(timeoutMS)}
}

// checkSpec refuses what a broker must refuse; the embedded one does not.
func checkSpec(spec logrecord.TopicSpec) error {
	const legal = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	if n := spec.Name; n == "" || n == "." || n == ".." || len(n) > 249 || strings.Trim(n, legal) != "" {
		return featurestore.Invalidf("kafka: topic name %q must be 1 to 249 letters, digits, dots, underscores and hyphens", n)
	}
	if spec.Partitions < 1 {
		return featurestore.Invalidf("kafka: topic %q with %d partitions: at least one is needed", spec.Name, spec.Partitions)
	}
	return nil
}
