// Package columnfile writes Parquet files of flat columns, one row group each, from
// typed slices: no value of a cell is made. Schemas, types and encodings are the
// library's, and so is every reader; what is here is the way from slices to pages,
// which the library has for values only.
//
// Pages are of version 2, with checksums; column chunks have bounds and a page index.
package columnfile

import (
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"
)

// Layout is what files of one schema have in common. It is safe for concurrent use.
type Layout struct {
	footer  format.FileMetaData // of a file without rows
	columns []column
}

// column is how the values of one are written.
type column struct {
	path     []string
	typ      parquet.Type
	encoding encoding.Encoding
	optional bool
}

// LayoutOf is the layout of a schema's files. Columns are leaves, required or optional.
func LayoutOf(schema *parquet.Schema) (*Layout, error) {
	l := &Layout{}
	for _, f := range schema.Fields() {
		if !f.Leaf() || f.Repeated() {
			return nil, fmt.Errorf("column %q is no flat column", f.Name())
		}
		l.columns = append(l.columns, column{path: []string{f.Name()}, typ: f.Type(), encoding: encodingOf(f), optional: f.Optional()})
	}
	empty := parquet.NewGenericWriter[any](io.Discard, schema)
	if err := empty.Close(); err != nil {
		return nil, err
	}
	l.footer = *empty.File().Metadata()
	return l, nil
}

// encodingOf is the encoding that the library's own writer takes for a column.
func encodingOf(node parquet.Node) encoding.Encoding {
	switch e := node.Encoding(); {
	case e != nil:
		return e
	case node.Type().Kind() == parquet.ByteArray:
		return &parquet.DeltaLengthByteArray
	default:
		return &parquet.Plain
	}
}

func (c *column) dictionary() bool { return c.encoding.Encoding() == format.RLEDictionary }

// encodings are those of a column's pages and levels, ascending.
func (c *column) encodings() []format.Encoding {
	all := []format.Encoding{c.encoding.Encoding()}
	if c.optional {
		all = append(all, format.RLE)
	}
	if c.dictionary() {
		all = append(all, format.Plain)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
