package worker

import (
	"context"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// atRest is what a sourceLog asks about the events of its source that are at rest.
type atRest struct {
	source  *definition.StreamSource
	history offline.History
	archive *openArchive
}

// compareAll compares partitions with all that is known of them here.
func (s *sourceLog) compareAll(ctx context.Context, only []int32) error {
	if err := s.compare(ctx, only); err != nil {
		return err
	}
	return s.compareAtRest(ctx, only)
}

// compareAtRest compares those partitions that are given with what is at rest of them: where the log still
// reaches back to the newest row, it holds that record. Lanes that have applied it have
// fingerprints of it, or of later ones. But those of a store that has failed over to an
// older copy may stand before it: a log that was cut off in between, and has other
// records since, would be taken for the old one, and these would count.
func (s *sourceLog) compareAtRest(ctx context.Context, only []int32) error {
	if s.generation == offline.FilesGeneration { // a replay: what is at rest has the log times of the records before
		return nil
	}
	behind := slices.DeleteFunc(slices.Clone(only), func(number int32) bool { return !s.behindRest(number) })
	if len(behind) == 0 {
		return nil
	}
	// What is at rest comes before the bounds: by their time, the log holds it.
	ends, err := endsAtRest(ctx, s.rest.history, s.rest.source)
	if err != nil {
		return err
	}
	for _, number := range behind {
		end := ends[offline.Partition{Generation: s.generation, Partition: number}]
		if end.to == 0 {
			continue
		}
		bounds, err := s.log.Bounds(ctx, s.topic, number)
		if err != nil {
			return err
		}
		reason, err := end.unlike(ctx, s.log, topicPartition{s.topic, number}, bounds)
		if err != nil {
			return err
		}
		if reason != "" {
			return s.gap(number, reason)
		}
	}
	return nil
}

// behindRest reports whether a view may stand before the end of what is at rest. What
// another process holds in the archive, this one does not know the end of.
func (s *sourceLog) behindRest(number int32) bool {
	s.rest.archive.mu.Lock()
	next, held := s.rest.archive.Next(offline.Partition{Generation: s.generation, Partition: number})
	s.rest.archive.mu.Unlock()
	id := online.Partition{Source: s.source, Generation: s.generation, Number: number}
	return !held || slices.ContainsFunc(s.views, func(v *View) bool { return v.Lowest(id)+1 < next })
}

// endAtRest is where what is at rest of a partition ends.
type endAtRest struct {
	to     int64          // the offset behind it, also behind records that are no events; 0 for none
	newest offline.Newest // row
}

// endsAtRest are those of a source's archive. It needs no history file that is joined.
func endsAtRest(ctx context.Context, h offline.History, source *definition.StreamSource) (map[offline.Partition]endAtRest, error) {
	alone := *source
	alone.History = nil
	segments, err := h.Segments(ctx, &alone)
	if err != nil {
		return nil, err
	}
	out := map[offline.Partition]endAtRest{}
	for i := range segments {
		g := &segments[i]
		if g.Kind != offline.ArchiveSegment {
			continue
		}
		e := out[g.Partition]
		if e.to = max(e.to, g.Offsets.To); g.Newest.Rows > 0 && g.Newest.Offset >= e.newest.Offset {
			e.newest = g.Newest
		}
		out[g.Partition] = e
	}
	return out, nil
}

// unlike says why a log is not the one that is at rest, "" where it may well be.
func (e endAtRest) unlike(ctx context.Context, log logrecord.Log, at topicPartition, bounds logrecord.Bounds) (reason string, err error) {
	switch {
	case e.to > bounds.End:
		return fmt.Sprintf("the log ends at %d, but %d is at rest: it was truncated or made anew", bounds.End, e.to-1), nil
	case e.newest.Rows == 0 || e.newest.Offset < bounds.Start:
		return "", nil
	}
	batch, err := log.Peek(ctx, at.topic, at.number, e.newest.Offset)
	if err != nil {
		return "", err
	}
	defer batch.Release()
	if len(batch.Records) == 0 || batch.Records[0].Offset != e.newest.Offset {
		return "", nil // compacted away
	}
	if at := batch.Records[0].LogTime; at < e.newest.From || at > e.newest.To {
		return fmt.Sprintf("the record at offset %d is not the one that is at rest: the log was truncated, or the topic made anew", e.newest.Offset), nil
	}
	return "", nil
}
