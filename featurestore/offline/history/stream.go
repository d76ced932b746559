package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/files"
)

// stream implements offline.Stream: the parts one after the other, each a merge.
type stream struct {
	r      *Reader
	spec   offline.Spec
	needed []int
	parts  []part

	open   *merge       // of parts[0]; nil before it is opened
	merge  *columnMerge // the same by column
	rank   int64        // of the next row, where parts[0] is of history files
	held   *held        // a row that waits for the other one of its record
	events []featurestore.Event
	stats  offline.Stats
	done   int64 // invalid cells of the merges that are closed
	last   featurestore.Change

	previous int64 // offset, where rows carry their positions
}

// neededFields adds to the wanted fields what every event carries.
func neededFields(spec *offline.Spec) []int {
	if spec.Fields == nil {
		return nil
	}
	needed := slices.Clone(spec.Fields)
	for _, i := range []int{spec.Source.Sequence, spec.Source.EventID} {
		if i >= 0 {
			needed = append(needed, i)
		}
	}
	slices.Sort(needed)
	return append([]int{}, slices.Compact(needed)...)
}

// Next implements offline.Stream.
func (s *stream) Next(ctx context.Context) (offline.Batch, error) {
	for len(s.parts) > 0 {
		batch, err := s.step(ctx)
		if err != nil || batch.Through >= 0 {
			return batch, err
		}
	}
	return offline.Batch{}, io.EOF
}

// step gives the next batch of the first part, which is left behind where it ends.
// Through is below 0 for nothing.
func (s *stream) step(ctx context.Context) (offline.Batch, error) {
	if err := ctx.Err(); err != nil {
		return offline.Batch{}, err
	}
	if s.open == nil {
		if err := errors.Join(s.closePart(), s.openPart(ctx)); err != nil { // it may have been begun by column
			return offline.Batch{}, s.wayOn(err)
		}
	}
	before := s.stats
	batch, err := s.fill(&s.parts[0])
	if errors.Is(err, errMoved) {
		s.stats = before
		if err = s.moved(&s.parts[0], err); err == nil {
			return offline.Batch{Through: -1}, nil
		}
	}
	if errors.Is(err, io.EOF) {
		err = s.endPart()
	}
	if err != nil {
		return offline.Batch{}, fmt.Errorf("history of source %q: %w", s.spec.Source.Name, s.wayOn(err))
	}
	return batch, nil
}

// endPart leaves the first part behind.
func (s *stream) endPart() error {
	err := s.closePart()
	s.parts = s.parts[1:]
	return err
}

// wayOn adds to an error what a person can do about an archived file that is gone
// or damaged.
func (s *stream) wayOn(err error) error {
	if len(s.parts) == 0 || s.parts[0].kind != offline.ArchiveSegment || !errors.Is(err, featurestore.ErrInvalid) {
		return err
	}
	return fmt.Errorf("%w; restore it, or, where the log still holds its records, move the folder %q away to archive from the log again; then start the ingester again", err, archive.Folder(s.r.o.Dir, s.spec.Source.Name))
}

// Stats implements offline.Stream.
func (s *stream) Stats() offline.Stats {
	st := s.stats
	st.Invalid = s.done
	if s.open != nil {
		st.Invalid += s.open.invalidCells()
	}
	return st
}

// Close implements offline.Stream.
func (s *stream) Close() error {
	s.parts = nil
	return s.closePart()
}

func (s *stream) closePart() error {
	var err error
	if s.merge != nil {
		err = s.merge.close()
		s.merge = nil
	}
	if s.open != nil {
		s.done += s.open.invalidCells()
		err = errors.Join(err, s.open.close())
		s.open = nil
	}
	return err
}

