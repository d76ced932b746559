// Package offline is the contract of what is kept at rest: the events of a
// source as batches in the order of their positions, and the Parquet files that
// hold them. It owns words and promises; the parts below it own bytes:
//
//	atomicfile  a file is either whole or not there
//	files       one Parquet, CSV or JSON lines file as typed rows
//	archive     layout, manifest and columns of archived events
//	history     all events of a source: its files and its archive, as one
//	warehouse   the rows of a batch source
//	runs        the runs of batch views on record
//	duckdb      the same Parquet files by SQL (cgo; imported by cmd only)
//
// It knows no log, no clock and no SQL.
package offline

import (
	"context"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// FilesGeneration is the source generation of history files. They are one
// partition, FilesPartition; an event's offset is the rank of its row in
// (available_at, file path, row number), from 0.
const (
	FilesGeneration uint32 = 0
	FilesPartition  int32  = 0
)

// Partition names a partition within one source, whatever view reads it.
type Partition struct {
	Generation uint32
	Partition  int32
}

// Of gives the partition's id within a view, where the source has index source.
func (p Partition) Of(source uint16) featurestore.PartitionID {
	return featurestore.PartitionID{Source: source, Generation: p.Generation, Partition: p.Partition}
}

// Range is a half-open range of offsets: From is in, To is not.
type Range struct{ From, To int64 }

// MaxOffset is the To of a range whose end is not known.
const MaxOffset = math.MaxInt64

// Empty reports whether the range holds no offset.
func (r Range) Empty() bool { return r.From >= r.To }

// Contains reports whether an offset lies in the range.
func (r Range) Contains(offset int64) bool { return r.From <= offset && offset < r.To }

// Spec says which events of a source a reader wants.
type Spec struct {
	Source *definition.StreamSource

	// Index is the source's index in the view that reads; it is stamped on the
	// events' positions.
	Index uint16

	// Fields are the indexes of the source's fields that are needed; nil needs
	// all. The others are null. Sequence and event id are always read.
	Fields []int

	// Bounds limits each partition to a range of offsets; a partition without
	// an entry is read whole. Only says that such a partition is not read.
	Bounds map[Partition]Range
	Only   bool

	// Times limits the events to a range of event times; nil is all. Files that
	// hold none of it are not read.
	Times *TimeRange

	// Keep drops events early, such as those of other entities; nil keeps all.
	// The event is valid during the call only.
	Keep func(*featurestore.Event) bool

	// Bad is told of rows that could not be read, in the order of their ranks
	// and before the batch that follows them is returned; nil only counts them.
	Bad func(BadRow)
}

// TimeRange is a half-open range of event times.
type TimeRange struct{ From, To featurestore.EventTime }

// BadRow is a row of a history file that is no event: a dead letter. It keeps
// its rank: no later row moves up.
type BadRow struct {
	featurestore.Position
	File   string // relative to the root of the definitions
	Row    int64  // within the file, from 0
	Reason string
}

// Batch is a run of events of one partition in ascending offset. Its slices and
// the events' Fields are valid until the next call of the stream that gave it;
// the texts within the values stay valid.
type Batch struct {
	Partition featurestore.PartitionID
	Events    []featurestore.Event // also late ones, and those of files that lie ahead of their log time

	// Through is the last offset that this batch accounts for: every offset from
	// the end of the batch before up to and with it is in Events, was reported as
	// bad, was not kept, or never held an event.
	Through int64
}

// Stats counts what a stream has read so far.
type Stats struct {
	Events  int64 // returned
	Bad     int64 // rows that could not be read
	Dropped int64 // by Times and Keep, of those that were read
	Invalid int64 // typed NaN and infinities, read as null

	Before   int64 // records of a topic that are older than the cutover: the files give them
	Repeated int64 // rows of files whose position another row has; the first counts
	Missing  int64 // offsets between the rows of files with positions that no row has
}

// Stream gives batches in ascending (generation, partition, offset). It is for
// one goroutine and must be closed.
type Stream interface {
	// Next gives the next batch, io.EOF after the last. An error of kind
	// ErrInvalid is about the files (a missing column, a wrong type) and names
	// the file; cancelling ctx ends the call with its error.
	Next(ctx context.Context) (Batch, error)
	Stats() Stats
	Close() error
}

// History is all that is at rest of the events of sources. It is safe for
// concurrent use.
type History interface {
	// Scan opens a stream over the events of a source.
	Scan(ctx context.Context, spec Spec) (Stream, error)

	// Segments lists the files behind the same events, for a reader of its own
	// (SQL): the paths of each segment and the offsets that count from them.
	Segments(ctx context.Context, source *definition.StreamSource) ([]Segment, error)

	// Dropped says what retention has taken away of the archive of a source, where
	// no history file has it: it is in no segment, and it is not lost.
	Dropped(ctx context.Context, source *definition.StreamSource) (map[Partition]Dropped, error)
}

// Dropped is what retention has taken away of a partition.
type Dropped struct {
	Ranges []Range // of offsets, ascending and apart
	Rows   int64
	Newest featurestore.EventTime // of these rows
	At     featurestore.Instant   // when it was done last

	Latest featurestore.LogTime // of the rows of the source that are there
}

// Reaches reports whether windows that reach so far back from the newest row read
// what was dropped.
func (d *Dropped) Reaches(back featurestore.Duration) bool {
	return featurestore.Instant(d.Latest)-featurestore.Instant(back) <= featurestore.Instant(d.Newest)
}

// SegmentKind says what the files of a segment are.
type SegmentKind uint8

// Kinds of segment.
const (
	// ArchiveSegment files are Parquet in the columns of package archive: the
	// offset stands in its own column.
	ArchiveSegment SegmentKind = iota
	// FilesSegment files are the source's history files as declared: the offset
	// is the rank of a row over all of Paths.
	FilesSegment
	// PositionsSegment files are history files whose rows carry their positions.
	PositionsSegment
)

// Segment is a set of files of one partition, and the offsets that count from
// them: rows outside of Offsets stand in another segment too.
type Segment struct {
	Kind      SegmentKind
	Partition Partition
	Offsets   Range    // complete in an archive; To may be MaxOffset for files
	Paths     []string // absolute, ascending by name
	Names     []string // parallel to Paths: as in manifests, and as ranks are ordered
	Rows      int64    // an archive's rows; -1 where not known

	Newest Newest // of an archive
}

// Newest is what is known of the newest row of an archived segment, without a look into
// its file.
type Newest struct {
	Rows     int64 // that lie together in a file, this the last of them; 0 for none
	Offset   int64
	From, To featurestore.LogTime // both inclusive: its log time lies between those of the file
}
