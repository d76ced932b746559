package worker

import (
	"context"
	"errors"

	"github.com/freshet/freshet/featurestore"
)

// end halts the partitions that read the log. What was found first stays.
func (s *sourceLog) end(err error) {
	if gap := (*GapError)(nil); errors.As(err, &gap) {
		s.gone.CompareAndSwap(nil, gap)
	}
	s.halt(err)
}

// look compares some partitions with the log, and halts all where it is another. Of
// one that has halted it says whether the log is the old one again: then the
// partitions are to be arranged anew, and find their places as at a start.
func (s *sourceLog) look(ctx context.Context, only []int32) (again bool, err error) {
	if gap := s.gone.Load(); gap != nil {
		return s.restored(ctx, gap)
	}
	err = s.compareAll(ctx, only)
	if errors.As(err, new(*GapError)) {
		s.end(err)
		return false, nil
	}
	return false, err
}

// restored reports whether the log holds again what it did not when it was found to
// be another: it is as long, and every record of which a fingerprint was kept is the
// same. What the lanes say now is no evidence for that: a store that has failed over
// meanwhile knows less, and would agree with a log that was only cut off.
func (s *sourceLog) restored(ctx context.Context, gap *GapError) (bool, error) {
	prints := gap.had.prints
	if len(prints) == 0 {
		return false, nil
	}
	bounds, err := s.log.Bounds(ctx, s.topic, gap.Partition)
	switch {
	case errors.Is(err, featurestore.ErrNotFound):
		return false, nil // not yet
	case err != nil:
		return false, err
	case gap.had.high >= bounds.End, prints[0].Offset < bounds.Start:
		return false, nil
	}
	for i := range prints {
		if prints[i].Offset < bounds.Start {
			break // it has expired; those before it were the same
		}
		found, err := agree(ctx, s.log, topicPartition{s.topic, gap.Partition}, bounds, prints[i:i+1])
		if err != nil || found.same < 0 {
			return false, err
		}
	}
	return true, nil
}
