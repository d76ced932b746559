package predictions

import (
	"encoding/csv"
	"io"

	"github.com/freshet/freshet/featurestore"
)

// Exporter writes rows out for people and other programs. It is for one
// goroutine.
type Exporter interface {
	Append(r *Row) error
	Close() error // ends the file; what it was given to write to stays open
}

// Exported columns beside those of a sealed file: the last prediction that was
// logged for the row.
const (
	columnLastModel = "_model"
	columnOutputs   = "_outputs" // a JSON object of the outputs
)

// exportColumns are the columns of a header and the last prediction.
func exportColumns(h *Header) []column {
	last := func(r *Row) *Prediction {
		if len(r.Predictions) == 0 {
			return nil
		}
		return &r.Predictions[len(r.Predictions)-1]
	}
	return append(columnsOf(h),
		column{name: columnLastModel, typ: featurestore.String, get: func(r *Row) featurestore.Value {
			if p := last(r); p != nil {
				return featurestore.StringValue(p.Model)
			}
			return featurestore.Null
		}},
		column{name: columnOutputs, typ: featurestore.String, form: formObject, get: func(r *Row) featurestore.Value {
			if p := last(r); p != nil {
				return featurestore.StringValue(string(appendOutputs(nil, p)))
			}
			return featurestore.Null
		}})
}

func appendOutputs(b []byte, p *Prediction) []byte {
	b = append(b, '{')
	for i, o := range p.Outputs {
		b = append(appendText(comma(b, i), o.Name), ':')
		b = featurestore.AppendJSON(b, o.Value, featurestore.Type{Kind: o.Value.Kind()})
	}
	return append(b, '}')
}

// ExportParquet writes rows of a header as Parquet.
func ExportParquet(out io.Writer, h *Header) Exporter {
	columns := exportColumns(h)
	return &Writer{columns: columns, table: newTable(out, columns, string(h.Encode())), row: make([]featurestore.Value, len(columns))}
}

// ExportJSONL writes rows of a header as a JSON object a line.
func ExportJSONL(out io.Writer, h *Header) Exporter {
	return &lines{out: out, columns: exportColumns(h)}
}

type lines struct {
	out     io.Writer
	columns []column
	buffer  []byte
}

func (l *lines) Append(r *Row) error {
	l.buffer = append(appendRow(l.buffer[:0], l.columns, r), '\n')
	_, err := l.out.Write(l.buffer)
	return err
}

func (l *lines) Close() error { return nil }

// RowJSON is the row as ExportJSONL writes it.
func RowJSON(r *Row) []byte { return appendRow(nil, exportColumns(r.Header), r) }

func appendRow(b []byte, columns []column, r *Row) []byte {
	b = append(b, '{')
	for i := range columns {
		c := &columns[i]
		b = append(appendText(comma(b, i), c.name), ':')
		v := c.get(r)
		if c.form == formObject && !v.IsNull() {
			b = append(b, v.Str()...)
			continue
		}
		b = featurestore.AppendJSON(b, v, c.typ)
	}
	return append(b, '}')
}

// ExportCSV writes rows of a header as CSV with a line of names; null is an
// empty cell.
func ExportCSV(out io.Writer, h *Header) (Exporter, error) {
	t := &commas{out: csv.NewWriter(out), columns: exportColumns(h)}
	t.cells = make([]string, len(t.columns))
	for i := range t.columns {
		t.cells[i] = t.columns[i].name
	}
	return t, t.out.Write(t.cells)
}

type commas struct {
	out     *csv.Writer
	columns []column
	cells   []string
}

func (c *commas) Append(r *Row) error {
	for i := range c.columns {
		if v := c.columns[i].get(r); v.IsNull() {
			c.cells[i] = ""
		} else {
			c.cells[i] = v.Text(c.columns[i].typ)
		}
	}
	return c.out.Write(c.cells)
}

func (c *commas) Close() error {
	c.out.Flush()
	return c.out.Error()
}
