package worker

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
)

// cut is the last offset up to which the log holds the records of its life before, which
// was cut off behind an offset that is the same in both and before another: fingerprints
// lie apart, but what is at rest says it of each event. What was not at rest of the records
// that were cut off, or is no event, says nothing.
func (p *partition) cut(ctx context.Context, before offline.Partition, same, to int64) (through int64, err error) {
	alone := *p.source
	alone.History = nil // files that are joined are no log's
	rest := offline.Range{From: same + 1, To: to}
	if rest.Empty() {
		return same, nil
	}
	scan, err := p.history.Scan(ctx, offline.Spec{Source: &alone, Only: true, Bounds: map[offline.Partition]offline.Range{before: rest}})
	if err != nil {
		return same, err
	}
	rows := &rowsAtRest{stream: scan}
	defer func() { err = errors.Join(err, scan.Close()) }()
	reader, err := p.log.Open(ctx, p.source.Topic, p.number, rest.From)
	if err != nil {
		return same, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	through = same
	for from := rest.From; from < to; {
		batch, err := reader.Next(ctx)
		if err != nil {
			return same, err
		}
		for i := range batch.Records {
			at := batch.Records[i].Offset
			if at < from || at >= to {
				continue
			}
			had, err := rows.at(ctx, at)
			if err != nil {
				return same, err
			}
			alike, err := p.alike(&batch.Records[i], had)
			if err != nil || !alike {
				return through, err
			}
			if len(had) > 0 {
				through = at
			}
		}
		atEnd := batch.AtEnd()
		from = batch.Next
		batch.Release()
		if atEnd {
			break
		}
	}
	return through, nil
}

// alike reports whether a record may be the one that gave some events at rest; of one that
// gave none, nobody knows.
func (p *partition) alike(rec *logrecord.Record, had []featurestore.Event) (bool, error) {
	if len(had) == 0 {
		return true, nil
	}
	var now decode.Batch
	err := p.readings[0].decoder.Append(&now, rec, featurestore.PartitionID{})
	if err != nil && !errors.As(err, new(*decode.Error)) {
		return false, err // its schema cannot be asked for now
	}
	if err != nil || len(now.Events) != len(had) {
		return false, nil
	}
	for i := range had {
		if !sameEvent(&had[i], &now.Events[i]) {
			return false, nil
		}
	}
	return true, nil
}

// sameEvent compares an event at rest with one of the log. A field that it came to rest
// without says nothing.
func sameEvent(had, now *featurestore.Event) bool {
	if had.Time != now.Time || had.LogTime != now.LogTime || had.ID != now.ID || had.Change != now.Change || had.Mutated != now.Mutated {
		return false
	}
	for i, v := range had.Fields {
		if !v.IsNull() && !v.Equal(now.Fields[i]) {
			return false
		}
	}
	return true
}

// rowsAtRest gives the events at rest of one partition, offset by offset.
type rowsAtRest struct {
	stream offline.Stream
	next   []featurestore.Event
	ended  bool
}

// at are the events of an offset; each call is for a later one.
func (r *rowsAtRest) at(ctx context.Context, offset int64) (out []featurestore.Event, err error) {
	for {
		for len(r.next) > 0 && r.next[0].Offset < offset {
			r.next = r.next[1:]
		}
		for len(r.next) > 0 && r.next[0].Offset == offset {
			ev := r.next[0]
			ev.Fields = slices.Clone(ev.Fields) // the stream's next call takes them back
			out, r.next = append(out, ev), r.next[1:]
		}
		if len(r.next) > 0 || r.ended {
			return out, nil
		}
		batch, err := r.stream.Next(ctx)
		if r.ended = errors.Is(err, io.EOF); err != nil && !r.ended {
			return nil, err
		}
		r.next = batch.Events
	}
}
