package service

import (
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// LateAfter is how old the moment may be at which the lanes of a view's slowest
// partition were at the log's end: an ingester moves it each second, also where
// nothing comes, and a server looks twice a second.
const LateAfter = 5 * time.Second

// Slowest is the source partition of a stream view that was at the log's end the
// longest ago, in its slowest lane.
type Slowest struct {
	Partition online.Partition
	Through   int64 // the least offset that a lane has applied; -1 for none
	// At is when the ingester was at the log's end. Where it was not, it is the
	// newest applied log time; MinInstant is neither, and a lane that has not met
	// the partition.
	At featurestore.Instant
	// Fetched says that At is the ingester's clock. Log times may be the producers'.
	Fetched bool
	// Unmet says that no lane has met any partition of the source.
	Unmet bool
}

// late reports whether nobody keeps the partition at the log's end. A log time
// that is not yet says nothing of that.
func (s *Slowest) late(now featurestore.Instant) bool {
	within := featurestore.Instant(LateAfter.Microseconds())
	return s.At < now-within || !s.Fetched && s.At > now+within
}

// Late reports whether the lanes are LIVE, but nobody keeps them at the log's end:
// answers are those of the watermark.
func (g *Generation) Late(now featurestore.Instant) bool {
	return g.State == online.StateLive && g.Slowest != nil && g.Slowest.late(now)
}
