package worker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/ingest/history"
)

// filed are the rows of history files that were replayed through a topic: the records
// there have what was read of a row when it was replayed. What came behind them, pushed
// by hand, the topic alone has.
type filed struct {
	stream offline.Stream
	batch  []featurestore.Event
	now    history.Record
	behind history.Records // nil for none
}

// openFiled opens what an archived file of replayed rows came from.
func (w *Worker) openFiled(ctx context.Context, r *reread, f *archive.File) (_ history.Records, err error) {
	segments, err := w.c.Files.Segments(ctx, r.source)
	if err != nil {
		return nil, asOther(err)
	}
	total := int64(0) // rows have their ranks
	for _, g := range segments {
		if g.Partition == f.Key() {
			total = max(total, g.Offsets.To)
		}
	}
	out := &filed{}
	if f.To > total {
		rest := *f
		rest.From = max(f.From, total)
		if out.behind, err = w.openRecords(ctx, r, &rest); errors.Is(err, errExpires) {
			out.behind, err = nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	bounds := map[offline.Partition]offline.Range{f.Key(): {From: f.From, To: min(f.To, total)}}
	if out.stream, err = w.c.Files.Scan(ctx, offline.Spec{Source: r.source, Bounds: bounds, Only: true}); err != nil {
		if out.behind != nil {
			err = errors.Join(err, out.behind.Close())
		}
		return nil, asOther(err)
	}
	return out, nil
}

// asOther is about files that are not what they were.
func asOther(err error) error {
	if errors.Is(err, featurestore.ErrInvalid) || errors.Is(err, featurestore.ErrNotFound) {
		return fmt.Errorf("%w: %w", history.ErrOtherRecord, err)
	}
	return err
}

// Next implements history.Records.
func (r *filed) Next(ctx context.Context) (*history.Record, error) {
	for len(r.batch) == 0 {
		batch, err := r.stream.Next(ctx)
		if errors.Is(err, io.EOF) && r.behind != nil {
			return r.behind.Next(ctx)
		}
		if err != nil {
			return nil, asOther(err) // or io.EOF
		}
		r.batch = batch.Events
	}
	n := 1 // rows that follow one another at one offset are of one record
	for n < len(r.batch) && r.batch[n].Offset == r.batch[0].Offset {
		n++
	}
	r.now = history.Record{Offset: r.batch[0].Offset, LogTime: r.batch[0].LogTime, Events: r.batch[:n]}
	r.batch = r.batch[n:]
	return &r.now, nil
}

// Close implements history.Records.
func (r *filed) Close() error {
	err := r.stream.Close()
	if r.behind != nil {
		err = errors.Join(err, r.behind.Close())
	}
	return err
}
