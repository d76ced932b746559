package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// A row group of a merged file: as many rows as one of a seal, or as much text.
const (
	groupRows  = defaultSealRows
	groupBytes = defaultSealBytes / 2
	mergeRows  = 256 // read at a time

	// leastCopied is how many rows a row group has, at least, that is taken as it is:
	// smaller ones are what a compaction is for.
	leastCopied = groupRows / 4
)

// merger writes the rows of archived files of one partition, in the order of their
// offsets and as they are: it knows no field. It holds one row group.
type merger struct {
	ctx    context.Context
	schema *parquet.Schema
	offset int // the column
	files  []*mergeInput
	rows   int64
	last   int64 // offset
	from   *mergeInput

	copied int64 // rows of a row group that is taken as it is, at least

	out   *parquet.GenericWriter[any]
	group int   // rows of the row group
	bytes int64 // of their texts
}

// mergeInput is one of the files; it is open while its rows can be next.
type mergeInput struct {
	path   string
	first  int64 // offset, at least
	file   *os.File
	groups []parquet.RowGroup
	rows   parquet.Rows
	buffer []parquet.Row
	have   []parquet.Row
}

// newParquet writes one file. None is used again: after a Reset the library leaves the
// columns' paths out of the file's footer, and readers that go by these find nothing.
func newParquet(out io.Writer, schema *parquet.Schema) *parquet.GenericWriter[any] {
	return parquet.NewGenericWriter[any](out, schema,
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.DictionaryMaxBytes(dictionaryBytes), parquet.DataPageStatistics(false))
}

// schemaOf reads the schema of an archived file.
func schemaOf(path string) (_ *parquet.Schema, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	f, err := openParquet(file, path)
	if err != nil {
		return nil, err
	}
	return f.Schema(), nil
}

func openParquet(file *os.File, path string) (*parquet.File, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(file, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(64<<10))
	if err != nil {
		return nil, featurestore.Invalidf("archived file %q is not readable as Parquet: %v", path, err)
	}
	return f, nil
}

// mergeFiles writes files of one schema as one, and gives the number of rows. Row groups
// of so many rows are copied, where they can be.
func mergeFiles(ctx context.Context, out io.Writer, schema *parquet.Schema, copied int64, inputs []*mergeInput) (rows int64, err error) {
	column, ok := schema.Lookup(archive.ColumnOffset)
	if !ok {
		return 0, featurestore.Invalidf("archived file %q has no column %q", inputs[0].path, archive.ColumnOffset)
	}
	m := &merger{ctx: ctx, schema: schema, offset: column.ColumnIndex, copied: copied, files: inputs, last: -1}
	m.out = newParquet(out, schema)
	defer func() {
		for _, in := range m.files {
			err = errors.Join(err, in.close())
		}
	}()
	for {
		more, err := m.step()
		if err != nil {
			return 0, err
		}
		if !more {
			return m.rows, m.out.Close()
		}
	}
}

// step writes the rows of the file with the least offset that come before those of
// every other one.
func (m *merger) step() (more bool, err error) {
	if err := m.ctx.Err(); err != nil {
		return false, err
	}
	for {
		least, bound := m.least()
		if least < 0 {
			return false, nil
		}
		in := m.files[least]
		if len(in.have) > 0 {
			return true, m.write(in, bound)
		}
		whole, err := m.writeGroup(in, bound)
		if whole || err != nil {
			return whole, err
		}
		ended, err := in.fill(m.offset)
		if err != nil {
			return false, fmt.Errorf("archived file %q: %w", in.path, err)
		}
		if ended {
			if err := in.close(); err != nil {
				return false, err
			}
			m.files = append(m.files[:least], m.files[least+1:]...)
		}
	}
}

// least is the file whose next row has the least offset, -1 for none, and the least
// offset of the others. Files that are not open stand for their first offset.
func (m *merger) least() (at int, bound int64) {
	at, bound = -1, math.MaxInt64
	for i, in := range m.files {
		switch {
		case at < 0:
			at = i
		case in.first < m.files[at].first:
			at, bound = i, m.files[at].first
		default:
			bound = min(bound, in.first)
		}
	}
	return at, bound
}

// cellBytes is what a value counts for without its text.
const cellBytes = 9

