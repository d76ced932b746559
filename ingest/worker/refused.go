package worker

import (
	"context"
	"errors"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
)

// takeRefused adds to the sample what history lacks because another definition of a source
// refused it while the generation lived, and that the generation's own reads: the dead
// letters have these records.
func (x *examination) takeRefused(ctx context.Context, binding int) error {
	s := x.view.view.Bindings[binding].Source
	if x.w.c.Refused == nil {
		return nil
	}
	of, err := NewLetterReader(s, x.w.c.Schemas)
	if err != nil {
		return err
	}
	for l, err := range x.w.c.Refused(s.Name) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, new(*deadletter.Damage)):
			continue // `dlq` and `doctor` name it
		case err != nil:
			return featurestore.Unavailablef("%w", err)
		}
		events, err := of.Read(&l)
		if err != nil {
			return err
		}
		if len(events) > 0 && l.HasRecord() {
			x.letters[s.Name]++
		}
		for i := range events {
			x.sample.refuse(&events[i], binding)
		}
	}
	return nil
}

// LetterReader reads dead letters by a definition of their source.
type LetterReader struct {
	topic, files *decode.Decoder
	batch        decode.Batch
}

// NewLetterReader is a reader by a definition; schemas may be nil where it names none.
func NewLetterReader(s *definition.StreamSource, schemas logrecord.Schemas) (r *LetterReader, err error) {
	r = &LetterReader{}
	if r.topic, err = decode.New(s, decode.Options{Schemas: schemas}); err == nil {
		r.files, err = decode.New(s, decode.Options{Schemas: schemas, Replay: true})
	}
	return r, err
}

// Read gives the events of a letter, in its place, until the next call; none where this
// definition refuses it, too.
func (r *LetterReader) Read(l *deadletter.DeadLetter) ([]featurestore.Event, error) {
	rec := l.Record()
	rec.Partition, rec.Offset = l.Partition, l.Offset
	d := r.topic
	if l.Generation == offline.FilesGeneration {
		d = r.files
	}
	r.batch.Reset()
	err := d.Append(&r.batch, &rec, featurestore.PartitionID{Generation: l.Generation, Partition: l.Partition})
	if errors.As(err, new(*decode.Error)) {
		return nil, nil
	}
	return r.batch.Events, err
}

// refuse adds a record that is no history to its entity, where that is of the sample.
func (s *sample) refuse(ev *featurestore.Event, binding int) {
	b := &s.view.Bindings[binding]
	if fromFiles(b.Source, ev.Generation, ev) || !s.keyOf(b, ev) || !holds(b.Source.Where, ev) || !holds(b.Where, ev) {
		return
	}
	e, held := s.byKey[string(s.key)]
	if !held || e.hot {
		return
	}
	if e.refused = append(e.refused, s.rowOf(b, uint16(binding), ev)); len(e.refused) > entityRows {
		s.rows -= len(e.rows)
		e.rows, e.refused, e.hot = nil, nil, true
	}
}

// withRefused is an entity with the records that history lacks, each once: of some it may
// have been told by the log.
func (e *sampled) withRefused() *sampled {
	have := make(map[featurestore.Position]bool, len(e.rows))
	for i := range e.rows {
		have[e.rows[i].Position] = true
	}
	out := *e
	out.rows, out.refused = slices.Clone(e.rows), nil
	for i := range e.refused {
		if !have[e.refused[i].Position] {
			out.rows = append(out.rows, e.refused[i])
		}
	}
	slices.SortStableFunc(out.rows, func(a, b sampledRow) int { return a.Position.Compare(b.Position) })
	return &out
}

// judgeWhole is judge, also with what history lacks: a generation that read by its own
// definition has counted it, and one that was filled since has not.
func (x *examination) judgeWhole(s *storedEntity) (reason error, byOracle bool, err error) {
	reason, byOracle, err = x.judge(s)
	if err != nil || reason == nil || len(s.refused) == 0 {
		return reason, byOracle, err
	}
	with := *s
	with.sampled = s.withRefused()
	if less, _, err := x.judge(&with); err != nil || less != nil {
		return reason, byOracle, err
	}
	x.counted++
	return nil, false, nil
}
