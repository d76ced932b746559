package worker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/history"
	"github.com/freshet/freshet/ingest/logrecord"
)

// errExpires says that records went while they were read again.
var errExpires = errors.New("records have expired meanwhile")

// records are those of an archived file that the log still has, as they decode now.
type records struct {
	decoder *decode.Decoder
	reader  logrecord.Reader
	at      featurestore.PartitionID
	from    int64 // the next offset
	to      int64

	batch *logrecord.Batch // that is being read; nil before the next
	next  int              // record of it
	now   history.Record
	one   decode.Batch // what it decodes to
}

// openRecords opens the log where a file begins, or where the log does.
func (w *Worker) openRecords(ctx context.Context, r *reread, f *archive.File) (history.Records, error) {
	d, err := decode.New(r.source, decode.Options{Replay: r.log == offline.FilesGeneration, Schemas: w.c.Schemas})
	if err != nil {
		return nil, err
	}
	bounds, err := w.c.Log.Bounds(ctx, r.topic, f.Partition)
	if err != nil {
		return nil, err
	}
	if f.To <= bounds.Start {
		return nil, errExpires
	}
	out := &records{decoder: d, at: featurestore.PartitionID{Generation: f.Generation, Partition: f.Partition}, from: max(f.From, bounds.Start), to: f.To}
	out.reader, err = w.c.Log.Open(ctx, r.topic, f.Partition, out.from)
	return out, expires(err)
}

// expires tells what has expired from what never was.
func expires(err error) error {
	var gone *logrecord.OutOfRangeError
	switch {
	case !errors.As(err, &gone):
		return err
	case gone.Offset < gone.Start:
		return errExpires
	}
	return fmt.Errorf("%w: %w", history.ErrOtherRecord, err)
}

// Next implements history.Records.
func (r *records) Next(ctx context.Context) (*history.Record, error) {
	for {
		rec, err := r.record(ctx)
		if err != nil {
			return nil, err
		}
		if rec.Offset < r.from {
			continue
		}
		if rec.Offset >= r.to {
			return nil, io.EOF
		}
		r.from = rec.Offset + 1
		r.one.Recycle()
		// What does not decode is no event by this definition; where its schema cannot be
		// asked for, nobody knows.
		if err := r.decoder.Append(&r.one, rec, r.at); err != nil && !errors.As(err, new(*decode.Error)) {
			return nil, err
		}
		r.now = history.Record{Offset: rec.Offset, LogTime: rec.LogTime, Events: r.one.Events}
		return &r.now, nil
	}
}

// record is the next one of the log.
func (r *records) record(ctx context.Context) (*logrecord.Record, error) {
	for r.batch == nil || r.next == len(r.batch.Records) {
		if r.batch != nil {
			r.from = max(r.from, r.batch.Next)
			r.batch.Release()
			r.batch = nil
		}
		if r.from >= r.to {
			return nil, io.EOF
		}
		batch, err := r.reader.Next(ctx)
		if err != nil {
			return nil, expires(err)
		}
		r.batch, r.next = batch, 0
		switch {
		case batch.Interrupted:
			return nil, featurestore.Unavailablef("the log was away while fields were read again, and may be another one now: it is tried again")
		case batch.LastStable < r.to:
			return nil, fmt.Errorf("%w: it ends at %d", history.ErrOtherRecord, batch.LastStable)
		}
	}
	r.next++
	return &r.batch.Records[r.next-1], nil
}

// Close implements history.Records.
func (r *records) Close() error {
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
	return r.reader.Close()
}