func (m *merger) write(in *mergeInput, bound int64) error {
	n := 0
	for n < len(in.have) {
		row := in.have[n]
		o := row[m.offset].Int64()
		if o > bound || o == bound && n > 0 {
			break
		}
		if err := m.follows(in, o); err != nil {
			return err
		}
		m.last, m.from = o, in
		for k := range row {
			m.bytes += cellBytes
			if kind := row[k].Kind(); kind == parquet.ByteArray || kind == parquet.FixedLenByteArray {
				m.bytes += int64(len(row[k].ByteArray()))
			}
		}
		n++
	}
	if _, err := m.out.WriteRows(in.have[:n]); err != nil {
		return err
	}
	m.rows += int64(n)
	m.group += n
	in.have = in.have[n:]
	if len(in.have) > 0 {
		in.first = in.have[0][m.offset].Int64()
	}
	if m.group < groupRows && m.bytes < groupBytes {
		return nil
	}
	m.group, m.bytes = 0, 0
	return m.out.Flush()
}

// writeGroup writes the next row group of a file as it is, where all of it comes before
// the rows of every other file: the library then moves it without decoding it, or by
// column where its pages are not as it would write them.
func (m *merger) writeGroup(in *mergeInput, bound int64) (done bool, err error) {
	if err := in.open(); err != nil {
		return false, fmt.Errorf("archived file %q: %w", in.path, err)
	}
	if in.rows != nil || len(in.groups) == 0 || in.groups[0].NumRows() < m.copied {
		return false, nil
	}
	column, ok := in.groups[0].ColumnChunks()[m.offset].(*parquet.FileColumnChunk)
	if !ok {
		return false, nil
	}
	_, most, known := column.Bounds()
	if !known || most.Int64() >= bound {
		return false, nil
	}
	last, err := m.ascends(in, column, bound)
	if err != nil {
		return false, err
	}
	m.group, m.bytes = 0, 0 // what is gathered becomes a row group of its own
	n, err := m.out.WriteRowGroup(in.groups[0])
	if err != nil {
		return false, fmt.Errorf("archived file %q: %w", in.path, err)
	}
	m.rows += n
	m.last, m.from = last, in
	in.first, in.groups = last, in.groups[1:]
	return true, nil
}

// ascends gives the last offset of a row group. It is an error where its offsets do not
// come behind what is written, do not ascend, or are not as many or as small as its file
// says.
func (m *merger) ascends(in *mergeInput, column *parquet.FileColumnChunk, bound int64) (last int64, err error) {
	r := parquet.NewColumnChunkValueReader(column)
	defer func() { err = errors.Join(err, r.Close()) }()
	values, n := make([]parquet.Value, mergeRows), int64(0)
	for {
		k, err := r.ReadValues(values)
		for _, v := range values[:k] {
			o := v.Int64()
			if n == 0 {
				if err := m.follows(in, o); err != nil {
					return 0, err
				}
			}
			if n > 0 && o < last || o >= bound {
				return 0, misplaced(in, o)
			}
			last = o
			n++
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return 0, fmt.Errorf("archived file %q: %w", in.path, err)
		case n != in.groups[0].NumRows():
			return 0, featurestore.Invalidf("archived file %q: a row group of %d rows has %d offsets", in.path, in.groups[0].NumRows(), n)
		default:
			return last, nil
		}
	}
}

// follows is an error where a row of a file does not come behind those that are written.
func (m *merger) follows(in *mergeInput, offset int64) error {
	if offset < m.last || offset == m.last && in != m.from {
		return misplaced(in, offset)
	}
	return nil
}

func misplaced(in *mergeInput, offset int64) error {
	return featurestore.Invalidf("archived file %q: offset %d stands there out of order, or in another file too", in.path, offset)
}

// open opens the file, where it is not.
func (in *mergeInput) open() (err error) {
	if in.file != nil {
		return nil
	}
	if in.file, err = os.Open(in.path); err != nil {
		return err
	}
	f, err := openParquet(in.file, in.path)
	if err != nil {
		return err
	}
	in.groups = f.RowGroups()
	in.buffer = make([]parquet.Row, mergeRows)
	return nil
}

// fill reads on, up to the end of a row group; ended says that there is no row left.
func (in *mergeInput) fill(offset int) (ended bool, err error) {
	if err := in.open(); err != nil {
		return false, err
	}
	if in.rows == nil {
		if len(in.groups) == 0 {
			return true, nil
		}
		in.rows, in.groups = in.groups[0].Rows(), in.groups[1:]
	}
	n, err := in.rows.ReadRows(in.buffer)
	if n > 0 {
		in.have = in.buffer[:n]
		in.first = in.have[0][offset].Int64()
		return false, nil
	}
	if !errors.Is(err, io.EOF) {
		return false, errors.Join(err, io.ErrNoProgress)
	}
	rows := in.rows
	in.rows, in.have = nil, nil // the next group may be taken as it is
	return false, rows.Close()
}

func (in *mergeInput) close() (err error) {
	if in.rows != nil {
		err = in.rows.Close()
		in.rows = nil
	}
	if in.file != nil {
		err = errors.Join(err, in.file.Close())
		in.file = nil
	}
	return err
}
