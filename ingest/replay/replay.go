// Package replay sends the history files of sources through the log again, in
// the order of their log times over all sources, step by step: between two steps
// everything before the step's end is in the log and nothing after it. It owns
// that order and the driver's place in it; it applies nothing and holds no clock.
//
// A record's offset in the replay topic is its rank in the history: the topic
// has one partition, keeps everything, and a row that cannot be read is sent as
// an empty record in its place.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Log is what a replay needs of a log.
type Log interface {
	CreateTopic(ctx context.Context, spec logrecord.TopicSpec) error
	Bounds(ctx context.Context, topic string, partition int32) (logrecord.Bounds, error)
	Produce(ctx context.Context, topic string, partition int32, records []logrecord.Record) (int64, error)
}

// lookAhead is how many events of a source are read before a step is cut.
const lookAhead = 65536

// Replay is a replay of several sources. It is for one goroutine.
type Replay struct {
	log   Log
	feeds []*feed
}

// feed is one source on its way into the log.
type feed struct {
	source  *definition.StreamSource
	encoder *decode.Encoder
	stream  offline.Stream
	queue   []queued // read and not yet produced, ascending by rank
	ended   bool
	next    int64 // the rank that is produced next
	bad     []offline.BadRow
	values  []byte
}

type queued struct {
	record logrecord.Record
	at     featurestore.LogTime
}

// Open makes the topics of the sources and goes on where the log ends: what a
// replay before this one has produced is not produced again.
func Open(ctx context.Context, log Log, history offline.History, sources []*definition.StreamSource) (*Replay, error) {
	r := &Replay{log: log}
	for _, s := range sources {
		f, err := r.openFeed(ctx, history, s)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("replay of %q: %w", s.Name, err), r.Close())
		}
		r.feeds = append(r.feeds, f)
	}
	return r, nil
}

