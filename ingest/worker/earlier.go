package worker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// fillEarlier gives views from history what is at rest of the source's earlier logs: it
// counts, and nobody reads those any more. Lanes stand before its end where the store has
// failed over to an older copy, and the log was lost before they had caught up.
func (p *partition) fillEarlier(ctx context.Context) error {
	if !p.held || p.generation == registry.FirstLog || p.generation == offline.FilesGeneration {
		return nil
	}
	alone := *p.source
	alone.History = nil // files that are joined are no log's
	archived, _, err := heldOf(ctx, p.history, &alone)
	if err != nil {
		return err
	}
	ids := slices.SortedFunc(maps.Keys(archived), func(a, b offline.Partition) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Partition, b.Partition))
	})
	for _, id := range slices.DeleteFunc(ids, func(id offline.Partition) bool { return !p.succeeds(id) }) {
		ended := offline.Range{To: endOf(offline.Union(archived[id]...))} // offsets that are at rest nowhere are nowhere
		for _, v := range p.views() {
			ended.From = v.Lowest(online.Partition{Source: p.source.Name, Generation: id.Generation, Number: id.Partition}) + 1
			if ended.Empty() {
				continue
			}
			index := v.binding[p.source.Name]
			spec := offline.Spec{
				Source: v.view.Bindings[index].Source, Index: uint16(index), Only: true,
				Bounds: map[offline.Partition]offline.Range{id: ended},
			}
			if _, err := fillFrom(ctx, p.history, v, spec); err != nil {
				return fmt.Errorf("view %q: filling offsets %d to %d of log %d of %q, which is gone, from history: %w", v.Name(), ended.From, ended.To-1, id.Generation, p.source.Name, err)
			}
			p.progress.refilled(p.id(), ended.To-ended.From)
		}
	}
	return nil
}

// succeeds reports whether a partition of an earlier log is this one's to look after: that
// of its number, and the first one's also those of numbers that the log has no more.
func (p *partition) succeeds(id offline.Partition) bool {
	return id.Generation >= registry.FirstLog && id.Generation < p.generation && (id.Partition == p.number || p.number == 0 && int(id.Partition) >= p.shared.partitions)
}
