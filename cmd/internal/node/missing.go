package node

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/worker"
)

// LostRest is what was at rest of a partition and is not any more.
type LostRest struct {
	Generation uint32          `json:"generation"`
	Partition  int32           `json:"partition"`
	Offsets    []archive.Range `json:"offsets"` // half-open
}

// restInspector looks at what is at rest, against what is known to have been. It needs
// the online store; the log, where it is open, may still give some of it.
func (p *Parts) restInspector() worker.Inspector {
	return worker.Inspector{Project: p.Settings.Project, Log: p.Log, Online: p.Online, History: p.History(history.JoinedFiles)}
}

// MissingRest is what was at rest of a source and is neither there nor in its log any more.
func (p *Parts) MissingRest(ctx context.Context, s *definition.StreamSource) ([]worker.Missing, error) {
	logs, err := p.Registry.Sources(ctx)
	if err != nil {
		return nil, err
	}
	return p.restInspector().Missing(ctx, s, registry.Newest(logs, s.Name))
}

// AcceptMissingRest says that what is missing of a source is lost for good.
func (p *Parts) AcceptMissingRest(ctx context.Context, missing []worker.Missing, reason string) error {
	return p.restInspector().AcceptMissing(ctx, missing, reason, wall())
}

// AcceptMissingOf says so of what is missing of one log of a source, and gives it: who goes
// on with another log goes on without what of this one is nowhere any more.
func (p *Parts) AcceptMissingOf(ctx context.Context, s *definition.StreamSource, generation uint32, reason string) ([]worker.Missing, error) {
	missing, err := p.MissingRest(ctx, s)
	if err != nil {
		return nil, err
	}
	missing = slices.DeleteFunc(missing, func(m worker.Missing) bool { return m.Generation != generation })
	return missing, p.AcceptMissingRest(ctx, missing, reason)
}

// LostOf is what is missing, for people.
func LostOf(missing []worker.Missing) (out []LostRest) {
	for _, m := range missing {
		l := LostRest{Generation: m.Generation, Partition: m.Number}
		for _, r := range m.Ranges {
			l.Offsets = append(l.Offsets, archive.Range(r))
		}
		out = append(out, l)
	}
	return out
}

// withMissing adds what an ingester misses to the archives.
func withMissing(list []ArchiveStatus, missing []worker.Missing) []ArchiveStatus {
	of := map[string]*RestLoss{}
	for _, m := range missing {
		if of[m.Source] == nil {
			of[m.Source] = &RestLoss{Source: m.Source}
		}
		of[m.Source].Missing = append(of[m.Source].Missing, m)
	}
	for _, lost := range of {
		list = withLoss(list, lost)
	}
	return list
}

// withRemoved adds what compaction has removed before it was at rest.
func withRemoved(list []ArchiveStatus, removed []worker.Missing) []ArchiveStatus {
	for i := range list {
		s := &list[i]
		own := slices.DeleteFunc(slices.Clone(removed), func(m worker.Missing) bool { return m.Source != s.Source })
		if len(own) > 0 {
			s.Removed = LostOf(own)
			s.Note = strings.TrimPrefix(s.Note+"; "+worker.RemovedText(own), "; ")
		}
	}
	return list
}

// withLoss adds what is lost of a source to the archives: a folder that is gone has no
// other entry.
func withLoss(list []ArchiveStatus, lost *RestLoss) []ArchiveStatus {
	i := slices.IndexFunc(list, func(s ArchiveStatus) bool { return s.Source == lost.Source })
	if i < 0 {
		i, list = len(list), append(list, ArchiveStatus{Source: lost.Source, Partitions: []ArchivedPartition{}})
	}
	s := &list[i]
	s.Trouble = strings.TrimPrefix(s.Trouble+"; "+lost.Why(), "; ")
	if lost.Unasked == "" {
		s.Lost = LostOf(lost.Missing)
	}
	slices.SortFunc(list, func(a, b ArchiveStatus) int { return cmp.Compare(a.Source, b.Source) })
	return list
}