func (s *stream) openPart(ctx context.Context) (err error) {
	p := &s.parts[0]
	s.previous = -1
	if p.kind == offline.PositionsSegment {
		s.open, err = s.r.mergePositions(ctx, s.spec.Source, p, s.needed)
		return err
	}
	if p.kind == offline.FilesSegment {
		rest, rank := skipFiles(p.files, p.offsets.From)
		s.rank = rank
		s.open, err = s.r.mergeFiles(ctx, s.spec.Source, rest, s.needed)
		return err
	}
	var feeds []*feed
	for _, f := range p.archived {
		if f.To <= p.offsets.From || f.From >= p.offsets.To || s.outOfTime(&f) {
			continue
		}
		feeds = append(feeds, &feed{first: place{key: f.From}, open: func() (input, error) {
			return openArchived(s, &f, func(path string) (*files.Reader, error) {
				return files.Open(path, path, archive.RowSpec(s.spec.Source, s.needed))
			})
		}})
	}
	s.open = newMerge(feeds, offsetPlace(len(s.spec.Source.Fields)))
	return nil
}

func (s *stream) outOfTime(f *archive.File) bool {
	t := s.spec.Times
	return t != nil && (f.MaxEventTime < int64(t.From) || f.MinEventTime >= int64(t.To))
}

// openArchived opens a file that is as it was listed.
func openArchived[T any](s *stream, f *archive.File, open func(path string) (T, error)) (none T, err error) {
	path := filepath.Join(archive.Folder(s.r.o.Dir, s.spec.Source.Name), filepath.FromSlash(f.Path))
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, fmt.Errorf("%w: %w", errMoved, featurestore.Unavailablef("archived file %q is listed and not there", path))
	}
	if err != nil {
		return none, featurestore.Unavailablef("archived file %q is listed and cannot be read: %v", path, err)
	}
	if info.Size() != f.Bytes {
		return none, featurestore.Invalidf("archived file %q has %d bytes, its manifest says %d: it was changed or damaged", path, info.Size(), f.Bytes)
	}
	if err := s.r.unchanged(s.spec.Source.Name, path, info, f); err != nil {
		return none, err
	}
	in, err := open(path)
	if _, gone := os.Stat(path); err != nil && errors.Is(gone, fs.ErrNotExist) { // just now
		return none, fmt.Errorf("%w: %w", errMoved, err)
	}
	return in, err
}

// errMoved says that a file is not where the manifest said when it was read.
var errMoved = errors.New("the archive has changed")

// moved goes on by position, with the files that the manifest lists by now: those
// that were listed may have been compacted, and removed since. why is the error
// where they were not.
func (s *stream) moved(p *part, why error) error {
	s.held = nil // it is read again
	if err := s.closePart(); err != nil {
		return err
	}
	m, err := archive.LoadPartition(s.r.o.Dir, s.spec.Source.Name, p.partition)
	if err != nil {
		return err
	}
	before := p.archived
	p.archived = nil
	for _, r := range m.Ranges(p.partition) {
		if r.From <= p.offsets.From && p.offsets.To <= r.To {
			p.archived = filesWithin(m, p.partition, r)
		}
	}
	if d := m.DroppedOf(p.partition); p.archived == nil && d != nil {
		return featurestore.Unavailablef("offsets from %d were dropped by retention while they were read: %w", p.offsets.From, why)
	}
	switch {
	case p.archived == nil:
		return why
	case slices.Equal(before, p.archived): // nobody has replaced it: waiting for it is in vain
		return featurestore.Invalidf("%v", why)
	}
	return nil
}

// fill makes the next batch of the open part. A batch ends where an input must
// be read on, because its rows are the batch's fields. After the last batch of
// the part comes io.EOF.
func (s *stream) fill(p *part) (offline.Batch, error) {
	if p.offsets.Empty() {
		return offline.Batch{Through: -1}, io.EOF
	}
	s.events = s.events[:0]
	batch := offline.Batch{Partition: p.partition.Of(s.spec.Index), Through: -1}
	limit := s.r.o.BatchRows
	if s.held != nil { // its fields are its own, and its other half comes with it
		batch.Through = s.held.offset
		s.release()
		limit++
	}
	for read := false; len(s.events) < limit && !(read && s.open.refills()); read = true {
		rows, err := s.open.run(limit - len(s.events))
		if errors.Is(err, io.EOF) {
			return s.endOf(p, batch), nil
		}
		if err != nil {
			return offline.Batch{}, err
		}
		for i := range rows {
			offset := s.offsetOf(p, &rows[i])
			if offset >= p.offsets.To {
				return s.endOf(p, batch), nil
			}
			if p.kind == offline.PositionsSegment && s.repeats(offset) {
				continue
			}
			if offset >= p.offsets.From {
				batch.Through = offset
				s.last = featurestore.NoChange
				s.take(p, &rows[i], offset)
			}
		}
	}
	s.hold(&batch)
	batch.Events = s.events
	p.offsets.From = max(p.offsets.From, batch.Through+1) // what was read may all lie before
	return batch, nil
}

