package worker

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// applied is what some lanes have of one partition.
type applied struct {
	low, high int64
	met       bool
	prints    []online.Fingerprint // newest first
}

func (l *lanes) applied(p online.Partition) applied {
	return applied{low: l.lowest(p), high: l.highest(p), met: l.met(p), prints: l.prints(p)}
}

// applied is lanes.applied of the view.
func (v *View) applied(p online.Partition) applied {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lanes.applied(p)
}

// topicPartition is a place in the log.
type topicPartition struct {
	topic  string
	number int32
}

// agreement says what the fingerprints of a partition say of its log.
type agreement struct {
	same    int64 // the newest offset whose record is the one that was applied; -1: none was found
	differs int64 // the oldest offset whose record is another; -1: none is
}

// agree compares fingerprints with the records at their offsets, newest first,
// until one is the same. Those of records that are gone say nothing.
func agree(ctx context.Context, log logrecord.Log, at topicPartition, bounds logrecord.Bounds, prints []online.Fingerprint) (agreement, error) {
	a := agreement{same: -1, differs: -1}
	for _, print := range prints {
		if print.Offset < bounds.Start || print.Offset >= bounds.End {
			continue
		}
		batch, err := log.Peek(ctx, at.topic, at.number, print.Offset)
		if err != nil {
			return a, err
		}
		found := len(batch.Records) > 0 && batch.Records[0].Offset == print.Offset
		same := found && batch.Records[0].LogTime == print.LogTime && (print.Hash == noHash || logrecord.Fingerprint(&batch.Records[0]) == print.Hash)
		batch.Release()
		switch {
		case same:
			a.same = print.Offset
			return a, nil
		case found:
			a.differs = print.Offset
		}
	}
	return a, nil
}

// madeAnew says why a log is not the one that positions came from, "" where it
// may well be.
func madeAnew(bounds logrecord.Bounds, have applied, a agreement) string {
	switch {
	case have.high >= bounds.End:
		return fmt.Sprintf("the log ends at %d, but %d was applied before: it was truncated or made anew", bounds.End, have.high)
	case a.differs >= 0 && a.same >= 0:
		return fmt.Sprintf("the record at offset %d is not the one that was applied, the one at %d is: the log was truncated in between", a.differs, a.same)
	case a.differs >= 0:
		return fmt.Sprintf("the record at offset %d is not the one that was applied: the topic was made anew", a.differs)
	}
	return ""
}

// expired says what is missing where a log begins beyond what was applied.
func expired(bounds logrecord.Bounds, next int64) string {
	return fmt.Sprintf("the log begins at %d, but %d is the next to be applied: records have expired", bounds.Start, next)
}
