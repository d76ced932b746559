package worker

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/ingest/logrecord"
)

// GapError halts the views of a source: the log is not the log that their
// positions came from, or no longer holds what they need. Nobody may jump over
// that silently.
type GapError struct {
	Source    string
	Partition int32
	Reason    string
}

func (e *GapError) Error() string {
	return fmt.Sprintf("GAP: source %q partition %d: %s; restore the topic, or rebuild its views from history under a new generation", e.Source, e.Partition, e.Reason)
}

// identify compares the log with the fingerprints that the lanes carry, and
// gives the offset to read from. Where a fingerprinted record is still there, it
// must be the same record; where none is left to compare, reading goes on as
// long as no offset is missing.
func (p *partition) identify(ctx context.Context, from int64) (int64, error) {
	bounds, err := p.log.Bounds(ctx, p.source.Topic, p.number)
	if err != nil {
		return 0, err
	}
	needed := from
	fresh := true
	for _, v := range p.views {
		low, high := v.Lowest(p.id()), v.Highest(p.id())
		if high >= 0 {
			fresh = false
		}
		if high >= bounds.End {
			return 0, p.gap("the log ends at %d, but %d was applied before: it was truncated or made anew", bounds.End, high)
		}
		if low+1 < bounds.Start && high >= 0 {
			return 0, p.gap("the log begins at %d, but %d is the next to be applied: records have expired", bounds.Start, low+1)
		}
		if err := p.sameLog(ctx, v, bounds); err != nil {
			return 0, err
		}
	}
	if fresh && needed < bounds.Start {
		needed = bounds.Start // a log that is met for the first time begins where it begins
	}
	p.archiveMu.Lock()
	defer p.archiveMu.Unlock()
	next, known := p.archive.Next(p.archived())
	switch {
	case !known:
		err = p.archive.Begin(p.archived(), max(needed, bounds.Start))
	case next < bounds.Start:
		return 0, p.gap("the log begins at %d, but %d is the next to be archived: records have expired", bounds.Start, next)
	default:
		err = p.archive.Begin(p.archived(), next)
	}
	return max(needed, bounds.Start), err
}

// sameLog compares the newest fingerprints of a view, newest first, until one
// record is found: the same goes on, another halts.
func (p *partition) sameLog(ctx context.Context, v *View, bounds logrecord.Bounds) error {
	for _, print := range v.Prints(p.id()) {
		if print.Offset < bounds.Start || print.Offset >= bounds.End {
			continue
		}
		batch, err := p.log.Peek(ctx, p.source.Topic, p.number, print.Offset)
		if err != nil {
			return err
		}
		found := len(batch.Records) > 0 && batch.Records[0].Offset == print.Offset
		same := found && batch.Records[0].LogTime == print.LogTime && logrecord.Fingerprint(&batch.Records[0]) == print.Hash
		batch.Release()
		if found && !same {
			return p.gap("the record at offset %d is not the one that was applied: the topic was made anew", print.Offset)
		}
		if found {
			return nil
		}
	}
	return nil
}

func (p *partition) gap(format string, args ...any) error {
	return &GapError{Source: p.source.Name, Partition: p.number, Reason: fmt.Sprintf(format, args...)}
}
