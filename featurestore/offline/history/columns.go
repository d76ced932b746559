package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/files"
)

// NextColumns implements offline.ColumnStream.
func (s *stream) NextColumns(ctx context.Context, to *columnar.Events, most int) (offline.Batch, error) {
	for len(s.parts) > 0 {
		to.Reset()
		next := s.rows
		if s.byColumn() {
			next = s.columns
		}
		batch, err := next(ctx, to, most)
		if err != nil {
			return offline.Batch{}, err
		}
		if batch.Through >= 0 {
			return batch, nil
		}
	}
	return offline.Batch{}, io.EOF
}

// byColumn reports whether the first part is read by column: archived events of which
// each counts. Rows of change feeds belong together.
func (s *stream) byColumn() bool {
	p := &s.parts[0]
	return p.kind == offline.ArchiveSegment && !p.byRow && !s.spec.Source.Changes() && s.spec.Keep == nil && s.spec.Times == nil &&
		!slices.ContainsFunc(p.archived, func(f archive.File) bool { return s.spec.Source.FromFiles(featurestore.LogTime(f.MinLogTime)) })
}

// rows copies the next events of the first part.
func (s *stream) rows(ctx context.Context, to *columnar.Events, most int) (offline.Batch, error) {
	out := offline.Batch{Partition: s.parts[0].partition.Of(s.spec.Index), Through: -1}
	for parts := len(s.parts); to.Len() < most && len(s.parts) == parts; {
		batch, err := s.step(ctx)
		if err != nil {
			return out, err
		}
		out.Through = max(out.Through, batch.Through)
		for i := range batch.Events {
			if err := to.Append(&batch.Events[i]); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// columns appends the next rows of the first part. Where it finds that files have
// moved, or must be read row by row, it gives nothing, and the next call begins anew.
func (s *stream) columns(ctx context.Context, to *columnar.Events, most int) (offline.Batch, error) {
	p := &s.parts[0]
	from, before := p.offsets.From, s.stats
	batch, err := s.fillColumns(ctx, to, most)
	moved, byRow := errors.Is(err, errMoved), errors.Is(err, files.ErrByRow)
	if moved || byRow {
		p.offsets.From, s.stats, batch.Through = from, before, -1
	}
	switch {
	case moved:
		err = s.moved(p, err)
	case byRow:
		p.byRow = true
		err = s.closePart()
	case errors.Is(err, io.EOF):
		err = s.endPart()
	}
	if err != nil {
		return batch, fmt.Errorf("history of source %q: %w", s.spec.Source.Name, s.wayOn(err))
	}
	return batch, nil
}

// fillColumns is columns, with io.EOF beside the last rows of the part.
func (s *stream) fillColumns(ctx context.Context, to *columnar.Events, most int) (offline.Batch, error) {
	p := &s.parts[0]
	batch := offline.Batch{Partition: p.partition.Of(s.spec.Index), Through: -1}
	if s.merge == nil {
		if err := s.closePart(); err != nil { // it may have been begun row by row
			return batch, err
		}
		s.merge = s.mergeColumns(p)
	}
	for to.Len() < most {
		if err := ctx.Err(); err != nil {
			return batch, err
		}
		in, offsets, err := s.merge.next()
		if errors.Is(err, io.EOF) || err == nil && offsets[0] >= p.offsets.To {
			batch.Through, p.offsets.From = p.offsets.To-1, p.offsets.To
			return batch, io.EOF
		}
		if err != nil {
			return batch, err
		}
		skip := offsetsBefore(offsets, p.offsets.From)
		n := min(offsetsBefore(offsets, p.offsets.To), skip+most-to.Len())
		if err := in.skip(skip); err != nil {
			return batch, err
		}
		if n -= skip; n == 0 {
			continue
		}
		batch.Through = offsets[skip+n-1]
		if err := in.read(n, batch.Partition, to); err != nil {
			return batch, err
		}
		s.stats.Events += int64(n)
		p.offsets.From = batch.Through + 1
	}
	return batch, nil
}

// offsetsBefore is how many of ascending offsets are less than another.
func offsetsBefore(offsets []int64, than int64) int {
	n, _ := slices.BinarySearch(offsets, than)
	return n
}

// columnMerge gives the rows of files in the order of their offsets. Files that lie one
// behind the other are open one at a time.
type columnMerge struct {
	waiting []columnFeed // by first offset
	open    []*columnInput
}

type columnFeed struct {
	first int64
	open  func() (*files.ColumnReader, error)
}

// columnInput is an open file. offsets are those of its next rows, at least of one.
type columnInput struct {
	in      *files.ColumnReader
	offsets []int64
}

func (s *stream) mergeColumns(p *part) *columnMerge {
	m := &columnMerge{}
	for _, f := range p.archived {
		if f.To > p.offsets.From && f.From < p.offsets.To {
			m.waiting = append(m.waiting, columnFeed{first: f.From, open: func() (*files.ColumnReader, error) {
				return openArchived(s, &f, func(path string) (*files.ColumnReader, error) {
					return files.OpenColumns(path, path, archive.Columns(s.spec.Source, s.needed))
				})
			}})
		}
	}
	slices.SortStableFunc(m.waiting, func(a, b columnFeed) int { return cmp.Compare(a.first, b.first) })
	return m
}

// next gives the input whose rows are next, and the offsets of those that come before
// the rows of all others; io.EOF after the last.
func (m *columnMerge) next() (*columnInput, []int64, error) {
	for {
		least, bound, err := m.least()
		if err != nil {
			return nil, nil, err
		}
		if len(m.waiting) > 0 && (least == nil || m.waiting[0].first <= least.offsets[0]) {
			in, err := m.waiting[0].open()
			if err != nil {
				return nil, nil, err
			}
			m.waiting, m.open = m.waiting[1:], append(m.open, &columnInput{in: in})
			continue
		}
		if least == nil {
			return nil, nil, io.EOF
		}
		if len(m.waiting) > 0 {
			bound = min(bound, m.waiting[0].first)
		}
		return least, least.offsets[:max(1, offsetsBefore(least.offsets, bound))], nil
	}
}

// least is the open input whose rows are next, nil for none, and where those of the
// others begin. It closes those that have ended.
func (m *columnMerge) least() (least *columnInput, bound int64, err error) {
	bound = offline.MaxOffset
	for i := 0; i < len(m.open); i++ {
		in := m.open[i]
		if len(in.offsets) == 0 {
			if in.offsets, err = in.in.Offsets(); errors.Is(err, io.EOF) {
				m.open = slices.Delete(m.open, i, i+1)
				i--
				if err = in.in.Close(); err == nil {
					continue
				}
			}
			if err != nil {
				return nil, 0, err
			}
		}
		switch head := in.offsets[0]; {
		case least == nil:
			least = in
		case head < least.offsets[0]:
			least, bound = in, min(bound, least.offsets[0])
		default:
			bound = min(bound, head)
		}
	}
	return least, bound, nil
}

func (in *columnInput) read(n int, id featurestore.PartitionID, to *columnar.Events) error {
	in.offsets = in.offsets[n:]
	return in.in.Read(n, id, to)
}

func (in *columnInput) skip(n int) error {
	if n == 0 {
		return nil
	}
	in.offsets = in.offsets[n:]
	return in.in.Skip(n)
}

func (m *columnMerge) close() error {
	var err error
	for _, in := range m.open {
		err = errors.Join(err, in.in.Close())
	}
	m.waiting, m.open = nil, nil
	return err
}
