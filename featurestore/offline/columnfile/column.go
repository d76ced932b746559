package columnfile

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Page is what a column has in some rows.
type Page struct {
	Rows   int
	Levels []byte          // of an optional column: of each row 1, or 0 where it is null
	Values encoding.Values // those that are not null; of a column with a dictionary their places there (Int32Values)
}

// count is how many values there are; of booleans how many there may be.
func count(values *encoding.Values) int {
	data, ends := values.Data()
	switch values.Kind() {
	case encoding.Boolean:
		return 8 * len(data)
	case encoding.Int32:
		return len(data) / 4
	case encoding.ByteArray:
		return len(ends) - 1
	default:
		return len(data) / 8
	}
}

// nulls counts the rows that are null. A page that does not hold together is refused.
func (c *Column) nulls(p *Page) (int, error) {
	rows, nulls, values := p.Rows, 0, count(&p.Values)
	if c.optional {
		rows, nulls = len(p.Levels), bytes.Count(p.Levels, []byte{0})
	}
	want := p.Rows - nulls
	if p.Values.Kind() == encoding.Boolean {
		want = (want + 7) / 8 * 8
	}
	if p.Rows <= 0 || rows != p.Rows || values != want {
		return 0, fmt.Errorf("column %q: a page of %d rows with %d levels and %d nulls has %d values", c.path[0], p.Rows, len(p.Levels), nulls, values)
	}
	return nulls, nil
}

// Column is the column of a file that is being written. It is valid until the next.
type Column struct {
	column
	f     *File
	at    int
	rows  int64
	dict  *Dictionary
	lower parquet.Value // null where there is none
	upper parquet.Value

	meta   format.ColumnMetaData
	index  parquet.ColumnIndexer
	levels []int64 // of each page: how many nulls and others
	places format.OffsetIndex
}

func newColumn(f *File, at int) *Column {
	c := &Column{column: f.layout.columns[at], f: f, at: at}
	c.index = c.typ.NewColumnIndexer(parquet.DefaultColumnIndexSizeLimit)
	return c
}

// HasDictionary reports whether its texts are written by a dictionary.
func (c *Column) HasDictionary() bool { return c.dictionary() }

// Plain says that the column has no dictionary in this file, whatever the layout
// says. It comes before its pages.
func (c *Column) Plain() { c.encoding = &parquet.DeltaLengthByteArray }

// Dictionary writes the texts that the pages of the column name. It comes before
// them; the dictionary must not change until the last.
func (c *Column) Dictionary(d *Dictionary) error {
	if !c.dictionary() {
		return fmt.Errorf("column %q has no dictionary", c.path[0])
	}
	c.dict = d
	b := c.f.b
	var err error
	if b.page, err = c.typ.Encode(b.page[:0], d.values(), &parquet.Plain); err != nil {
		return err
	}
	c.meta.DictionaryPageOffset = c.f.offset
	b.levels = b.levels[:0]
	return c.writePage(&format.PageHeader{
		Type:                 format.DictionaryPage,
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(d.Len()), Encoding: format.Plain}),
	}, format.Plain)
}

// levelsOf encodes levels of one bit.
var levelsOf = rle.Encoding{BitWidth: 1}

// Write writes a page of at least one row.
func (c *Column) Write(p *Page) (err error) {
	nulls, err := c.nulls(p)
	if err != nil {
		return err
	}
	b := c.f.b
	b.levels = b.levels[:0]
	if c.optional {
		if b.levels, err = levelsOf.EncodeLevels(b.levels, p.Levels); err != nil {
			return err
		}
		c.levels = append(c.levels, int64(nulls), int64(p.Rows-nulls))
	}
	if c.dictionary() != (c.dict != nil) {
		return fmt.Errorf("column %q: a page without the dictionary", c.path[0])
	}
	if c.dict != nil {
		b.page, err = c.encoding.EncodeInt32(b.page[:0], p.Values.Int32())
	} else {
		b.page, err = c.typ.Encode(b.page[:0], p.Values, c.encoding)
	}
	if err != nil {
		return err
	}
	before, first := c.meta.TotalCompressedSize, c.f.offset
	if c.meta.DataPageOffset == 0 {
		c.meta.DataPageOffset = first
	}
	err = c.writePage(&format.PageHeader{
		Type: format.DataPageV2,
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
			NumValues: int32(p.Rows), NumNulls: int32(nulls), NumRows: int32(p.Rows), Encoding: c.encoding.Encoding(),
			DefinitionLevelsByteLength: int32(len(b.levels)), IsCompressed: thrift.New(true),
		}),
	}, c.encoding.Encoding())
	c.places.PageLocations = append(c.places.PageLocations, format.PageLocation{
		Offset: first, CompressedPageSize: int32(c.meta.TotalCompressedSize - before), FirstRowIndex: c.rows,
	})
	c.bound(p, nulls)
	c.rows += int64(p.Rows)
	return err
}

