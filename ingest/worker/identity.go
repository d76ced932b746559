package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/ingest/logrecord"
)

// identify compares the log with the fingerprints that the lanes carry, and
// gives its bounds and the offset to read from. Where a fingerprinted record is
// still there, it must be the same record; where none is left to compare, reading
// goes on as long as no offset is missing.
func (p *partition) identify(ctx context.Context) (from int64, bounds logrecord.Bounds, err error) {
	if err := p.shared.verify(ctx); err != nil {
		return 0, bounds, err
	}
	if bounds, err = p.log.Bounds(ctx, p.source.Topic, p.number); err != nil {
		return 0, bounds, err
	}
	if err := p.hold(); err != nil {
		return 0, bounds, err
	}
	if err := p.shared.compareAtRest(ctx, []int32{p.number}); err != nil {
		return 0, bounds, err
	}
	if err := p.fillEarlier(ctx); err != nil {
		return 0, bounds, err
	}
	p.archive.mu.Lock()
	next, archived := p.archive.Next(p.archived())
	first := p.archive.First(p.archived())
	p.archive.mu.Unlock()
	if archived && next < bounds.Start {
		lost, err := p.wasAtRest(ctx, offline.Range{From: next, To: bounds.Start})
		if err != nil {
			return 0, bounds, err
		}
		if !lost {
			return 0, bounds, p.gap("the log begins at %d, but %d is the next to be archived: records have expired", bounds.Start, next)
		}
		next = bounds.Start // of what is lost, watchRest tells, and generations wait for a person
	}
	begin := beginning{through: -1}
	if !archived || slices.ContainsFunc(p.views(), func(v *View) bool { return !v.Met(p.id()) }) {
		if begin, err = p.beginnings(ctx, bounds, archived); err != nil {
			return 0, bounds, err
		}
	}
	if !archived {
		next, first = begin.archive, bounds.Start
	}
	from = next
	if !p.held {
		from = bounds.End
	}
	p.compaction.applied = -1
	if p.compaction.rests, err = p.endOfRest(ctx); err != nil {
		return 0, bounds, err
	}
	for _, v := range p.views() {
		if err := p.identifyView(ctx, v, bounds, begin, first); err != nil {
			return 0, bounds, err
		}
		from = min(from, v.Lowest(p.id())+1)
		p.compaction.applied = max(p.compaction.applied, v.Highest(p.id()))
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

// sameLog says whose records a batch has, the first that a reader gives or a later one:
// where a fetch was interrupted, the log may be another, and it may have been replaced
// between identify and the first.
func (p *partition) sameLog(ctx context.Context, batch *logrecord.Batch, first bool) error {
	own := []int32{p.number}
	if first && !batch.Interrupted { // what the lanes say was just read
		return p.shared.compareAll(ctx, own)
	}
	if !batch.Interrupted {
		return nil
	}
	err := p.shared.verify(ctx)
	if err == nil {
		err = p.shared.compareAtRest(ctx, own)
	}
	return err
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
// begins where it begins, or where the archive does, which may hold more; what has
// expired since, or was removed by compaction, a view takes from history.
func (p *partition) identifyView(ctx context.Context, v *View, bounds logrecord.Bounds, begin beginning, first int64) error {
	if low := v.Lowest(p.id()); !v.Met(p.id()) {
		if !p.held && low+1 < bounds.Start {
			return featurestore.Unavailablef("the log begins at %d, and another process still archives it: whether what has expired is at rest is not known yet", bounds.Start)
		}
		at := begin.of(v, bounds)
		if first < bounds.Start {
			at = slices.Repeat([]int64{first - 1}, len(at))
		}
		if err := v.Begin(ctx, p.id(), at); err != nil {
			return err
		}
	}
	if low := v.Lowest(p.id()); low+1 < bounds.Start || p.fromRest(v, low) {
		return p.refill(ctx, v, low, bounds)
	}
	return nil
}

func (p *partition) gap(format string, args ...any) error {
	return p.shared.gap(p.number, fmt.Sprintf(format, args...))
}
