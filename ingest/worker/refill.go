package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/transforms/expr"
)

// refill gives a view from history, by position, what the log no longer holds.
// Where history has a hole there, the view is in a GAP.
func (p *partition) refill(ctx context.Context, v *View, low int64, bounds logrecord.Bounds) error {
	if !p.held {
		why := expired(bounds, low+1)
		if low+1 >= bounds.Start {
			why = fmt.Sprintf("compaction has removed records from offset %d on that are at rest", low+1)
		}
		return featurestore.Unavailablef("%s; another process still holds its history", why)
	}
	if err := p.archive.seal(); err != nil {
		return err
	}
	s := v.view.Bindings[v.binding[p.source.Name]].Source
	ranges, err := completeRanges(ctx, p.history, s, p.archived())
	if err != nil {
		return err
	}
	// What retention has dropped no window of a view reads any more.
	dropped, err := p.history.Dropped(ctx, s)
	if err != nil {
		return err
	}
	ranges = append(ranges, dropped[p.archived()].Ranges...)
	slices.SortFunc(ranges, func(a, b offline.Range) int { return cmp.Compare(a.From, b.From) })
	to := reach(ranges, low+1)
	if to < bounds.Start {
		return p.gap("%s, and history holds offsets only up to %d", expired(bounds, low+1), to-1)
	}
	spec := offline.Spec{
		Source: s, Index: uint16(v.binding[p.source.Name]), Only: true,
		Bounds: map[offline.Partition]offline.Range{p.archived(): {From: low + 1, To: to}},
	}
	if _, err := fillFrom(ctx, p.history, v, spec); err != nil {
		return fmt.Errorf("view %q: filling offsets %d to %d, which the log no longer holds or not all of, from the history of %q: %w", v.Name(), low+1, to-1, s.Name, err)
	}
	p.progress.refilled(p.id(), to-low-1)
	return nil
}

// reach is the offset up to which ranges that ascend go on from another without a hole.
func reach(ranges []offline.Range, from int64) int64 {
	for _, r := range ranges {
		if r.From <= from {
			from = max(from, r.To)
		}
	}
	return from
}

// completeRanges are the ranges of a partition that history holds whole, ascending.
func completeRanges(ctx context.Context, h offline.History, s *definition.StreamSource, p offline.Partition) ([]offline.Range, error) {
	segments, err := h.Segments(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []offline.Range
	for _, g := range segments {
		if g.Partition == p {
			out = append(out, g.Offsets)
		}
	}
	slices.SortFunc(out, func(a, b offline.Range) int { return cmp.Compare(a.From, b.From) })
	return out, nil
}

// needed are the fields that a view reads of a source.
func needed(b *definition.Binding) []int {
	programs := slices.Concat(b.Keys, b.Inputs, []*expr.Program{b.Where, b.Source.Where})
	fields := []int{}
	for _, p := range programs {
		if p != nil {
			fields = append(fields, p.Slots()...)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// fillFrom folds what history gives into a view, partition by partition. What it
// has read is told where all of it was.
func fillFrom(ctx context.Context, h offline.History, v *View, spec offline.Spec) (read offline.Stats, err error) {
	if spec.Source.History == nil { // of its files, a row with any field that cannot be read does not count
		spec.Fields = needed(&v.view.Bindings[v.binding[spec.Source.Name]])
	}
	marks, err := restingOf(ctx, h, spec.Source)
	if err != nil {
		return read, err
	}
	scan, err := h.Scan(ctx, spec)
	if err != nil {
		return read, err
	}
	stream := gather(ctx, scan, spec.Source, v.batchOf(spec.Source))
	defer func() { err = errors.Join(err, stream.Close()) }()
	var last *Chunk
	fed := map[online.Partition]bool{}
	defer func() {
		for id := range fed {
			v.Detach(id) // whoever reads it feeds it from here
		}
	}()
	next := func() (*Chunk, error) {
		batch, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		id := online.Partition{Source: spec.Source.Name, Generation: batch.Partition.Generation, Number: batch.Partition.Partition}
		c := &Chunk{Partition: id, Events: batch.events, Through: batch.Through}
		for _, at := range batch.events.LogTimes() {
			c.LogTime = max(c.LogTime, at)
		}
		if n := batch.events.Len(); n > 0 {
			c.Prints = marks.print(batch.Partition, batch.events.Offsets()[n-1], batch.events.LogTimes()[n-1])
		}
		return c, nil
	}
	defer v.endFill()
	runs := layOut(ctx, v, spec.Source.Name, next)
	defer runs.Close()
	held := int64(-1)
	for {
		r, err := runs.Next()
		if err != nil {
			return read, err
		}
		if r == nil {
			break
		}
		c := r.chunk
		fed[c.Partition] = true
		if last != nil && last.Partition != c.Partition {
			if err := v.Advance(ctx, last); err != nil {
				return read, err
			}
			last = nil
		}
		if last != nil {
			c.LogTime, c.Prints = max(c.LogTime, last.LogTime), mergePrints(nil, last.Prints, c.Prints)
		}
		if held, err = v.applyRun(ctx, r, held); err != nil {
			return read, err
		}
		last = c
		runs.Done(r)
	}
	read = scan.Stats() // whoever read it has ended
	if last == nil {
		return read, nil
	}
	return read, v.Advance(ctx, last)
}
