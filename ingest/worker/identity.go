package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
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
// gives its bounds and the offset to read from. Where a fingerprinted record is
// still there, it must be the same record; where none is left to compare, reading
// goes on as long as no offset is missing.
func (p *partition) identify(ctx context.Context) (from int64, bounds logrecord.Bounds, err error) {
	// The watermarks come first: by the time of the bounds, the log holds what they say.
	for _, v := range p.views() {
		if err := v.refresh(ctx); err != nil {
			return 0, bounds, err
		}
	}
	if bounds, err = p.log.Bounds(ctx, p.source.Topic, p.number); err != nil {
		return 0, bounds, err
	}
	if err := p.hold(); err != nil {
		return 0, bounds, err
	}
	p.archive.mu.Lock()
	next, archived := p.archive.Next(p.archived())
	first := p.archive.First(p.archived())
	p.archive.mu.Unlock()
	if archived && next < bounds.Start {
		return 0, bounds, p.gap("the log begins at %d, but %d is the next to be archived: records have expired", bounds.Start, next)
	}
	if !archived {
		next = bounds.Start
	}
	from = next
	if !p.held {
		from = bounds.End
	}
	for _, v := range p.views() {
		if err := p.identifyView(ctx, v, bounds, archived && first < bounds.Start); err != nil {
			return 0, bounds, err
		}
		from = min(from, v.Lowest(p.id())+1)
	}
	if !p.held {
		return from, bounds, nil
	}
	p.archive.mu.Lock()
	defer p.archive.mu.Unlock()
	if err := p.archive.Begin(p.archived(), next); err != nil {
		return 0, bounds, p.archive.failed(err)
	}
	return from, bounds, nil
}

// hold takes the partition of the archive. Where another process, which does not
// know yet that it has lost the partition, still holds it, the views go on without
// it: the archive has its own place in the log, from which it is fed later.
func (p *partition) hold() error {
	p.archive.mu.Lock()
	defer p.archive.mu.Unlock()
	err := p.archive.Hold(p.archived())
	p.held = err == nil
	if errors.Is(err, featurestore.ErrUnavailable) {
		p.progress.trouble(p.id(), err)
		return nil
	}
	return p.archive.failed(err)
}

// identifyView checks one view against the log. A log that nobody has met before
// begins where it begins; what is archived, and expired since, a view cannot do without.
func (p *partition) identifyView(ctx context.Context, v *View, bounds logrecord.Bounds, expired bool) error {
	low, high := v.Lowest(p.id()), v.Highest(p.id())
	if high >= bounds.End {
		return p.gap("the log ends at %d, but %d was applied before: it was truncated or made anew", bounds.End, high)
	}
	if low+1 < bounds.Start {
		if expired || v.Met(p.id()) {
			return p.gap("the log begins at %d, but %d is the next to be applied: records have expired", bounds.Start, low+1)
		}
		if !p.held {
			return featurestore.Unavailablef("the log begins at %d, and another process still archives it: whether what has expired is at rest is not known yet", bounds.Start)
		}
		return v.Begin(ctx, p.id(), bounds.Start)
	}
	return p.sameLog(ctx, v, bounds)
}

// sameLog is a gap where the log has another record than the one that was applied.
func (p *partition) sameLog(ctx context.Context, v *View, bounds logrecord.Bounds) error {
	other, err := differs(ctx, p.log, p.source.Topic, v.Prints(p.id()), place{p.number, bounds})
	if err != nil || other < 0 {
		return err
	}
	return p.gap("the record at offset %d is not the one that was applied: the topic was made anew", other)
}

// place is a partition of a topic, and what it holds.
type place struct {
	number int32
	bounds logrecord.Bounds
}

// differs compares fingerprints, newest first, until one record is found: it
// gives the offset of one that is another, -1 for the same, or for none.
func differs(ctx context.Context, log logrecord.Log, topic string, prints []online.Fingerprint, at place) (int64, error) {
	for _, print := range prints {
		if print.Offset < at.bounds.Start || print.Offset >= at.bounds.End {
			continue
		}
		batch, err := log.Peek(ctx, topic, at.number, print.Offset)
		if err != nil {
			return -1, err
		}
		found := len(batch.Records) > 0 && batch.Records[0].Offset == print.Offset
		same := found && batch.Records[0].LogTime == print.LogTime && logrecord.Fingerprint(&batch.Records[0]) == print.Hash
		batch.Release()
		if found && !same {
			return print.Offset, nil
		}
		if found {
			return -1, nil
		}
	}
	return -1, nil
}

func (p *partition) gap(format string, args ...any) error {
	return &GapError{Source: p.source.Name, Partition: p.number, Reason: fmt.Sprintf(format, args...)}
}
