package worker

import (
	"context"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
)

// noHash is the hash of a fingerprint that was made from history, which has not a
// record's bytes: of it, offset and log time are compared.
const noHash = 0

// resting are the ranges of a source that this project's archive holds. The rule is
// that lanes which are filled from there carry fingerprints of it: without them, a
// log that was replaced before they were filled is taken for the old one.
type resting map[offline.Partition][]offline.Range

// restingOf leaves out joined files: their log times are whatever wrote them says.
func restingOf(ctx context.Context, h offline.History, s *definition.StreamSource) (resting, error) {
	segments, err := h.Segments(ctx, s)
	if err != nil {
		return nil, err
	}
	r := resting{}
	for _, g := range segments {
		if g.Kind == offline.ArchiveSegment {
			r[g.Partition] = append(r[g.Partition], g.Offsets)
		}
	}
	return r, nil
}

// print is the fingerprint of an archived event; none where it is not from a log, or
// from one of which the archive keeps other log times: a replay.
func (r resting) print(id featurestore.PartitionID, offset int64, at featurestore.LogTime) []online.Fingerprint {
	p := offline.Partition{Generation: id.Generation, Partition: id.Partition}
	if p.Generation == offline.FilesGeneration || !slices.ContainsFunc(r[p], func(g offline.Range) bool { return g.Contains(offset) }) {
		return nil
	}
	return []online.Fingerprint{{Offset: offset, LogTime: at, Hash: noHash}}
}
