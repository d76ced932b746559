// Package files reads one Parquet, CSV or JSON lines file as typed rows: strict
// about what a column means, and tolerant of single bad rows, which become
// problems beside the others and never end a file.
//
// Law: a file's rows are numbered from 0 in the order in which they stand (the
// header of a CSV file and blank lines are no rows), and every row has a place
// in the order of available_at, also a bad one.
package files

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// Spec says what the rows of a file are.
type Spec struct {
	Format definition.FileFormat

	// Time is where the event time stands. Of origin record there is none in a
	// file, and the time is the available one.
	Time definition.TimeSpec

	// Available is where the instant stands at which the row could be known; nil
	// makes it the event time plus Delay.
	Available *definition.TimeSpec
	Delay     featurestore.Duration

	Fields  []definition.Field
	Needed  []int // indexes of the fields to read; nil is all, the others are null
	Missing MissingColumn

	Ordinal int // stamped on the rows' File: the caller's number of this file
}

// MissingColumn says what a field is whose column the file does not have.
type MissingColumn uint8

// Rules for missing columns. CSV and JSON lines follow the first for a header;
// a JSON object without a member has null there.
const (
	MissingIsError MissingColumn = iota
	MissingIsNull
)

// Row is one row of a file. Fields is parallel to the spec's fields.
type Row struct {
	File      int // the spec's Ordinal
	Number    int64
	Time      featurestore.EventTime
	Available featurestore.LogTime // of a bad row: its own, else that of the row before
	Fields    []featurestore.Value
	Problem   string // "" or why this is no row; Time and Fields then mean nothing
}

// Reader gives the rows of one file in their order. It is for one goroutine and
// must be closed.
type Reader struct {
	src     source
	name    string
	rows    []Row
	next    int64
	last    featurestore.LogTime
	invalid *int64
}

// source is a file format. read fills rows from the front, whose problems are
// clear, and gives their number with io.EOF after the last.
type source interface {
	read(rows []Row) (int, error)
	close() error
}

// BatchRows is how many rows a call of Next gives at most.
const BatchRows = 2048

// before stands for "no row before this": the first rows of a file that have no
// readable time come before all others.
const before = featurestore.LogTime(math.MinInt64)

// Open opens the file at path; name is what errors call it. An error of kind
// ErrInvalid says what about the file or the spec is wrong.
func Open(path, name string, spec Spec) (*Reader, error) {
	if err := check(&spec, name); err != nil {
		return nil, err
	}
	r := &Reader{name: name, last: before, invalid: new(int64)}
	var err error
	switch spec.Format {
	case definition.Parquet:
		r.src, err = openParquet(path, name, &spec, r.invalid)
	case definition.CSV:
		r.src, err = openCSV(path, name, &spec)
	case definition.JSONL:
		r.src, err = openJSONL(path, name, &spec)
	default:
		err = featurestore.Invalidf("file %q: unknown format %d", name, spec.Format)
	}
	if err != nil {
		return nil, err
	}
	r.rows = makeRows(BatchRows, &spec)
	return r, nil
}

func makeRows(n int, spec *Spec) []Row {
	width := len(spec.Fields)
	rows := make([]Row, n)
	cells := make([]featurestore.Value, n*width)
	for i := range rows {
		rows[i].File = spec.Ordinal
		rows[i].Fields = cells[i*width : (i+1)*width : (i+1)*width]
	}
	return rows
}

// Next gives the next rows, io.EOF after the last. The slice and the rows'
// Fields are valid until the next call; texts stay valid.
func (r *Reader) Next() ([]Row, error) {
	for i := range r.rows {
		r.rows[i].Problem = ""
		r.rows[i].Available = before
	}
	n, err := r.src.read(r.rows)
	if err != nil && (n == 0 || !errors.Is(err, io.EOF)) {
		return nil, err
	}
	rows := r.rows[:n]
	for i := range rows {
		row := &rows[i]
		row.Number = r.next
		r.next++
		if row.Available == before {
			row.Available = r.last
		}
		r.last = row.Available
	}
	return rows, nil
}

// Invalid counts the typed NaN and infinities that were read as null so far.
func (r *Reader) Invalid() int64 { return *r.invalid }

// Close closes the file.
func (r *Reader) Close() error { return r.src.close() }

// check refuses what no file of the format can hold.
func check(spec *Spec, name string) error {
	if spec.Time.Origin == definition.TimeRecord && spec.Available == nil {
		return featurestore.Invalidf("file %q: the source takes its time from the record, which a file does not have: declare available_at in history", name)
	}
	if spec.Format != definition.Parquet {
		for _, t := range []*definition.TimeSpec{&spec.Time, spec.Available} {
			if t != nil && t.Origin != definition.TimeRecord && t.Format == definition.FormatNative {
				return featurestore.Invalidf("file %q: column %q: only Parquet has a native timestamp: declare rfc3339, unix_s, unix_ms, unix_us or a layout", name, t.Name)
			}
		}
	}
	for _, i := range neededFields(spec) {
		f := &spec.Fields[i]
		if f.Type.Kind == featurestore.KindNull || f.Type.Kind == featurestore.KindStruct {
			return featurestore.Invalidf("file %q: field %q: type %s is not read from a file", name, f.Name, f.Type)
		}
	}
	return nil
}

func neededFields(spec *Spec) []int {
	if spec.Needed != nil {
		return spec.Needed
	}
	all := make([]int, len(spec.Fields))
	for i := range all {
		all[i] = i
	}
	return all
}

// fail notes the first problem of a row.
func (r *Row) fail(problem string) {
	if r.Problem == "" {
		r.Problem = problem
	}
}

// failField notes that a field's cell could not be read; personal data are not
// shown.
func (r *Row) failField(f *definition.Field, err error) {
	if f.PII {
		err = fmt.Errorf("the value (personal data, not shown) is not a %s", f.Type)
	}
	r.fail(fmt.Sprintf("field %q: %v", f.Name, err))
}

// timeProblem says what is wrong with the time in a column; personal data are
// not shown.
func (s *Spec) timeProblem(column string, err error) string {
	for i := range s.Fields {
		if s.Fields[i].Name == column && s.Fields[i].PII {
			err = errors.New("the value (personal data, not shown) is not a time of the declared format")
		}
	}
	return fmt.Sprintf("column %q: %v", column, err)
}

// setTimes sets both times where the available one follows from the event time,
// and copies it where the event time follows from the available one.
func (r *Row) setTimes(spec *Spec) {
	switch {
	case spec.Time.Origin == definition.TimeRecord:
		r.Time = featurestore.EventTime(r.Available)
	case spec.Available == nil && r.Problem == "":
		r.Available = featurestore.LogTime(r.Time) + featurestore.LogTime(spec.Delay)
	}
}
