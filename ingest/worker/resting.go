package worker

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// resting is what the archive knows of a partition's log. Lanes that were filled
// from it carry no fingerprints: whether the log is still the same, the archive
// must say.
type resting struct {
	through int64 // the last offset that is at rest; -1: none is
	newest  []restingRecord
}

// restingRecord is a record as the archive remembers it: its bytes are not there.
type restingRecord struct {
	offset  int64
	logTime featurestore.LogTime
}

// Where the newest records at rest are looked for: among so many offsets first,
// and then among so many times more.
const (
	restingOffsets = 256
	restingMore    = 64
)

// restingOf reads the newest records of a partition that the archive holds, the
// newest first.
func restingOf(ctx context.Context, h offline.History, s *definition.StreamSource, p offline.Partition) (resting, error) {
	r := resting{through: -1}
	segments, err := h.Segments(ctx, s)
	if err != nil {
		return r, err
	}
	var ranges []offline.Range
	for _, g := range segments {
		if g.Kind == offline.ArchiveSegment && g.Partition == p {
			ranges = append(ranges, g.Offsets)
		}
	}
	slices.SortFunc(ranges, func(a, b offline.Range) int { return cmp.Compare(b.To, a.To) })
	for _, last := range ranges {
		r.through = max(r.through, last.To-1)
		for n := int64(restingOffsets); ; n *= restingMore {
			within := offline.Range{From: max(last.From, last.To-n), To: last.To}
			if r.newest, err = newestOf(ctx, h, s, p, within); err != nil || len(r.newest) > 0 {
				return r, err
			}
			if within == last {
				break
			}
		}
	}
	return r, nil
}

// newestOf reads the newest records within a range.
func newestOf(ctx context.Context, h offline.History, s *definition.StreamSource, p offline.Partition, within offline.Range) (newest []restingRecord, err error) {
	stream, err := h.Scan(ctx, offline.Spec{Source: s, Fields: []int{}, Only: true, Bounds: map[offline.Partition]offline.Range{p: within}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for {
		batch, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			slices.Reverse(newest)
			return newest, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range batch.Events {
			if len(newest) == maxPrints {
				newest = append(newest[:0], newest[1:]...)
			}
			newest = append(newest, restingRecord{batch.Events[i].Offset, batch.Events[i].LogTime})
		}
	}
}

// agree compares the log with what is at rest of it, newest first, until a record
// is the same, and gives that one's fingerprint; offset -1 is none. Those that are
// gone say nothing.
func (r *resting) agree(ctx context.Context, log logrecord.Log, at topicPartition, bounds logrecord.Bounds) (a agreement, same online.Fingerprint, err error) {
	a, same = agreement{same: -1, differs: -1}, online.Fingerprint{Offset: -1}
	for _, record := range r.newest {
		if record.offset < bounds.Start || record.offset >= bounds.End {
			continue
		}
		batch, err := log.Peek(ctx, at.topic, at.number, record.offset)
		if err != nil {
			return a, same, err
		}
		found := len(batch.Records) > 0 && batch.Records[0].Offset == record.offset
		if found && batch.Records[0].LogTime == record.logTime {
			a.same = record.offset
			same = online.Fingerprint{Offset: record.offset, LogTime: record.logTime, Hash: logrecord.Fingerprint(&batch.Records[0])}
		} else if found {
			a.differs = record.offset
		}
		batch.Release()
		if a.same >= 0 {
			return a, same, nil
		}
	}
	return a, same, nil
}

// memory is what a process knows of a partition's log beside what lanes say.
type memory struct {
	mu     sync.Mutex
	begun  bool               // the log was compared with what is at rest
	newest online.Fingerprint // of the records that are known; offset -1 is none
}

// known is newest; ok is false where nothing is known yet.
func (m *memory) known() (newest online.Fingerprint, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.newest, m.begun
}

// begin says that the log was compared with what is at rest, and what is the same.
func (m *memory) begin(same online.Fingerprint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.begun || same.Offset > m.newest.Offset {
		m.begun, m.newest = true, same
	}
}

// keep adds what is kept of a chunk, the oldest first.
func (m *memory) keep(prints []online.Fingerprint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(prints); n > 0 && prints[n-1].Offset > m.newest.Offset {
		m.newest = prints[n-1]
	}
}

// recall compares the log with what is at rest of it: when an arrangement begins,
// for then lanes may have been filled from there, and where somebody says GAP. Lanes
// go on with the fingerprint.
func (p *partition) recall(ctx context.Context) error {
	if err := p.recheck(ctx); err != nil || p.replayed { // what is at rest of a replay has other log times
		return err
	}
	if _, begun := p.memory.known(); !begun {
		if err := p.archive.seal(); err != nil { // what was appended before
			return err
		}
	}
	rest, err := restingOf(ctx, p.history, p.source, p.archived())
	if err != nil {
		return err
	}
	bounds, err := p.log.Bounds(ctx, p.source.Topic, p.number)
	if err != nil {
		return err
	}
	found, newest, err := rest.agree(ctx, p.log, topicPartition{p.source.Topic, p.number}, bounds)
	if err != nil {
		return err
	}
	if reason := madeAnew(bounds, applied{high: rest.through}, found); reason != "" {
		return p.gap("%s", reason)
	}
	p.memory.begin(newest)
	return nil
}

// remember is recheck where lanes and process know the newest records, and recall
// where they may not: nothing was compared yet, or lanes are without fingerprints.
func (p *partition) remember(ctx context.Context) error {
	newest, begun := p.memory.known()
	if begun && !slices.ContainsFunc(p.views(), func(v *View) bool {
		have := v.applied(p.id())
		return len(have.prints) == 0 || have.prints[0].Offset < newest.Offset
	}) {
		return p.recheck(ctx)
	}
	return p.recall(ctx)
}

// recheck compares the log with the newest record that this process knows of it,
// whatever has become of the lanes.
func (p *partition) recheck(ctx context.Context) error {
	newest, begun := p.memory.known()
	if !begun || newest.Offset < 0 {
		return nil
	}
	bounds, err := p.log.Bounds(ctx, p.source.Topic, p.number)
	if err != nil {
		return err
	}
	found, err := agree(ctx, p.log, topicPartition{p.source.Topic, p.number}, bounds, []online.Fingerprint{newest})
	if err != nil {
		return err
	}
	if reason := madeAnew(bounds, applied{high: newest.Offset}, found); reason != "" {
		return p.gap("%s", reason)
	}
	return nil
}

// verify compares the log with everything that is known of it.
func (p *partition) verify(ctx context.Context) error {
	if err := p.shared.verify(ctx); err != nil {
		return err
	}
	return p.remember(ctx)
}
