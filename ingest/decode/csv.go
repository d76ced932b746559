package decode

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// csvForm reads records that are one line of CSV (RFC 4180) without a header:
// the source names the columns. An empty cell is null, as in history files.
type csvForm struct {
	d         *Decoder
	separator byte
	slots     []int // by column; -1: not read
	scratch   []byte
}

func newCSVForm(d *Decoder) (*csvForm, error) {
	f := &csvForm{d: d, separator: d.source.Separator}
	if f.separator == 0 {
		f.separator = ','
	}
	columns := d.source.Columns
	if len(columns) == 0 {
		for i := range d.source.Fields {
			columns = append(columns, d.source.Fields[i].Name)
		}
	}
	bySlot := make([]int, len(d.slots))
	for i, name := range columns {
		slot := -1
		for k := range d.slots {
			if d.slots[k].path[0] == name {
				slot = k
				bySlot[k]++
			}
		}
		if slot >= 0 && bySlot[slot] > 1 {
			return nil, featurestore.Invalidf("source %q: column %d, %q, stands twice", d.source.Name, i+1, name)
		}
		f.slots = append(f.slots, slot)
	}
	for k, n := range bySlot {
		if n == 0 && !(k < d.fields && k == d.source.Key) {
			return nil, featurestore.Invalidf("source %q: field %q is none of the columns", d.source.Name, d.slots[k].name)
		}
		if kind := d.slots[k].typ.Kind; kind == featurestore.KindList || kind == featurestore.KindMap {
			return nil, featurestore.Invalidf("source %q: field %q: CSV holds no %s", d.source.Name, d.slots[k].name, d.slots[k].typ)
		}
	}
	return f, nil
}

func (f *csvForm) read(rec *logrecord.Record, times *timeReader, b *Batch, c *content) error {
	if !utf8.Valid(rec.Value) {
		return &Error{Code: CodeUTF8, Message: "the record is not valid UTF-8"}
	}
	to := target{slots: f.d.slots, timeSlot: f.d.timeSlot, image: c.add(b, len(f.d.slots), featurestore.NoChange)}
	cells := cells{text: &b.text, times: times}
	rest := bytes.TrimSuffix(bytes.TrimSuffix(rec.Value, []byte("\n")), []byte("\r"))
	column := 0
	for more := true; more; column++ {
		var cell []byte
		var err *Error
		if cell, rest, more, err = f.cell(rest, len(rec.Value)); err != nil {
			return err
		}
		if column >= len(f.slots) || len(cell) == 0 || f.slots[column] < 0 {
			continue
		}
		slot := f.slots[column]
		v, err := f.value(&cells, &f.d.slots[slot], cell)
		if err == nil {
			err = to.set(&cells, slot, v)
		}
		if err != nil {
			return err
		}
	}
	if column != len(f.slots) {
		return &Error{Code: CodeCSV, Message: fmt.Sprintf("the record has %d columns; %d are declared", column, len(f.slots))}
	}
	return nil
}

// cell takes the next cell; more says that another one follows. The cell is valid
// until the next call.
func (f *csvForm) cell(b []byte, size int) (cell, rest []byte, more bool, err *Error) {
	fail := func(at []byte, what string) ([]byte, []byte, bool, *Error) {
		return nil, nil, false, &Error{Code: CodeCSV, Message: fmt.Sprintf("bad CSV near byte %d: %s", size-len(at), what)}
	}
	if len(b) == 0 || b[0] != '"' {
		end := bytes.IndexByte(b, f.separator)
		if end < 0 {
			end = len(b)
		}
		if i := bytes.IndexAny(b[:end], "\"\r\n"); i >= 0 {
			return fail(b[i:], "a quote or line break in a cell that is not quoted")
		}
		if end == len(b) {
			return b, nil, false, nil
		}
		return b[:end], b[end+1:], true, nil
	}
	f.scratch = f.scratch[:0]
	for b = b[1:]; ; {
		end := bytes.IndexByte(b, '"')
		if end < 0 {
			return fail(b[len(b):], "a quoted cell does not end")
		}
		f.scratch = append(f.scratch, b[:end]...)
		b = b[end+1:]
		switch {
		case len(b) == 0:
			return f.scratch, nil, false, nil
		case b[0] == f.separator:
			return f.scratch, b[1:], true, nil
		case b[0] != '"':
			return fail(b, "a quoted cell is followed by neither a separator nor the end")
		}
		f.scratch = append(f.scratch, '"')
		b = b[1:]
	}
}

// borrowed is the text of bytes that live as long as the call.
func borrowed(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func intError(err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return errRange
	}
	return errNotInteger
}

func (f *csvForm) value(c *cells, s *slot, cell []byte) (featurestore.Value, *Error) {
	switch s.typ.Kind {
	case featurestore.KindBool:
		switch string(cell) { // as in files
		case "true", "True", "TRUE":
			return featurestore.BoolValue(true), nil
		case "false", "False", "FALSE":
			return featurestore.BoolValue(false), nil
		}
		return featurestore.Null, bad(s, &s.typ, shown(cell, s.pii), nil)
	case featurestore.KindInt64:
		n, err := strconv.ParseInt(borrowed(cell), 10, 64)
		if err != nil {
			return featurestore.Null, bad(s, &s.typ, shown(cell, s.pii), intError(err))
		}
		return featurestore.Int64Value(n), nil
	case featurestore.KindDouble:
		if len(bytes.Trim(cell, "0123456789+-.eE")) > 0 { // no NaN, Inf or hexadecimal
			return featurestore.Null, bad(s, &s.typ, shown(cell, s.pii), nil)
		}
		x, err := strconv.ParseFloat(borrowed(cell), 64)
		if err != nil {
			return featurestore.Null, bad(s, &s.typ, shown(cell, s.pii), errRange)
		}
		return featurestore.DoubleValue(x), nil
	case featurestore.KindBytes:
		raw, err := base64.StdEncoding.Strict().AppendDecode(c.text.reserve(base64.StdEncoding.DecodedLen(len(cell))), cell)
		if err != nil {
			return featurestore.Null, bad(s, &s.typ, shown(cell, s.pii), fmt.Errorf("it is not base64"))
		}
		return featurestore.BytesValue(c.text.commit(raw)), nil
	case featurestore.KindTimestamp:
		if !c.times.isText() {
			at, err := c.times.number(cell)
			if err != nil {
				return featurestore.Null, timeError(s.name, cell, s.pii, err)
			}
			return featurestore.TimestampValue(at), nil
		}
	}
	return c.fromText(s, &s.typ, cell)
}
