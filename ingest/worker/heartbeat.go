package worker

import (
	"context"

	"github.com/freshet/freshet/featurestore/online"
)

// Beat is what a partition does for a view at each heartbeat: it moves the lanes along
// that no record has moved since the last one (what moved a lane has compared it), and
// has all lanes compared. Of a view's partitions one compares for all: each does so
// only where nobody has since its own last beat.
func (v *View) Beat(ctx context.Context, c *Chunk) error {
	if c.Through >= 0 || c.FetchTime > 0 {
		if err := v.advance(ctx, c, true); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	heard, before := v.heard[c.Partition]
	if v.audits == 0 || before && heard == v.audits {
		if err := v.audit(ctx); err != nil {
			return err
		}
	}
	v.heard[c.Partition] = v.audits
	return nil
}

// Advance moves every lane of a partition to at least the chunk's end, with an
// empty batch where nothing was written, which also notices a store that lost
// acknowledged writes.
func (v *View) Advance(ctx context.Context, c *Chunk) error { return v.advance(ctx, c, false) }

// advance does so; a beat leaves out the lanes that were moved since the last one.
func (v *View) advance(ctx context.Context, c *Chunk, beat bool) error {
	if _, wanted := v.binding[c.Partition.Source]; !wanted {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mine[c.Partition] = true
	if through := v.through(c.Partition); c.Through > through {
		return &rewindError{Offset: through} // no lane may pass what it has not seen
	}
	var batches []online.Batch
	for lane := range v.lanes.marks {
		m := v.lanes.at(uint16(lane), c.Partition)
		if m.offset > c.Through || beat && v.lanes.hasMoved(uint16(lane), c.Partition) {
			continue
		}
		batches = append(batches, online.Batch{
			Lane: online.LaneID{Generation: v.id, Lane: uint16(lane)}, Definition: v.view.Hash,
			Partition: c.Partition, From: m.offset, To: c.target(m, nil),
		})
	}
	return v.mark(ctx, c, batches)
}

// Audit compares the store's watermarks with what was acknowledged: a store that
// lost or changed something is noticed here also where nothing moves.
func (v *View) Audit(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.audit(ctx)
}

func (v *View) audit(ctx context.Context) error {
	stored, err := storedLanes(ctx, v.store, v.id, uint16(len(v.lanes.marks)))
	if err != nil {
		return err
	}
	v.filled = filled(stored)
	if v.state = online.Worst(stored); v.state == online.StateLost {
		return errLost // says another process, which has seen the store evict keys
	}
	if v.lanes.equal(stored, v.mine) {
		v.lanes.take(stored, v.mine)
		v.audits++
		return nil
	}
	v.cache.clear()
	v.counts.Rewinds++
	if err := v.reload(ctx); err != nil {
		return err
	}
	return &rewindError{Offset: -1}
}
