package worker

import (
	"context"
	"math"

	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/logrecord"
)

// beginning is where a partition that nobody has met begins.
type beginning struct {
	before  online.Partition // its life before, where the log still holds what was applied of that
	through int64            // the last offset that is the same in both; -1: it is another log
	archive int64            // the first offset to archive
}

// beginnings finds where a partition begins. A log that was accepted is mostly
// another one, and begins where it begins. But a person may also accept that some
// of a log has expired or was cut off: what is still there of it has been applied
// under the generation before, and must not count twice.
func (p *partition) beginnings(ctx context.Context, bounds logrecord.Bounds, archived bool) (beginning, error) {
	b := beginning{through: -1, archive: bounds.Start}
	if p.generation == registry.FirstLog && !archived && p.source.Joined() {
		err := p.joins(ctx, bounds, &b)
		return b, err
	}
	for g := p.generation; g > registry.FirstLog; g-- {
		before := online.Partition{Source: p.source.Name, Generation: g - 1, Number: p.number}
		have, met := appliedBy(p.views(), before)
		if !met {
			continue
		}
		found, err := agree(ctx, p.log, topicPartition{p.source.Topic, p.number}, bounds, have.prints)
		if err != nil {
			return b, err
		}
		archived := offline.Partition{Generation: g - 1, Partition: p.number}
		through := int64(math.MaxInt64) // all that is there is the same
		if found.same < 0 || found.differs >= 0 || have.high >= bounds.End {
			to := bounds.End
			if found.differs >= 0 {
				to = found.differs
			}
			through, err = p.cut(ctx, archived, max(found.same, bounds.Start-1), to)
		}
		if err != nil || through < bounds.Start {
			return b, err
		}
		b.before, b.through = before, through
		ranges, err := completeRanges(ctx, p.history, p.source, archived)
		if err != nil {
			return b, err
		}
		b.archive = max(bounds.Start, min(endOf(ranges)-1, b.through)+1)
		return b, nil
	}
	return b, nil
}

// joins finds where a first log begins that history files go before. Files with
// positions are at rest as they are; files up to a cutover must meet the topic.
func (p *partition) joins(ctx context.Context, bounds logrecord.Bounds, b *beginning) error {
	if p.source.History.Positions != nil {
		ranges, err := completeRanges(ctx, p.history, p.source, p.archived())
		b.archive = max(bounds.Start, reach(ranges, 0))
		return err
	}
	if bounds.Start == 0 {
		return nil
	}
	cutover, first := *p.source.History.Cutover, "it is empty"
	if bounds.Start < bounds.End {
		batch, err := p.log.Peek(ctx, p.source.Topic, p.number, bounds.Start)
		if err != nil {
			return err
		}
		defer batch.Release()
		if len(batch.Records) > 0 {
			if batch.Records[0].LogTime < cutover {
				return nil
			}
			first = "its first record is of " + batch.Records[0].LogTime.String()
		}
	}
	return p.gap("records of the topic have expired up to offset %d, and %s: some from the cutover (%s) on may be in neither the topic nor the history files; give a later cutover, and files up to there", bounds.Start, first, cutover)
}

// appliedBy is what several views have of a partition.
func appliedBy(views []*View, id online.Partition) (all applied, met bool) {
	all.high = -1
	all.low = math.MaxInt64
	for _, v := range views {
		a := v.applied(id)
		if !a.met {
			continue
		}
		met = true
		all.low, all.high = min(all.low, a.low), max(all.high, a.high)
		all.prints = append(all.prints, a.prints...)
	}
	sortPrints(all.prints)
	return all, met
}

// of gives the last offset before the beginning, for each lane of a view.
func (b *beginning) of(v *View, bounds logrecord.Bounds) []int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]int64, len(v.lanes.marks))
	for lane := range out {
		out[lane] = bounds.Start - 1
		if b.through >= 0 {
			out[lane] = max(out[lane], min(v.lanes.at(uint16(lane), b.before).offset, b.through))
		}
	}
	return out
}

// endOf is the offset after the last of ranges that ascend; 0 for none.
func endOf(ranges []offline.Range) int64 {
	if len(ranges) == 0 {
		return 0
	}
	return ranges[len(ranges)-1].To
}
