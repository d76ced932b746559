// Package history reads all that is at rest of a source's events as one: its
// history files (source generation 0) and the archive of its log. Where the
// archive is complete for a range of offsets it stands in for those ranks of
// the files, so that nothing counts twice.
package history

import (
	"context"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
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
	WithFiles FilesUse = iota
	ArchiveOnly
)

// Reader implements offline.History in pure Go.
type Reader struct{ o Options }

var _ offline.History = (*Reader)(nil)

// New is a reader; it opens nothing.
func New(o Options) *Reader { return &Reader{o: o} }

// Scan implements offline.History.
func (r *Reader) Scan(ctx context.Context, spec offline.Spec) (offline.Stream, error) {
	panic("history: being built")
}

// Segments implements offline.History.
func (r *Reader) Segments(ctx context.Context, source *definition.StreamSource) ([]offline.Segment, error) {
	panic("history: being built")
}

// Complete gives the complete ranges of the archive of a source, ascending and
// apart, of each partition.
func (r *Reader) Complete(source *definition.StreamSource) (map[offline.Partition][]offline.Range, error) {
	panic("history: being built")
}
