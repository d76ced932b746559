package history

import (
	"context"
	"slices"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// part is a range of offsets of one partition that comes from one kind of file.
type part struct {
	kind      offline.SegmentKind
	partition offline.Partition
	offsets   offline.Range
	archived  []archive.File // of an archive, ascending by first offset
	files     []historyFile  // of history files, ascending by name
	byRow     bool           // some archived file of it cannot be read by column
}

// filesPartition is the partition of all history files.
var filesPartition = offline.Partition{Generation: offline.FilesGeneration, Partition: offline.FilesPartition}

// parts lists what is at rest of a source in the order in which it is read: by
// generation, partition and offset.
func (r *Reader) parts(ctx context.Context, source *definition.StreamSource) ([]part, error) {
	m, err := r.manifest(source)
	if err != nil {
		return nil, err
	}
	var out []part
	if r.o.Files.wants(source) {
		list, err := r.historyFiles(ctx, source)
		if err != nil {
			return nil, err
		}
		if positioned(source, m) {
			out = positionParts(list, m)
		} else {
			for _, rest := range residual(m.Ranges(filesPartition), totalRows(list)) {
				out = append(out, part{kind: offline.FilesSegment, partition: filesPartition, offsets: rest, files: list})
			}
		}
	}
	for i := range m.Complete {
		p := m.Complete[i].Key()
		for _, r := range m.Ranges(p) {
			out = append(out, part{kind: offline.ArchiveSegment, partition: p, offsets: r, archived: filesWithin(m, p, r)})
		}
	}
	slices.SortStableFunc(out, func(a, b part) int {
		return a.partition.Of(0).Compare(b.partition.Of(0))*2 + compareInt(a.offsets.From, b.offsets.From)
	})
	return out, nil
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// residual is what the ranges leave of the offsets from 0 to rows.
func residual(ranges []offline.Range, rows int64) []offline.Range {
	var out []offline.Range
	from := int64(0)
	for _, r := range ranges {
		if hole := (offline.Range{From: from, To: min(r.From, rows)}); !hole.Empty() {
			out = append(out, hole)
		}
		from = max(from, r.To)
	}
	if rest := (offline.Range{From: from, To: rows}); !rest.Empty() {
		out = append(out, rest)
	}
	return out
}

func filesWithin(m *archive.Manifest, p offline.Partition, r offline.Range) []archive.File {
	var out []archive.File
	for i := range m.Files {
		if f := &m.Files[i]; f.Key() == p && r.Contains(f.From) {
			out = append(out, *f)
		}
	}
	return out
}

func intersect(a, b offline.Range) offline.Range {
	return offline.Range{From: max(a.From, b.From), To: min(a.To, b.To)}
}
