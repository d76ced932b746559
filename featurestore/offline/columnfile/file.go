package columnfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Buffers are what pages are made in, for one file after the other.
type Buffers struct {
	out     *bufio.Writer
	header  bytes.Buffer
	encoder *thrift.Encoder
	levels  []byte
	page    []byte
	packed  []byte
	codec   zstd.Codec // its encoder is large: it is made once
}

// NewBuffers makes them.
func NewBuffers() *Buffers {
	b := &Buffers{out: bufio.NewWriterSize(nil, writeBytes), codec: zstd.Codec{Level: zstd.SpeedFastest}}
	b.encoder = thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&b.header))
	return b
}

// keptBytes are kept of what a page was made in: larger pages are rare.
const keptBytes = 2 << 20

// trim lets memory go that a large page took.
func (b *Buffers) trim() {
	if cap(b.page) > keptBytes {
		b.page = nil
	}
	if cap(b.packed) > keptBytes {
		b.packed = nil
	}
}

// writeBytes is how much is written at a time, at least.
const writeBytes = 64 << 10

const magic = "PAR1"

// File is a file that is being written, column after column. After an error it is
// of no use.
type File struct {
	layout *Layout
	b      *Buffers
	offset int64
	rows   int64

	columns []format.ColumnChunk
	indexes []format.ColumnIndex
	places  []format.OffsetIndex
	open    *Column
}

// Begin starts a file. The buffers are its own until Close.
func Begin(out io.Writer, layout *Layout, b *Buffers) (*File, error) {
	b.out.Reset(out)
	f := &File{layout: layout, b: b}
	return f, f.write([]byte(magic))
}

func (f *File) write(p []byte) error {
	n, err := f.b.out.Write(p)
	f.offset += int64(n)
	return err
}

// writeThrift writes one of the format's structs, and gives its bytes.
func (f *File) writeThrift(v any) (int, error) {
	f.b.header.Reset()
	if err := f.b.encoder.Encode(v); err != nil {
		return 0, err
	}
	return f.b.header.Len(), f.write(f.b.header.Bytes())
}

// Next ends a column and begins the one behind it.
func (f *File) Next() (*Column, error) {
	if err := f.end(); err != nil {
		return nil, err
	}
	i := len(f.columns)
	if i == len(f.layout.columns) {
		return nil, fmt.Errorf("the file has %d columns", i)
	}
	f.open = newColumn(f, i)
	return f.open, nil
}

// end completes the column that is open, where one is.
func (f *File) end() error {
	c := f.open
	if c == nil {
		return nil
	}
	f.open = nil
	if len(f.columns) == 0 {
		f.rows = c.rows
	}
	if c.rows != f.rows {
		return fmt.Errorf("column %q has %d rows, the one before %d", c.path[0], c.rows, f.rows)
	}
	chunk, index, places := c.ended()
	f.columns, f.indexes, f.places = append(f.columns, chunk), append(f.indexes, index), append(f.places, places)
	return nil
}

// Close writes what stands behind the columns. It does not close the output.
func (f *File) Close() error {
	if err := f.end(); err != nil {
		return err
	}
	if len(f.columns) != len(f.layout.columns) {
		return fmt.Errorf("%d of %d columns are written", len(f.columns), len(f.layout.columns))
	}
	if err := errors.Join(f.writeIndex(), f.writeFooter()); err != nil {
		return err
	}
	err := f.b.out.Flush()
	f.b.out.Reset(nil)
	return err
}

// writeIndex writes what lets readers pass pages by.
func (f *File) writeIndex() error {
	if f.rows == 0 {
		return nil
	}
	for i := range f.columns {
		c := &f.columns[i]
		c.ColumnIndexOffset = f.offset
		n, err := f.writeThrift(&f.indexes[i])
		if err != nil {
			return err
		}
		c.ColumnIndexLength = int32(n)
	}
	for i := range f.columns {
		c := &f.columns[i]
		c.OffsetIndexOffset = f.offset
		n, err := f.writeThrift(&f.places[i])
		if err != nil {
			return err
		}
		c.OffsetIndexLength = int32(n)
	}
	return nil
}

func (f *File) writeFooter() error {
	footer := f.layout.footer
	if f.rows > 0 {
		group := format.RowGroup{Columns: f.columns, NumRows: f.rows, FileOffset: int64(len(magic)), SortingColumns: []format.SortingColumn{}} // as the library says it
		for i := range f.columns {
			group.TotalByteSize += f.columns[i].MetaData.TotalUncompressedSize
			group.TotalCompressedSize += f.columns[i].MetaData.TotalCompressedSize
		}
		footer.NumRows, footer.RowGroups = f.rows, []format.RowGroup{group}
	}
	n, err := f.writeThrift(&footer)
	if err != nil {
		return err
	}
	return f.write(append(binary.LittleEndian.AppendUint32(nil, uint32(n)), magic...))
}
