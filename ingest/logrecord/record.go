// Package logrecord is the contract between a log and its readers: records,
// batches of them, the log that keeps them, and the headers by which replayed
// history says where it stands.
//
// It knows no client library, decodes no payload and starts nothing; ingest/kafka
// implements it, the ingester reads through it.
package logrecord

import (
	"github.com/freshet/freshet/featurestore"
)

// Origin says whose clock a log time is.
type Origin uint8

// Origins of a log time.
const (
	OriginProducer Origin = iota // the record's own timestamp: a producer's clock decides lateness
	OriginBroker                 // the topic has LogAppendTime
)

// String gives the origin as status and manifests write it.
func (o Origin) String() string {
	if o == OriginBroker {
		return "broker"
	}
	return "producer"
}

// Record is one committed record. Key and Value tell nil (absent, a tombstone)
// from empty. In a record that was read, the three byte slices belong to the
// batch that it came in. In a record that is produced, Partition, Offset and
// Origin are ignored, and LogTime is cut to the millisecond downwards.
type Record struct {
	Partition int32
	Origin    Origin
	Offset    int64
	LogTime   featurestore.LogTime
	Key       []byte
	Value     []byte
	Headers   Headers
}

// Batch is what one fetch of one partition gave. Its records ascend by offset;
// there may be none. The batch owns the memory of its records until Release.
type Batch struct {
	Partition int32
	Records   []Record

	// Next is the offset to go on at. It also moves over what gives no record:
	// control markers, aborted transactions, offsets that compaction removed.
	Next int64
	// LogStart, HighWatermark and LastStable are the partition's bounds at the
	// time of the fetch; committed records end at LastStable.
	LogStart, HighWatermark, LastStable int64
	// FetchTime is the clock when the fetch was sent: everything committed
	// before it is in the log that this batch saw.
	FetchTime featurestore.Instant

	// Removed are the offsets, from that of the fetch to Next, that neither a record, a
	// marker nor an aborted transaction explains: compaction has removed their records, or
	// what is left of an old transaction. They ascend and are apart.
	Removed []Offsets

	// Interrupted says that a fetch before this one failed and was tried again:
	// the topic may have been deleted and made anew in between.
	Interrupted bool

	// Packed and Unpacked are the memory behind the records, for the log that
	// fills the batch; nobody else touches them.
	Packed, Unpacked []byte
	// Recycle takes the batch back; nil where it is not reused.
	Recycle func(*Batch)
}

// Offsets are those of a partition from From to before To.
type Offsets struct{ From, To int64 }

// AtEnd reports whether the batch reached the end of what was committed when it
// was fetched.
func (b *Batch) AtEnd() bool { return b.Next >= b.LastStable }

// Release gives the memory back. Neither the batch nor its records may be used
// afterwards. A batch that is never released is left to the garbage collector.
func (b *Batch) Release() {
	if b.Recycle != nil {
		b.Recycle(b)
	}
}
