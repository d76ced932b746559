package kafka

import (
	"context"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
)

// Topic is what the cluster says of a topic, for people who look for a fault.
type Topic struct {
	Brokers    int // of the cluster
	Partitions int
	Leaderless []int32 // partitions that nobody can read or write now
	Replicas   int     // of the partition with the fewest
	OutOfSync  []int32 // partitions with a replica that is behind

	// Settings are those that decide what becomes of records, by Kafka's names;
	// Unread says why they could not be asked.
	Settings map[string]string
	Unread   error
}

// Settings of a topic that Describe asks for.
const (
	RetentionMS   = "retention.ms"
	CleanupPolicy = "cleanup.policy"
	MinInSync     = "min.insync.replicas"
	TimestampType = "message.timestamp.type"
)

// topicResource is DescribeConfigs' type of a topic.
const topicResource = 2

// Describe asks what a topic is. It is ErrNotFound where there is none.
func (c *Client) Describe(ctx context.Context, topic string) (*Topic, error) {
	var out *Topic
	err := c.retry(ctx, fmt.Sprintf("describe topic %q", topic), passesForKnownTopic, func(ctx context.Context) error {
		meta, err := c.metadata(ctx, topic)
		if err != nil {
			return err
		}
		for _, t := range meta.Topics {
			if t.Name != topic {
				continue
			}
			out = &Topic{Brokers: len(meta.Brokers), Partitions: len(t.Partitions)}
			for i, p := range t.Partitions {
				if p.LeaderID < 0 {
					out.Leaderless = append(out.Leaderless, p.PartitionIndex)
				}
				if len(p.IsrNodes) < len(p.ReplicaNodes) {
					out.OutOfSync = append(out.OutOfSync, p.PartitionIndex)
				}
				if i == 0 || len(p.ReplicaNodes) < out.Replicas {
					out.Replicas = len(p.ReplicaNodes)
				}
			}
			return asError(t.ErrorCode)
		}
		return kafkago.UnknownTopicOrPartition
	})
	if err != nil {
		return nil, err
	}
	out.Settings, out.Unread = c.topicSettings(ctx, topic)
	return out, nil
}

// topicSettings needs a right of its own, DescribeConfigs.
func (c *Client) topicSettings(ctx context.Context, topic string) (map[string]string, error) {
	res, err := c.roundTrip(ctx, &describeconfigs.Request{Resources: []describeconfigs.RequestResource{
		{ResourceType: topicResource, ResourceName: topic, ConfigNames: []string{RetentionMS, CleanupPolicy, MinInSync, TimestampType}},
	}})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, r := range res.(*describeconfigs.Response).Resources {
		if r.ErrorCode != 0 {
			return nil, fmt.Errorf("%w: %s", asError(r.ErrorCode), r.ErrorMessage)
		}
		for _, e := range r.ConfigEntries {
			out[e.ConfigName] = e.ConfigValue
		}
	}
	return out, nil
}