func (r *Replay) openFeed(ctx context.Context, history offline.History, s *definition.StreamSource) (*feed, error) {
	if err := r.log.CreateTopic(ctx, logrecord.TopicSpec{Name: s.Topic, Partitions: 1, Retention: logrecord.Forever}); err != nil {
		return nil, err
	}
	bounds, err := r.log.Bounds(ctx, s.Topic, 0)
	if err != nil {
		return nil, err
	}
	f := &feed{source: s, next: bounds.End}
	if f.encoder, err = decode.NewEncoder(s); err != nil {
		return nil, err
	}
	part := offline.Partition{Generation: offline.FilesGeneration, Partition: offline.FilesPartition}
	f.stream, err = history.Scan(ctx, offline.Spec{
		Source: s, Only: true,
		Bounds: map[offline.Partition]offline.Range{part: {From: bounds.End, To: offline.MaxOffset}},
		Bad:    func(b offline.BadRow) { f.bad = append(f.bad, b) },
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Close closes the files that are read.
func (r *Replay) Close() error {
	var errs []error
	for _, f := range r.feeds {
		errs = append(errs, f.stream.Close())
	}
	r.feeds = nil
	return errors.Join(errs...)
}

// Step is one step of a replay: every record with a log time before To is in
// the log. Ends are the log's ends by source. Done says that nothing is left.
type Step struct {
	To      featurestore.Instant
	Records int
	Ends    map[string]int64
	Done    bool
}

// Next produces the next step, which ends at limit at the latest. Records of
// one log time are never parted. Where nothing is left, the step ends at limit.
func (r *Replay) Next(ctx context.Context, limit featurestore.Instant) (Step, error) {
	to, left, last := limit, false, featurestore.LogTime(math.MinInt64)
	ended := true
	for _, f := range r.feeds {
		if err := r.ahead(ctx, f); err != nil {
			return Step{}, fmt.Errorf("replay of %q: %w", f.source.Name, err)
		}
		if n := len(f.queue); n > 0 {
			left = true
			last = max(last, f.queue[n-1].at)
		}
		if !f.ended {
			ended = false
			to = min(to, featurestore.Instant(f.queue[len(f.queue)-1].at))
		}
	}
	if ended && left {
		to = min(to, featurestore.Instant(last)+1) // the last step ends just after the last record
	}
	step := Step{To: to, Ends: map[string]int64{}, Done: !left}
	for _, f := range r.feeds {
		n, err := r.produce(ctx, f, to)
		if err != nil {
			return Step{}, fmt.Errorf("replay of %q: %w", f.source.Name, err)
		}
		step.Records += n
		step.Ends[f.source.Name] = f.next
	}
	return step, nil
}

// Prepare reads and encodes ahead for the next step: what can be done while the
// last one is being applied.
func (r *Replay) Prepare(ctx context.Context) error {
	for _, f := range r.feeds {
		if err := r.ahead(ctx, f); err != nil {
			return fmt.Errorf("replay of %q: %w", f.source.Name, err)
		}
	}
	return nil
}

// First is the least log time that is not yet produced; ok is false for none.
func (r *Replay) First(ctx context.Context) (t featurestore.LogTime, ok bool, err error) {
	t = math.MaxInt64
	for _, f := range r.feeds {
		if err := r.ahead(ctx, f); err != nil {
			return 0, false, fmt.Errorf("replay of %q: %w", f.source.Name, err)
		}
		if len(f.queue) > 0 {
			t, ok = min(t, f.queue[0].at), true
		}
	}
	return t, ok, nil
}

// ahead fills a feed's queue until it holds two log times and a fair amount, so
// that a step can be cut before its last one.
func (r *Replay) ahead(ctx context.Context, f *feed) error {
	for !f.ended && (len(f.queue) < lookAhead || f.queue[0].at == f.queue[len(f.queue)-1].at) {
		batch, err := f.stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			f.ended = true
			f.placeBad(math.MaxInt64)
			return nil
		}
		if err != nil {
			return err
		}
		for i := range batch.Events {
			if err := f.enqueue(&batch.Events[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *feed) enqueue(ev *featurestore.Event) error {
	f.placeBad(ev.Offset)
	if want := f.next + int64(len(f.queue)); ev.Offset != want {
		return featurestore.Invalidf("the history has rank %d where the log expects %d: the files have changed since the replay began; delete the log folder and begin again", ev.Offset, want)
	}
	start := len(f.values)
	var err error
	if f.values, err = f.encoder.AppendValue(f.values, ev); err != nil {
		// No record of the declared format says this event: its place is kept empty, a dead letter.
		f.values = f.values[:start]
		f.queue = append(f.queue, queued{at: ev.LogTime, record: refused(ev.Offset, ev.LogTime, err.Error())})
		return nil
	}
	value := f.values[start:len(f.values):len(f.values)]
	f.queue = append(f.queue, queued{at: ev.LogTime, record: logrecord.Record{
		LogTime: ev.LogTime, Value: value, Headers: f.encoder.AppendHeaders(nil, ev),
	}})
	return nil
}

// placeBad puts an empty record in the place of each unreadable row before a
// rank; it takes the log time of the record before it.
func (f *feed) placeBad(before int64) {
	for len(f.bad) > 0 && f.bad[0].Offset < before {
		at := featurestore.LogTime(0)
		if n := len(f.queue); n > 0 {
			at = f.queue[n-1].at
		}
		b := &f.bad[0]
		reason := fmt.Sprintf("%s, row %d: %s", b.File, b.Row, b.Reason)
		f.queue = append(f.queue, queued{at: at, record: refused(b.Offset, at, reason)})
		f.bad = f.bad[1:]
	}
}

// refused is the record that keeps the place of a row that is no event: it
// becomes a dead letter that says why.
func refused(rank int64, at featurestore.LogTime, reason string) logrecord.Record {
	headers := logrecord.AppendReplay(nil, logrecord.Replay{Generation: offline.FilesGeneration, Rank: rank, LogTime: at})
	return logrecord.Record{LogTime: at, Headers: headers.Append(logrecord.HeaderRefused, []byte(reason))}
}

// produce sends what lies before to and keeps the rest.
func (r *Replay) produce(ctx context.Context, f *feed, to featurestore.Instant) (int, error) {
	n := 0
	for n < len(f.queue) && featurestore.Instant(f.queue[n].at) < to {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	records := make([]logrecord.Record, n)
	for i := range records {
		records[i] = f.queue[i].record
	}
	base, err := r.log.Produce(ctx, f.source.Topic, 0, records)
	if err != nil {
		return 0, err
	}
	if base != f.next {
		return 0, featurestore.Invalidf("the log gave offset %d to rank %d: something else writes to topic %q while it is replayed", base, f.next, f.source.Topic)
	}
	f.next += int64(n)
	f.queue = append(f.queue[:0], f.queue[n:]...)
	if len(f.queue) == 0 {
		f.values = f.values[:0]
	} else if len(f.values) > 64<<20 {
		f.values = nil // the queued records keep what they need of it
	}
	return n, nil
}
