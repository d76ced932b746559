package logrecord

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// Log is a partitioned log of records. It is safe for concurrent use. Errors
// are of kind ErrUnavailable where the same call may succeed later, ErrNotFound
// for an unknown topic or partition, ErrInvalid for what the caller must change.
type Log interface {
	// Partitions asks the log, past any cache, how many partitions a topic has.
	Partitions(ctx context.Context, topic string) (int, error)
	// Bounds gives the first offset that is kept and the end of what is committed.
	Bounds(ctx context.Context, topic string, partition int32) (Bounds, error)
	// Open reads a partition from an offset on, fetching ahead.
	Open(ctx context.Context, topic string, partition int32, from int64) (Reader, error)
	// Peek is one small fetch at an offset: its first record is the one at the
	// offset, or the next that exists. It waits for nothing.
	Peek(ctx context.Context, topic string, partition int32, offset int64) (*Batch, error)
	// Produce appends records to a partition, in order, and returns the offset
	// of the first once all are acknowledged by all replicas. After an error
	// some or all of them may have been written: an event that must count once
	// carries an event id, or a rank of history.
	Produce(ctx context.Context, topic string, partition int32, records []Record) (base int64, err error)
	// CreateTopic makes a topic unless it exists; it is ErrInvalid where it
	// exists with another number of partitions.
	CreateTopic(ctx context.Context, spec TopicSpec) error
	Close() error
}

// Reader reads one partition. It is not safe for concurrent use.
type Reader interface {
	// Next gives the next batch; where nothing new comes for a while, an empty
	// one with fresh bounds. After an error the reader is dead and gives the
	// same error again; a cancelled ctx leaves it alive. An *OutOfRangeError
	// says that the log does not hold the offset.
	Next(ctx context.Context) (*Batch, error)
	// Close stops fetching ahead and waits for it; it is idempotent.
	Close() error
}

// Bounds are the offsets of a partition: Start is the first that is kept, End
// the first that is not yet committed.
type Bounds struct{ Start, End int64 }

// Forever is the retention of a topic that keeps everything.
const Forever featurestore.Duration = -1

// TopicSpec says how to make a topic.
type TopicSpec struct {
	Name        string
	Partitions  int
	Replication int                   // 0: the broker's default
	Retention   featurestore.Duration // 0: the broker's default; Forever
	Roll        featurestore.Duration // after which a segment is closed: only closed ones expire; 0: the broker's default
	BrokerTime  bool                  // LogAppendTime: the broker's clock decides lateness
}

// OutOfRangeError says that a log does not hold an offset: it has expired, or
// the log was truncated or made anew. Nobody may jump over it silently.
type OutOfRangeError struct {
	Topic      string
	Partition  int32
	Offset     int64
	Start, End int64
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("topic %q partition %d does not hold offset %d: it holds %d to %d", e.Topic, e.Partition, e.Offset, e.Start, e.End)
}
