package predictions

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/freshet/freshet/featurestore"
)

// metadataKey is the key of a file's metadata under which its header stands.
const metadataKey = "freshet.predictions"

// Rows that are handed to Parquet at once, and in one row group: fixed, so that
// equal rows make equal bytes.
const (
	writeRows = 1024
	groupRows = 64 * writeRows
)

// dictionaryBytes is where a dictionary of texts costs more than it saves.
const dictionaryBytes = 1 << 20

// Writer writes rows of one header as a Parquet file. It is for one goroutine.
type Writer struct {
	columns []column
	table   *table
	row     []featurestore.Value // scratch
}

// NewWriter begins a file on out.
func NewWriter(out io.Writer, h *Header) *Writer {
	columns := columnsOf(h)
	return &Writer{columns: columns, table: newTable(out, columns, string(h.Encode())), row: make([]featurestore.Value, len(columns))}
}

// Append adds a row of the writer's header.
func (w *Writer) Append(r *Row) error {
	for i := range w.columns {
		w.row[i] = w.columns[i].get(r)
	}
	return w.table.append(w.row)
}

// Close ends the file; out stays open.
func (w *Writer) Close() error { return w.table.close() }

// table writes rows of values to Parquet, some at a time.
type table struct {
	out     *parquet.GenericWriter[any]
	columns []column
	values  [][]parquet.Value // a column, the rows that wait
	rows    int               // that wait
	group   int               // rows in the open row group
}

func newTable(out io.Writer, columns []column, header string) *table {
	w := parquet.NewGenericWriter[any](out, schemaOf(columns),
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.DictionaryMaxBytes(dictionaryBytes),
		parquet.KeyValueMetadata(metadataKey, header))
	return &table{out: w, columns: columns, values: make([][]parquet.Value, len(columns))}
}

func (t *table) append(row []featurestore.Value) error {
	for i := range t.columns {
		definition := 0
		if !t.columns[i].required && !row[i].IsNull() {
			definition = 1
		}
		t.values[i] = append(t.values[i], cellOf(row[i]).Level(0, definition, i))
	}
	if t.rows++; t.rows < writeRows {
		return nil
	}
	return t.flush()
}

func (t *table) flush() error {
	for i, w := range t.out.ColumnWriters() {
		if n, err := w.WriteRowValues(t.values[i]); err != nil || n != t.rows {
			return fmt.Errorf("column %q: wrote %d of %d rows: %w", t.columns[i].name, n, t.rows, err)
		}
		clear(t.values[i]) // large texts do not stay
		t.values[i] = t.values[i][:0]
	}
	t.group += t.rows
	t.rows = 0
	if t.group < groupRows {
		return nil
	}
	t.group = 0
	return t.out.Flush()
}

func (t *table) close() error {
	if t.rows > 0 {
		if err := t.flush(); err != nil {
			return err
		}
	}
	return t.out.Close()
}

// cellOf is a scalar in Parquet.
func cellOf(v featurestore.Value) parquet.Value {
	switch v.Kind() {
	case featurestore.KindBool:
		return parquet.BooleanValue(v.Bool())
	case featurestore.KindDouble:
		return parquet.DoubleValue(v.Double())
	case featurestore.KindString, featurestore.KindBytes:
		return parquet.ByteArrayValue([]byte(v.Str()))
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		return parquet.Int64Value(v.Int64())
	default:
		return parquet.NullValue()
	}
}
