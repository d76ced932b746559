package kafka

import (
	"context"

	"github.com/freshet/freshet/ingest/logrecord"
)

// Txn is a producer's transaction, for tests: Freshet itself produces none.
type Txn struct {
	ID       string
	Producer int64
	Epoch    int16
	Sequence int32
}

// ProduceTxn appends one batch inside a transaction.
func (c *Client) ProduceTxn(ctx context.Context, topic string, number int32, txn Txn, records []logrecord.Record) (int64, error) {
	b, err := appendBatch(nil, records, c.cfg.Compression, producerState{
		id: txn.Producer, epoch: txn.Epoch, sequence: txn.Sequence, transactional: true,
	})
	if err != nil {
		return 0, err
	}
	return c.send(ctx, partition{topic, number}, b, txn.ID)
}

// JoinUnchecked joins a group without asking first whether a broker answers.
func JoinUnchecked(cfg Config, name string, topics []string) (logrecord.Group, error) {
	c := &Client{cfg: cfg.withDefaults()}
	return c.join(name, topics, &balancer{}, groupSettled)
}

// JoinWith joins a group; made is called whenever this member has shared partitions out.
func JoinWith(c *Client, name string, topics []string, made func()) (logrecord.Group, error) {
	return c.join(name, topics, &balancer{made: made}, 3*groupWatch)
}
