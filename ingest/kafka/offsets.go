package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"github.com/freshet/freshet/ingest/logrecord"
)

// Times that ListOffsets understands beside instants.
const (
	latestOffset   = -1
	earliestOffset = -2
)

// Bounds is part of logrecord.Log.
func (c *Client) Bounds(ctx context.Context, topic string, partition int32) (logrecord.Bounds, error) {
	var b logrecord.Bounds
	what := fmt.Sprintf("offsets of topic %q partition %d", topic, partition)
	err := c.retryTopic(ctx, what, topic, passes, func(ctx context.Context) (err error) {
		if b.Start, err = c.listOffset(ctx, topic, partition, earliestOffset); err != nil {
			return err
		}
		b.End, err = c.listOffset(ctx, topic, partition, latestOffset)
		return err
	})
	return b, err
}

// offsetRequest keeps a request to one partition whole: the library's own type
// would be split and merged again, and sent nowhere where the leader is unknown.
type offsetRequest listoffsets.Request

func (r *offsetRequest) ApiKey() protocol.ApiKey { return protocol.ListOffsets }

func (r *offsetRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return leaderOf(cluster, r.Topics[0].Topic, r.Topics[0].Partitions[0].Partition)
}

func (c *Client) listOffset(ctx context.Context, topic string, partition int32, at int64) (int64, error) {
	res, err := c.roundTrip(ctx, &offsetRequest{
		ReplicaID:      -1,
		IsolationLevel: readCommitted,
		Topics: []listoffsets.RequestTopic{{Topic: topic, Partitions: []listoffsets.RequestPartition{
			{Partition: partition, CurrentLeaderEpoch: -1, Timestamp: at},
		}}},
	})
	if err != nil {
		return 0, err
	}
	for _, t := range res.(*listoffsets.Response).Topics {
		for _, p := range t.Partitions {
			return p.Offset, asError(p.ErrorCode)
		}
	}
	return 0, errors.New("the broker answers for no partition")
}

// leaderOf routes a request to the leader of one partition.
func leaderOf(cluster protocol.Cluster, topic string, partition int32) (protocol.Broker, error) {
	t, ok := cluster.Topics[topic]
	if !ok {
		return protocol.Broker{ID: -1}, &routeError{protocol.NewErrNoTopic(topic)}
	}
	p, ok := t.Partitions[partition]
	if !ok {
		return protocol.Broker{ID: -1}, &routeError{protocol.NewErrNoPartition(topic, partition)}
	}
	b, ok := cluster.Brokers[p.Leader]
	if !ok {
		return protocol.Broker{ID: -1}, &routeError{protocol.NewErrNoLeader(topic, partition)}
	}
	return b, nil
}
