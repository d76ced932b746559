package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
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
	if bounds, err = p.log.Bounds(ctx, p.source.Topic, p.number); err != nil {
		return 0, bounds, err
	}
	if err := p.hold(); err != nil {
		return 0, bounds, err
	}
	p.archive.mu.Lock()
	next, archived := p.archive.Next(p.archived())
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
		if err := p.identifyView(ctx, v, bounds, archived); err != nil {
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
// begins where it begins; what the archive has met, a view cannot do without.
func (p *partition) identifyView(ctx context.Context, v *View, bounds logrecord.Bounds, archived bool) error {
	low, high := v.Lowest(p.id()), v.Highest(p.id())
	if high >= bounds.End {
		return p.gap("the log ends at %d, but %d was applied before: it was truncated or made anew", bounds.End, high)
	}
	if low+1 < bounds.Start {
		if archived || v.Met(p.id()) {
			return p.gap("the log begins at %d, but %d is the next to be applied: records have expired", bounds.Start, low+1)
		}
		return v.Begin(ctx, p.id(), bounds.Start)
	}
	return p.sameLog(ctx, v, bounds)
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
