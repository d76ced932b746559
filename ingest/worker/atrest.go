package worker

import (
	"context"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
)

// atRest is what a sourceLog asks about the events of its source that are at rest.
type atRest struct {
	source  *definition.StreamSource
	history offline.History
	archive *openArchive
}

// compareAtRest compares partitions with what is at rest of them: where the log still
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
	segments, err := s.rest.history.Segments(ctx, s.rest.source)
	if err != nil {
		return err
	}
	for _, number := range behind {
		var newest offline.Newest
		for i := range segments {
			g := &segments[i]
			if g.Partition == (offline.Partition{Generation: s.generation, Partition: number}) && g.Newest.Rows > 0 && g.Newest.Offset >= newest.Offset {
				newest = g.Newest
			}
		}
		if newest.Rows == 0 {
			continue
		}
		if err := s.compareNewest(ctx, number, newest); err != nil {
			return err
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

func (s *sourceLog) compareNewest(ctx context.Context, number int32, newest offline.Newest) error {
	bounds, err := s.log.Bounds(ctx, s.topic, number)
	switch {
	case err != nil:
		return err
	case newest.Offset >= bounds.End:
		return s.gap(number, fmt.Sprintf("the log ends at %d, but %d is at rest: it was truncated or made anew", bounds.End, newest.Offset))
	case newest.Offset < bounds.Start:
		return nil
	}
	batch, err := s.log.Peek(ctx, s.topic, number, newest.Offset)
	if err != nil {
		return err
	}
	defer batch.Release()
	if len(batch.Records) == 0 || batch.Records[0].Offset != newest.Offset {
		return nil // compacted away
	}
	if at := batch.Records[0].LogTime; at < newest.From || at > newest.To {
		return s.gap(number, fmt.Sprintf("the record at offset %d is not the one that is at rest: the log was truncated, or the topic made anew", newest.Offset))
	}
	return nil
}
