// Package history reads all that is at rest of a source's events as one: its
// history files (source generation 0) and the archive of its log. Where the
// archive is complete for a range of offsets it stands in for those ranks of
// the files, so that nothing counts twice.
//
// The ranks of history files are stable as long as files are only added whose
// rows come later in (available_at, file path, row number).
package history

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// Options says where the history of a project's sources is.
type Options struct {
	Root string // of the definitions: globs of history files are relative to it
	Dir  string // of the archive (settings: offline.dir); "" for none

	// Files says whether generation 0 is read from the sources' history files
	// where the archive does not hold it.
	Files FilesUse

	TempDir   string // for the sorting of unsorted files; "" is the system's
	SortBytes int64  // memory of a sort before it spills; 0 is 256 MiB
	BatchRows int    // of a batch, at most; 0 is 4096
}

// FilesUse says whether history files are read.
type FilesUse uint8

// Uses of history files.
const (
	WithFiles   FilesUse = iota
	ArchiveOnly          // what came through the log
	JoinedFiles          // those that are joined to their topic, which gives the rest
)

func (u FilesUse) wants(source *definition.StreamSource) bool {
	return source.History != nil && (u == WithFiles || u == JoinedFiles && source.Joined())
}

const defaultBatchRows = 4096

// Reader implements offline.History in pure Go. It remembers the order of files
// that it has seen, and which archived files are whole, so that a second scan does
// not look again.
type Reader struct {
	o       Options
	mu      sync.Mutex // guards what follows
	indexes map[indexKey]indexed
	whole   map[string]map[string]content // by source and path: archived files whose checksum was seen to be right
}

var _ offline.History = (*Reader)(nil)

// New is a reader; it opens nothing.
func New(o Options) *Reader {
	if o.BatchRows <= 0 {
		o.BatchRows = defaultBatchRows
	}
	return &Reader{o: o, indexes: map[indexKey]indexed{}, whole: map[string]map[string]content{}}
}

// Scan implements offline.History.
func (r *Reader) Scan(ctx context.Context, spec offline.Spec) (offline.Stream, error) {
	parts, err := r.parts(ctx, spec.Source)
	if err != nil {
		return nil, err
	}
	s := &stream{r: r, spec: spec, needed: neededFields(&spec)}
	for _, p := range parts {
		wanted := p.offsets
		if bounds, ok := spec.Bounds[p.partition]; ok {
			wanted = intersect(wanted, bounds)
		} else if spec.Only {
			continue
		}
		if p.offsets = wanted; !wanted.Empty() {
			s.parts = append(s.parts, p)
		}
	}
	return s, nil
}

// Segments implements offline.History.
func (r *Reader) Segments(ctx context.Context, source *definition.StreamSource) ([]offline.Segment, error) {
	parts, err := r.parts(ctx, source)
	if err != nil {
		return nil, err
	}
	var out []offline.Segment
	for _, p := range parts {
		s := offline.Segment{Kind: p.kind, Partition: p.partition, Offsets: p.offsets, Rows: -1}
		if p.kind != offline.ArchiveSegment {
			for _, f := range p.files {
				s.Paths, s.Names = append(s.Paths, f.Path), append(s.Names, f.Name)
			}
		} else {
			s.Rows = 0
			for _, f := range p.archived {
				s.Paths = append(s.Paths, filepath.Join(archive.Folder(r.o.Dir, source.Name), filepath.FromSlash(f.Path)))
				s.Names = append(s.Names, f.Path)
				s.Rows += f.Rows
				if f.Rows > 0 && f.To > s.Newest.Offset {
					s.Newest = offline.Newest{Rows: f.Rows, Offset: f.To - 1, From: featurestore.LogTime(f.MinLogTime), To: featurestore.LogTime(f.MaxLogTime)}
				}
			}
		}
		for i, path := range s.Paths {
			if s.Paths[i], err = filepath.Abs(path); err != nil {
				return nil, fmt.Errorf("segments of source %q: %w", source.Name, err)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// Complete gives the complete ranges of the archive of a source, ascending and
// apart, of each partition.
func (r *Reader) Complete(source *definition.StreamSource) (map[offline.Partition][]offline.Range, error) {
	m, err := r.manifest(source)
	if err != nil {
		return nil, err
	}
	out := map[offline.Partition][]offline.Range{}
	for i := range m.Complete {
		out[m.Complete[i].Key()] = m.Ranges(m.Complete[i].Key())
	}
	return out, nil
}

// Dropped implements offline.History.
func (r *Reader) Dropped(ctx context.Context, source *definition.StreamSource) (map[offline.Partition]offline.Dropped, error) {
	m, err := r.manifest(source)
	if err != nil || len(m.Dropped) == 0 {
		return nil, err
	}
	parts, err := r.parts(ctx, source)
	if err != nil {
		return nil, err
	}
	latest := int64(math.MinInt64)
	for i := range m.Files {
		latest = max(latest, m.Files[i].MaxLogTime)
	}
	out := map[offline.Partition]offline.Dropped{}
	for i := range m.Dropped {
		d := &m.Dropped[i]
		one := offline.Dropped{Rows: d.Rows, Newest: featurestore.EventTime(d.MaxEventTime), At: featurestore.Instant(d.At), Latest: featurestore.LogTime(latest)}
		for _, x := range d.Ranges {
			if !slices.ContainsFunc(parts, func(p part) bool { // its history files have it
				return p.kind != offline.ArchiveSegment && p.partition == d.Key() && p.offsets.From <= x.From && x.To <= p.offsets.To
			}) {
				one.Ranges = append(one.Ranges, offline.Range(x))
			}
		}
		if len(one.Ranges) > 0 {
			out[d.Key()] = one
		}
	}
	return out, nil
}

func (r *Reader) manifest(source *definition.StreamSource) (*archive.Manifest, error) {
	if r.o.Dir == "" {
		return &archive.Manifest{Version: 1, Source: source.Name}, nil
	}
	m, err := archive.Load(r.o.Dir, source.Name)
	if err == nil {
		r.forget(m)
	}
	return m, err
}