// writePage writes the page in the buffers behind its header.
func (c *Column) writePage(header *format.PageHeader, by format.Encoding) (err error) {
	b := c.f.b
	if len(b.page) > math.MaxInt32-len(b.levels) {
		return fmt.Errorf("column %q: a page of %d bytes", c.path[0], len(b.page))
	}
	if b.packed, err = b.codec.Encode(b.packed[:0], b.page); err != nil {
		return err
	}
	header.UncompressedPageSize = int32(len(b.levels) + len(b.page))
	header.CompressedPageSize = int32(len(b.levels) + len(b.packed))
	header.CRC = int32(crc32.Update(crc32.ChecksumIEEE(b.levels), crc32.IEEETable, b.packed))
	n, err := c.f.writeThrift(header)
	if err != nil {
		return err
	}
	c.meta.TotalUncompressedSize += int64(n) + int64(header.UncompressedPageSize)
	c.meta.TotalCompressedSize += int64(n) + int64(header.CompressedPageSize)
	stats := c.meta.EncodingStats
	if len(stats) == 0 || stats[len(stats)-1].PageType != header.Type {
		stats = append(stats, format.PageEncodingStats{PageType: header.Type, Encoding: by})
	}
	stats[len(stats)-1].Count++
	c.meta.EncodingStats = stats
	if err := c.f.write(b.levels); err != nil {
		return err
	}
	err = c.f.write(b.packed)
	b.trim()
	return err
}

// bound puts the bounds of a page into the index, and widens the column's.
func (c *Column) bound(p *Page, nulls int) {
	c.meta.NumValues += int64(p.Rows)
	c.meta.Statistics.NullCount += int64(nulls)
	var lower, upper parquet.Value
	has := false
	if c.dict != nil {
		lower, upper, has = c.dict.bounds(p.Values.Int32())
	} else {
		page := c.typ.NewPage(c.at, p.Rows-nulls, p.Values)
		lower, upper, has = page.Bounds()
	}
	if c.typ.Kind() == parquet.ByteArray && c.dict == nil {
		c.meta.SizeStatistics.UnencodedByteArrayDataBytes += p.Values.Size()
	}
	c.index.IndexPage(int64(p.Rows), int64(nulls), lower, upper)
	if !has {
		return
	}
	if c.lower.IsNull() || c.typ.Compare(lower, c.lower) < 0 {
		c.lower = lower.Clone()
	}
	if c.upper.IsNull() || c.typ.Compare(upper, c.upper) > 0 {
		c.upper = upper.Clone()
	}
}

// ended is what the footer says of the column.
func (c *Column) ended() (format.ColumnChunk, format.ColumnIndex, format.OffsetIndex) {
	c.meta.Type, c.meta.Codec = format.Type(c.typ.Kind()), format.Zstd
	c.meta.PathInSchema, c.meta.Encoding = c.path, c.encodings()
	if !c.lower.IsNull() { // a bound of no bytes is a bound
		c.meta.Statistics.MinValue, c.meta.Statistics.MaxValue = c.lower.AppendBytes([]byte{}), c.upper.AppendBytes([]byte{})
	}
	index := c.index.ColumnIndex()
	if c.optional {
		index.DefinitionLevelHistogram = c.levels
		c.meta.SizeStatistics.DefinitionLevelHistogram = []int64{c.meta.Statistics.NullCount, c.meta.NumValues - c.meta.Statistics.NullCount}
	}
	return format.ColumnChunk{MetaData: c.meta}, index, c.places
}
