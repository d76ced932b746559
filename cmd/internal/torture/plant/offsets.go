package plant

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
)

// Commit commits a group's offset of a partition, as a consumer does that assigns
// its partitions itself.
func (k *Kafka) Commit(ctx context.Context, group, topic string, partition int32, next int64) error {
	res, err := k.admin.OffsetCommit(ctx, &kafkago.OffsetCommitRequest{
		GroupID: group, GenerationID: -1, Topics: map[string][]kafkago.OffsetCommit{topic: {{Partition: int(partition), Offset: next}}},
	})
	if err != nil {
		return err
	}
	for _, list := range res.Topics {
		for _, p := range list {
			err = errors.Join(err, p.Error)
		}
	}
	return err
}

// Next is the offset that a group has committed for a partition; 0 where none.
func (k *Kafka) Next(ctx context.Context, group, topic string, partition int32) (int64, error) {
	res, err := k.admin.OffsetFetch(ctx, &kafkago.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {int(partition)}}})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	list := res.Topics[topic]
	if len(list) == 0 {
		return 0, nil
	}
	return max(0, list[0].CommittedOffset), list[0].Error
}
