package history

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/files"
)

// firstLog is the source generation of rows that carry positions: they are records
// of the source's first log.
const firstLog uint32 = 1

// filtered is an input without the rows that do not count.
type filtered struct {
	input
	keep func(*files.Row) bool
	rows []files.Row // copies: the input's own rows are its buffer
}

// Next gives what is kept of the next rows, which may be none.
func (f *filtered) Next() ([]files.Row, error) {
	rows, err := f.input.Next()
	if err != nil {
		return nil, err
	}
	f.rows = f.rows[:0]
	for i := range rows {
		if f.keep(&rows[i]) {
			f.rows = append(f.rows, rows[i])
		}
	}
	return f.rows, nil
}

// openFile opens a history file. Rows behind the cutover are the topic's; they
// come last in the order of ranks, so that the others keep theirs.
func openFile(source *definition.StreamSource, f files.Found, spec files.Spec) (input, error) {
	in, err := files.Open(f.Path, f.Name, spec)
	if err != nil || source.History.Cutover == nil {
		return in, err
	}
	return &filtered{input: in, keep: func(row *files.Row) bool { return source.FromFiles(row.Available) }}, nil
}

// span is what a file holds of one partition.
type span struct {
	first, last int64
	sorted      bool // its rows ascend by offset
}

// withPositions adds the columns of positions behind the declared fields.
func withPositions(source *definition.StreamSource, spec files.Spec) files.Spec {
	at := source.History.Positions
	if at == nil {
		return spec
	}
	n := len(source.Fields)
	spec.Fields = append(slices.Clone(spec.Fields), definition.Field{Name: at.Partition, Type: featurestore.Int64}, definition.Field{Name: at.Offset, Type: featurestore.Int64})
	if spec.Needed != nil {
		spec.Needed = append(slices.Clone(spec.Needed), n, n+1)
	}
	return spec
}

// positionOf reads a row's position. A row without one has no place in the log.
func positionOf(source *definition.StreamSource, name string, row *files.Row) (partition int32, offset int64, err error) {
	at, n := source.History.Positions, len(source.Fields)
	if row.Problem != "" {
		return 0, 0, featurestore.Invalidf("file %q: row %d: %s; a row that cannot be read leaves a hole in the log: mend it, or take it out", name, row.Number, row.Problem)
	}
	p, o := row.Fields[n], row.Fields[n+1]
	if p.IsNull() || o.IsNull() || p.Int64() < 0 || p.Int64() > math.MaxInt32 || o.Int64() < 0 || o.Int64() == math.MaxInt64 {
		return 0, 0, featurestore.Invalidf("file %q: row %d has no position: %s and %s must be a partition and an offset of the topic", name, row.Number, at.Partition, at.Offset)
	}
	return int32(p.Int64()), o.Int64(), nil
}

// note adds a row to the spans of its file.
func (x *fileIndex) note(partition int32, offset int64) {
	if x.spans == nil {
		x.spans = map[int32]span{}
	}
	s, seen := x.spans[partition]
	if !seen {
		s = span{first: offset, last: offset, sorted: true}
	}
	s.sorted = s.sorted && offset >= s.last
	s.first, s.last = min(s.first, offset), max(s.last, offset)
	x.spans[partition] = s
}

// positioned reports whether the files are read by the positions of their rows.
// Where a replay has archived them by rank, they are read by rank.
func positioned(source *definition.StreamSource, m *archive.Manifest) bool {
	return source.History.Positions != nil && len(m.Ranges(filesPartition)) == 0
}

// positionParts are the parts of files whose rows carry positions: of each
// partition everything up to its last row, where no archive stands in for it.
func positionParts(list []historyFile, m *archive.Manifest) []part {
	ends, holders := map[int32]int64{}, map[int32][]historyFile{}
	for _, f := range list {
		for p, s := range f.index.spans {
			ends[p] = max(ends[p], s.last+1)
			holders[p] = append(holders[p], f)
		}
	}
	var out []part
	for number, end := range ends {
		p := offline.Partition{Generation: firstLog, Partition: number}
		for _, rest := range residual(m.Ranges(p), end) {
			out = append(out, part{kind: offline.PositionsSegment, partition: p, offsets: rest, files: holders[number]})
		}
	}
	return out
}

// mergePositions opens the merge of the rows of one partition, by offset. Of rows
// of one position the first by file and row comes first.
func (r *Reader) mergePositions(ctx context.Context, source *definition.StreamSource, p *part, needed []int) (*merge, error) {
	at := len(source.Fields)
	placeOf := func(row *files.Row) place {
		return place{key: row.Fields[at+1].Int64(), file: row.File, number: row.Number}
	}
	var feeds []*feed
	sorting := newSorter(r.o.TempDir, r.o.SortBytes, at+2)
	sorting.placeOf = placeOf
	for _, f := range p.files {
		s := f.index.spans[p.partition.Partition]
		if s.last < p.offsets.From || s.first >= p.offsets.To {
			continue
		}
		open := func() (input, error) {
			in, err := files.Open(f.Path, f.Name, rowSpec(source, needed, f.ordinal))
			if err != nil {
				return nil, err
			}
			return &filtered{input: in, keep: func(row *files.Row) bool { return row.Fields[at].Int64() == int64(p.partition.Partition) }}, nil
		}
		if s.sorted {
			feeds = append(feeds, &feed{first: place{key: s.first, file: f.ordinal}, open: open})
		} else if err := sorting.addAll(ctx, open); err != nil {
			return nil, errors.Join(err, sorting.discard())
		}
	}
	sorted, err := sorting.feeds()
	if err != nil {
		return nil, errors.Join(err, sorting.discard())
	}
	return newMerge(append(feeds, sorted...), placeOf), nil
}

// repeats counts what the offsets of rows with positions say: whether a row is
// there twice, and how many are missing between two.
func (s *stream) repeats(offset int64) bool {
	before := s.previous
	s.previous = offset
	switch {
	case before < 0:
	case offset == before:
		s.stats.Repeated++
		return true
	default:
		s.stats.Missing += offset - before - 1
	}
	return false
}

// scanFile reads what must be known of a file before its rows have places.
func scanFile(ctx context.Context, source *definition.StreamSource, f files.Found) (fileIndex, error) {
	in, err := openFile(source, f, rowSpec(source, []int{}, 0))
	if err != nil {
		return fileIndex{}, err
	}
	index := fileIndex{sorted: true}
	last := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return fileIndex{}, errors.Join(err, in.Close())
		}
		rows, err := in.Next()
		if errors.Is(err, io.EOF) {
			return index, in.Close()
		}
		for i := 0; i < len(rows) && err == nil; i++ {
			a := int64(rows[i].Available)
			if index.rows == 0 {
				index.first, index.last, last = a, a, a
			}
			index.rows++
			index.sorted = index.sorted && a >= last
			index.first, index.last, last = min(index.first, a), max(index.last, a), a
			if source.History.Positions != nil {
				var p int32
				var o int64
				if p, o, err = positionOf(source, f.Name, &rows[i]); err == nil {
					index.note(p, o)
				}
			}
		}
		if err != nil {
			return fileIndex{}, errors.Join(err, in.Close())
		}
	}
}
