package worker

import (
	"iter"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Events are the events of a chunk, ascending by offset (columnar.Events, List).
type Events interface {
	Len() int
	// All gives them in order, each valid until the next.
	All() iter.Seq[*featurestore.Event]
}

// List is events one by one.
type List []featurestore.Event

// Len is part of Events.
func (l List) Len() int { return len(l) }

// All is part of Events.
func (l List) All() iter.Seq[*featurestore.Event] {
	return func(yield func(*featurestore.Event) bool) {
		for i := range l {
			if !yield(&l[i]) {
				return
			}
		}
	}
}

// Chunk is a run of decoded events of one partition of one source: every offset
// From up to Through is either in Events or never will be (a dead letter, a
// control record). Events ascend by offset; their memory is valid until the chunk
// was applied by every view.
type Chunk struct {
	Partition online.Partition
	From      int64  // 0 also where nothing before Through was left out
	Events    Events // nil for none
	Through   int64
	LogTime   featurestore.LogTime // the largest log time up to Through
	FetchTime featurestore.Instant // when a fetch was sent that saw the log end by Through, what was not committed too; 0 for none
	ReadTime  featurestore.Instant // when the fetch was sent that gave the last of it; 0 from history
	Prints    []online.Fingerprint // of the last record, where it was seen
}

// events is how many the chunk has.
func (c *Chunk) events() int {
	if c.Events == nil {
		return 0
	}
	return c.Events.Len()
}

// target is the watermark of a lane that has applied the chunk. Its fingerprints stand
// in room, where that is large enough.
func (c *Chunk) target(before mark, room []online.Fingerprint) online.Watermark {
	return online.Watermark{
		Offset: c.Through, LogTime: max(c.LogTime, before.logTime), FetchTime: c.FetchTime,
		Prints: mergePrints(room, before.prints, c.Prints),
	}
}

// maxPrints is how many fingerprints a watermark carries.
const maxPrints = 8

// mergePrints adds fresh fingerprints to those of earlier records. Beyond the
// bound it thins out where the neighbours are closest, so that what is left
// reaches far back, and keeps the newest. It writes to room, from its beginning on; where
// that is too small, to memory of its own.
func mergePrints(room, old, fresh []online.Fingerprint) []online.Fingerprint {
	merged := append(slices.Grow(room[:0], maxPrints+1), old...)
	for _, p := range fresh {
		if n := len(merged); n > 0 && merged[n-1].Offset >= p.Offset {
			continue
		}
		merged = append(merged, p)
		if len(merged) > maxPrints {
			merged = dropClosest(merged)
		}
	}
	return merged
}

func dropClosest(prints []online.Fingerprint) []online.Fingerprint {
	drop, gap := 1, prints[2].Offset-prints[0].Offset
	for i := 2; i < len(prints)-1; i++ {
		if g := prints[i+1].Offset - prints[i-1].Offset; g < gap {
			drop, gap = i, g
		}
	}
	return append(prints[:drop], prints[drop+1:]...)
}
