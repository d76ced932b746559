package registry

import (
	"context"

	"github.com/freshet/freshet/featurestore"
)

// FirstLog is the generation of a source's first log; a source that the registry
// does not list is at it.
const FirstLog uint32 = 1

// SourceLog is one life of a source's log, which a person has accepted after the
// one before it was deleted, truncated or had expired.
type SourceLog struct {
	Source     string
	Generation uint32
	Accepted   featurestore.Instant
	Reason     string // why, and what of the log before is gone, for people
}

// Logs is the part of a registry that knows which log of a source counts.
type Logs interface {
	// Sources are the logs that were accepted, by source and generation.
	Sources(ctx context.Context) ([]SourceLog, error)
	// AcceptTopic makes what a source's topic is now its next log, after base; it
	// is ErrLostRace where base is not the newest any more.
	AcceptTopic(ctx context.Context, source string, base uint32, reason string, at featurestore.Instant) (SourceLog, error)
}

// Newest gives the generation of a source's newest log.
func Newest(logs []SourceLog, source string) uint32 {
	newest := FirstLog
	for _, l := range logs {
		if l.Source == source {
			newest = max(newest, l.Generation)
		}
	}
	return newest
}