// held is the first row of a record that may have two, read at the end of a
// batch: no batch ends between the rows of one position.
type held struct {
	offset int64
	event  *featurestore.Event // nil: it was not kept
}

// hold takes the last row off a batch where another one of its record may follow.
func (s *stream) hold(batch *offline.Batch) {
	if s.last != featurestore.Retracted || batch.Through < 0 {
		return
	}
	s.held = &held{offset: batch.Through}
	if n := len(s.events); n > 0 && s.events[n-1].Offset == batch.Through {
		ev := s.events[n-1]
		ev.Fields = slices.Clone(ev.Fields) // they are valid until the input is read on
		s.held.event, s.events = &ev, s.events[:n-1]
	}
	batch.Through--
}

// release puts the held row at the beginning of the next batch.
func (s *stream) release() {
	if s.held.event != nil {
		s.events = append(s.events, *s.held.event)
	}
	s.held = nil
}

// endOf gives the last batch of a part, which accounts for all of the part.
func (s *stream) endOf(p *part, batch offline.Batch) offline.Batch {
	batch.Through, batch.Events = p.offsets.To-1, s.events
	p.offsets.From = p.offsets.To // nothing is left at the next call
	return batch
}

func (s *stream) offsetOf(p *part, row *files.Row) int64 {
	switch p.kind {
	case offline.ArchiveSegment:
		return row.Fields[len(s.spec.Source.Fields)].Int64()
	case offline.PositionsSegment:
		return row.Fields[len(s.spec.Source.Fields)+1].Int64()
	case offline.FilesSegment:
	}
	offset := s.rank
	s.rank++
	return offset
}

// take appends the event of a row, or reports the row as bad.
func (s *stream) take(p *part, row *files.Row, offset int64) {
	position := featurestore.Position{PartitionID: p.partition.Of(s.spec.Index), Offset: offset}
	if row.Problem != "" {
		s.stats.Bad++
		if s.spec.Bad != nil {
			bad := offline.BadRow{Position: position, Row: row.Number, Reason: row.Problem}
			for i := range p.files {
				if p.files[i].ordinal == row.File {
					bad.File = p.files[i].Name
				}
			}
			s.spec.Bad(bad)
		}
		return
	}
	source := s.spec.Source
	s.events = append(s.events, featurestore.Event{
		Position: position, Time: row.Time, LogTime: row.Available, Fields: row.Fields[:len(source.Fields):len(source.Fields)],
	})
	ev := &s.events[len(s.events)-1]
	if source.Changes() {
		s.change(p, row, ev)
	}
	if source.Sequence >= 0 {
		ev.Sequence = ev.Fields[source.Sequence]
	}
	if source.EventID >= 0 {
		ev.ID = columnar.EventID(ev.Fields[source.EventID], source.Fields[source.EventID].Type)
	}
	if p.partition.Generation != offline.FilesGeneration && source.FromFiles(ev.LogTime) {
		s.stats.Before++
		s.events = s.events[:len(s.events)-1]
		return
	}
	if t := s.spec.Times; t != nil && (ev.Time < t.From || ev.Time >= t.To) || s.spec.Keep != nil && !s.spec.Keep(ev) {
		s.stats.Dropped++
		s.events = s.events[:len(s.events)-1]
		return
	}
	s.stats.Events++
}

// change says what a row of a change feed does. A row of a history file is added
// when it became available.
func (s *stream) change(p *part, row *files.Row, ev *featurestore.Event) {
	ev.Change, ev.Mutated = featurestore.Added, featurestore.EventTime(row.Available)
	if p.kind == offline.ArchiveSegment {
		n := len(s.spec.Source.Fields)
		ev.Change, ev.Mutated = featurestore.Change(row.Fields[n+1].Int64()), featurestore.EventTime(row.Fields[n+2].Timestamp())
	}
	s.last = ev.Change
}
