package kafka

import (
	"context"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// peekBytes is what a Peek asks for; a broker gives the first batch whole
// whatever its size.
const peekBytes = 64 << 10

// partition names what a fetch reads.
type partition struct {
	topic  string
	number int32
}

func (p partition) String() string { return fmt.Sprintf("topic %q partition %d", p.topic, p.number) }

// Peek is part of logrecord.Log.
func (c *Client) Peek(ctx context.Context, topic string, number int32, offset int64) (*logrecord.Batch, error) {
	return c.fetch(ctx, partition{topic, number}, offset, fetchSize{bytes: peekBytes})
}

// fetchSize bounds one fetch.
type fetchSize struct {
	bytes int
	wait  time.Duration
}

// fetch reads one batch, again and again over errors that pass.
func (c *Client) fetch(ctx context.Context, p partition, from int64, size fetchSize) (*logrecord.Batch, error) {
	var b *logrecord.Batch
	attempts := 0
	err := c.retryTopic(ctx, "fetch "+p.String(), p.topic, passes, func(ctx context.Context) (err error) {
		attempts++
		b, err = c.fetchOnce(ctx, p, from, size)
		return err
	})
	if err == nil {
		b.Interrupted = attempts > 1
	}
	return b, err
}

func (c *Client) fetchOnce(ctx context.Context, p partition, from int64, size fetchSize) (*logrecord.Batch, error) {
	b := c.takeBatch()
	b.Partition = p.number
	b.FetchTime = c.cfg.Clock()
	msg, err := c.roundTrip(ctx, &fetchRequest{
		client: c.cfg.ClientID, topic: p.topic, partition: p.number,
		offset: from, maxBytes: int32(size.bytes), maxWaitMS: int32(size.wait.Milliseconds()),
		limit: size.bytes + c.cfg.MaxBatchBytes, buf: b.Packed,
	})
	if err != nil {
		// The connection may still be filling the buffer: it and its batch are
		// left to the garbage collector.
		return nil, err
	}
	res := msg.(*fetchResponse)
	b.Packed = res.buf
	if err := c.check(ctx, p, from, res); err != nil {
		b.Release()
		return nil, err
	}
	b.LogStart, b.HighWatermark, b.LastStable = res.logStart, res.highWatermark, res.lastStable
	if err := fill(b, res, from, unpackLimits{batch: c.cfg.MaxBatchBytes, soft: 4 * size.bytes}); err != nil {
		b.Release()
		return nil, featurestore.Invalidf("kafka: %s: %w", p, err)
	}
	return b, nil
}

// check turns the answer's code into an error.
func (c *Client) check(ctx context.Context, p partition, from int64, res *fetchResponse) error {
	err := asError(res.code)
	if codeOf(err) != kafkago.OffsetOutOfRange {
		return err
	}
	bounds, err := c.Bounds(ctx, p.topic, p.number)
	if err != nil {
		return err
	}
	return &logrecord.OutOfRangeError{Topic: p.topic, Partition: p.number, Offset: from, Start: bounds.Start, End: bounds.End}
}

// takeBatch gives an empty batch, with the memory of a released one if there is
// one.
func (c *Client) takeBatch() *logrecord.Batch {
	var b *logrecord.Batch
	select {
	case b = <-c.batches:
	default:
		b = &logrecord.Batch{Recycle: c.recycle}
	}
	b.Records, b.Removed, b.Unpacked = b.Records[:0], b.Removed[:0], b.Unpacked[:0]
	return b
}

func (c *Client) recycle(b *logrecord.Batch) {
	select {
	case c.batches <- b:
	default: // enough are kept
	}
}

// reader fetches one batch ahead of the one that is being worked on.
type reader struct {
	out    chan fetched
	cancel context.CancelFunc
	done   chan struct{}
	err    error // why no more comes
}

type fetched struct {
	batch *logrecord.Batch
	err   error
}

// Open is part of logrecord.Log.
func (c *Client) Open(_ context.Context, topic string, number int32, from int64) (logrecord.Reader, error) {
	if from < 0 {
		return nil, featurestore.Invalidf("kafka: cannot read topic %q partition %d from offset %d: offsets start at 0", topic, number, from)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{out: make(chan fetched), cancel: cancel, done: make(chan struct{})}
	go r.run(ctx, c, partition{topic, number}, from)
	return r, nil
}

func (r *reader) run(ctx context.Context, c *Client, p partition, from int64) {
	defer close(r.done)
	size := fetchSize{bytes: c.cfg.FetchBytes, wait: c.cfg.MaxWait}
	for {
		b, err := c.fetch(ctx, p, from, size)
		rest := time.Duration(0)
		if err == nil { // now: whoever takes the batch may release it, for the next fetch of another
			from, rest = b.Next, restAfter(b)
		}
		select {
		case r.out <- fetched{b, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		if rest < leastRest {
			continue
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return
		}
	}
}

// How long a reader that is at the end of the log waits before it asks again: as long as
// about it takes to work on what it has got, so that an event is hardly later for it, and
// at high rates a broker is not asked for each few records that arrive.
const (
	restPerRecord = 20 * time.Microsecond
	leastRest     = 500 * time.Microsecond
	mostRest      = 3 * time.Millisecond
)

// restAfter is how long that is after a batch.
func restAfter(b *logrecord.Batch) time.Duration {
	if !b.AtEnd() {
		return 0
	}
	return min(time.Duration(len(b.Records))*restPerRecord, mostRest)
}

// Next is part of logrecord.Reader.
func (r *reader) Next(ctx context.Context) (*logrecord.Batch, error) {
	if r.err != nil {
		return nil, r.err
	}
	select {
	case f := <-r.out:
		r.err = f.err
		return f.batch, f.err
	case <-r.done:
		return nil, featurestore.Unavailablef("kafka: the reader is closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close is part of logrecord.Reader.
func (r *reader) Close() error {
	r.cancel()
	<-r.done
	return nil
}
