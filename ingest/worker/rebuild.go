package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
)

// rebuild makes damaged entities anew from history and log, and says so: an
// entity's damage is an alert also where it heals by itself.
func (w *Worker) rebuild(ctx context.Context, e *damagedError) error {
	v := e.view
	log := func(d damage) []any {
		return []any{"view", v.Name(), "generation", v.ID().Number, "lane", d.lane, "key_hash", fmt.Sprintf("%016x", xxh3.HashString(d.key))}
	}
	for _, d := range e.found {
		w.c.Logger.Error("a stored entity is damaged: lookups of it answer ERROR until it is rebuilt", append(log(d), "error", d.reason)...)
	}
	if err := v.rebuild(ctx, e.found, w.replayOf(v)); err != nil {
		return err
	}
	for i := range v.view.Bindings {
		if gone, err := w.nowhere(ctx, v.view.Bindings[i].Source, v, true); err == nil && len(gone) > 0 {
			w.c.Logger.Warn("history lacks what was lost and accepted, or compaction has removed: what is folded again has it not", "source", v.view.Bindings[i].Source.Name)
		}
	}
	for _, d := range e.found {
		w.c.Logger.Warn("a damaged entity was rebuilt from history", log(d)...)
	}
	return nil
}

// replayOf replays the sources of a view: what is at rest, and from the log what
// is not at rest yet.
func (w *Worker) replayOf(v *View) replayer {
	return func(ctx context.Context, binding int, through map[online.Partition]int64, keep func(*featurestore.Event) bool, each func(*Chunk)) error {
		if len(through) == 0 {
			return nil
		}
		if err := w.Flush(); err != nil {
			return err
		}
		s := v.view.Bindings[binding].Source
		if err := w.replayableRest(ctx, v, s, through); err != nil {
			return err
		}
		reached, err := w.replayHistory(ctx, s, through, keep, each)
		if err != nil {
			return err
		}
		for _, p := range slices.SortedFunc(maps.Keys(through), online.Partition.Compare) {
			to := through[p]
			if reached[p] >= to {
				continue
			}
			rest := offline.Range{From: reached[p] + 1, To: to + 1}
			if w.gone(p) {
				w.c.Logger.Warn("history lacks what was applied of a log that is gone and was not at rest: what is folded again has it not",
					"source", s.Name, "generation", p.Generation, "partition", p.Number, "offsets", rest.To-rest.From)
				continue
			}
			err := w.replayable(ctx, v, p, rest)
			if err == nil {
				err = w.replayLog(ctx, s, p, rest, each)
			}
			if err != nil {
				return fmt.Errorf("%w: source %q partition %d: %w", errRebuild, s.Name, p.Number, err)
			}
		}
		return nil
	}
}

// replayHistory gives what is at rest, and how far that goes without a hole.
func (w *Worker) replayHistory(ctx context.Context, s *definition.StreamSource, through map[online.Partition]int64, keep func(*featurestore.Event) bool, each func(*Chunk)) (reached map[online.Partition]int64, err error) {
	if reached, err = w.atRest(ctx, s, through); err != nil {
		return nil, err
	}
	spec := offline.Spec{Source: s, Bounds: map[offline.Partition]offline.Range{}, Only: true, Keep: keep}
	for p, to := range through {
		spec.Bounds[offline.Partition{Generation: p.Generation, Partition: p.Number}] = offline.Range{To: min(to, reached[p]) + 1}
	}
	stream, err := w.c.History.Scan(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for {
		batch, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return reached, nil
		}
		if err != nil {
			return nil, err
		}
		id := online.Partition{Source: s.Name, Generation: batch.Partition.Generation, Number: batch.Partition.Partition}
		each(&Chunk{Partition: id, Events: List(batch.Events), Through: batch.Through})
	}
}

// atRest is, for each partition, the last offset up to which history holds every
// record that this source's view has met; -1 for none. Files from before the log
// are whole by nature.
func (w *Worker) atRest(ctx context.Context, s *definition.StreamSource, through map[online.Partition]int64) (map[online.Partition]int64, error) {
	reached := map[online.Partition]int64{}
	accepted, err := w.acceptedOf(ctx, s)
	if err != nil {
		return nil, err
	}
	for p := range through {
		ranges, err := completeRanges(ctx, w.c.History, s, offline.Partition{Generation: p.Generation, Partition: p.Number})
		if err != nil {
			return nil, err
		}
		if k, some := accepted[p]; some {
			ranges = withAccepted(ranges, k)
		}
		end := int64(0)
		for i, r := range ranges {
			if i > 0 && r.From > end {
				return nil, fmt.Errorf("%w: the history of source %q, partition %d, lacks offsets %d to %d", errRebuild, s.Name, p.Number, end, r.From-1)
			}
			end = max(end, r.To)
		}
		reached[p] = end - 1
		if end == offline.MaxOffset {
			reached[p] = math.MaxInt64 - 1
		}
	}
	return reached, nil
}

// replayable is an error where the log does not hold a range of what a view has
// applied: it has expired, or is another log's by now.
func (w *Worker) replayable(ctx context.Context, v *View, p online.Partition, rest offline.Range) error {
	// Others may have applied what is asked for: the store has its fingerprints.
	if err := v.refresh(ctx); err != nil {
		return err
	}
	topic := v.view.Bindings[v.binding[p.Source]].Source.Topic
	bounds, err := w.c.Log.Bounds(ctx, topic, p.Number)
	switch {
	case err != nil:
		return err
	case bounds.Start > rest.From:
		return fmt.Errorf("the log begins at %d, and offsets from %d are not at rest: they have expired", bounds.Start, rest.From)
	}
	have := v.applied(p)
	have.high = max(have.high, rest.To-1)
	found, err := agree(ctx, w.c.Log, topicPartition{topic, p.Number}, bounds, have.prints)
	if err != nil {
		return err
	}
	if reason := madeAnew(bounds, have, found); reason != "" {
		return errors.New(reason)
	}
	return nil
}

// replayLog gives what the log holds of a range of a partition. What compaction has removed
// of it may have been applied: whether it counts is known once it is at rest.
func (w *Worker) replayLog(ctx context.Context, s *definition.StreamSource, p online.Partition, rest offline.Range, each func(*Chunk)) (err error) {
	d, err := decode.New(s, decode.Options{Replay: p.Generation == offline.FilesGeneration, Schemas: w.c.Schemas})
	if err != nil {
		return err
	}
	reader, err := w.c.Log.Open(ctx, s.Topic, p.Number, rest.From)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	at := featurestore.PartitionID{Generation: p.Generation, Partition: p.Number}
	for from := rest.From; from < rest.To; {
		batch, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(batch.Removed, func(r logrecord.Offsets) bool { return r.From < rest.To && r.To > from }); i >= 0 {
			return &unrestedError{p, batch.Removed[i].From}
		}
		var decoded decode.Batch
		for i := range batch.Records {
			rec := &batch.Records[i]
			if rec.Offset < from || rec.Offset >= rest.To {
				continue
			}
			// What does not decode never was an event; where its schema cannot be asked for, nobody knows.
			if err := d.Append(&decoded, rec, at); err != nil && !errors.As(err, new(*decode.Error)) {
				return err
			}
		}
		each(&Chunk{Partition: p, From: from, Events: List(decoded.Events), Through: min(batch.Next, rest.To) - 1})
		from = batch.Next
		batch.Release()
	}
	return nil
}
