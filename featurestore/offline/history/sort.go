package history

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/files"
)

// sorter sorts the rows of files that are not in order: encoded rows in memory,
// and sorted runs in temporary files once a budget is full. Its runs are feeds of
// the merge, which brings them together.
type sorter struct {
	dir     string
	budget  int64
	width   int // fields of a row
	placeOf func(*files.Row) place
	data    []byte
	entries []sortEntry
	invalid int64
	runs    []*os.File
}

// sortEntry is a row in memory: its place, and where its bytes begin.
type sortEntry struct {
	place
	at int
}

// entryBytes is the memory of a sortEntry.
const entryBytes = 32

func newSorter(dir string, budget int64, width int) *sorter {
	if budget <= 0 {
		budget = 256 << 20
	}
	return &sorter{dir: dir, budget: budget, width: width, placeOf: rankPlace}
}

// addAll takes every row of an input.
func (s *sorter) addAll(ctx context.Context, open func() (input, error)) error {
	in, err := open()
	if err != nil {
		return err
	}
	for {
		rows, err := in.Next()
		if errors.Is(err, io.EOF) {
			s.invalid += in.Invalid()
			return in.Close()
		}
		if err == nil {
			err = ctx.Err()
		}
		for i := 0; i < len(rows) && err == nil; i++ {
			err = s.add(&rows[i])
		}
		if err != nil {
			return errors.Join(err, in.Close())
		}
	}
}

func (s *sorter) add(row *files.Row) error {
	s.entries = append(s.entries, sortEntry{place: s.placeOf(row), at: len(s.data)})
	s.data = appendRow(s.data, row)
	if int64(len(s.data))+int64(len(s.entries))*entryBytes < s.budget {
		return nil
	}
	return s.spill()
}

// spill writes the rows in memory as a sorted run. The file has no name, so that
// a process that is killed leaves nothing.
func (s *sorter) spill() error {
	f, err := os.CreateTemp(s.dir, "freshet-sort-*")
	if err != nil {
		return featurestore.Unavailablef("history files are not sorted by available_at, and sorting them needs a temporary file: %v", err)
	}
	s.runs = append(s.runs, f)
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	s.order()
	w := bufio.NewWriterSize(f, 1<<20)
	for _, e := range s.entries {
		if _, err := w.Write(rowBytes(s.data[e.at:])); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return featurestore.Unavailablef("sorting history files in %q: %v; sort them by available_at, or give more room", f.Name(), err)
	}
	s.data, s.entries = s.data[:0], s.entries[:0]
	_, err = f.Seek(0, io.SeekStart)
	return err
}

func (s *sorter) order() {
	slices.SortFunc(s.entries, func(a, b sortEntry) int { return a.compare(b.place) })
}

// feeds gives the runs in the order that the merge needs; the sorter is used up.
func (s *sorter) feeds() ([]*feed, error) {
	var out []*feed
	for _, f := range s.runs {
		out = append(out, &feed{
			first: place{key: math.MinInt64},
			open:  func() (input, error) { return newSortedRun(bufio.NewReaderSize(f, 256<<10), f, s.width), nil },
		})
	}
	if len(s.entries) > 0 {
		s.order()
		memory := &sortedMemory{data: s.data, entries: s.entries, invalid: s.invalid}
		memory.run = newSortedRun(memory, nil, s.width)
		out = append(out, &feed{first: s.entries[0].place, open: func() (input, error) { return memory, nil }})
	}
	return out, nil
}

// discard closes the temporary files of a sort that failed.
func (s *sorter) discard() error {
	var err error
	for _, f := range s.runs {
		err = errors.Join(err, f.Close())
	}
	s.runs = nil
	return err
}

// appendRow writes a row: its length (uint32), then place, times, problem and
// cells, little endian. The form lives as long as the process.
func appendRow(dst []byte, row *files.Row) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.AppendVarint(dst, int64(row.Available))
	dst = binary.AppendUvarint(dst, uint64(row.File))
	dst = binary.AppendVarint(dst, row.Number)
	dst = binary.AppendVarint(dst, int64(row.Time))
	dst = appendText(dst, row.Problem)
	for _, v := range row.Fields {
		dst = appendCell(dst, v)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

func appendCell(dst []byte, v featurestore.Value) []byte {
	dst = append(dst, byte(v.Kind()))
	switch v.Kind() {
	case featurestore.KindNull:
	case featurestore.KindBool:
		n := byte(0)
		if v.Bool() {
			n = 1
		}
		dst = append(dst, n)
	case featurestore.KindDouble:
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Double()))
	case featurestore.KindString, featurestore.KindBytes:
		dst = appendText(dst, v.Str())
	case featurestore.KindList, featurestore.KindMap:
		dst = binary.AppendUvarint(dst, uint64(len(v.Elems())))
		for i, x := range v.Elems() {
			if v.Kind() == featurestore.KindMap {
				dst = appendText(dst, v.Keys()[i])
			}
			dst = appendCell(dst, x)
		}
	default:
		dst = binary.AppendVarint(dst, v.Int64())
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// rowBytes is the row that b begins with.
func rowBytes(b []byte) []byte { return b[:binary.LittleEndian.Uint32(b)] }

// sortedRun decodes a run of rows.
type sortedRun struct {
	r     io.Reader
	f     *os.File
	bytes []byte
	rows  []files.Row
}

func newSortedRun(r io.Reader, f *os.File, width int) *sortedRun {
	run := &sortedRun{r: r, f: f, rows: make([]files.Row, files.BatchRows)}
	cells := make([]featurestore.Value, files.BatchRows*width)
	for i := range run.rows {
		run.rows[i].Fields = cells[i*width : (i+1)*width : (i+1)*width]
	}
	return run
}

func (s *sortedRun) Next() ([]files.Row, error) {
	for n := range s.rows {
		var size [4]byte
		if _, err := io.ReadFull(s.r, size[:]); err != nil {
			if errors.Is(err, io.EOF) && n > 0 {
				return s.rows[:n], nil
			}
			return nil, err
		}
		s.bytes = slices.Grow(s.bytes[:0], int(binary.LittleEndian.Uint32(size[:])))
		s.bytes = s.bytes[:binary.LittleEndian.Uint32(size[:])-4]
		if _, err := io.ReadFull(s.r, s.bytes); err != nil {
			return nil, fmt.Errorf("a temporary file of a sort ends early: %w", err)
		}
		decodeRow(s.bytes, &s.rows[n])
	}
	return s.rows, nil
}

func (s *sortedRun) Invalid() int64 { return 0 }

func (s *sortedRun) Close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}

// decodeRow reads what appendRow wrote in this process, so that it need not
// doubt it.
func decodeRow(b []byte, row *files.Row) {
	r := rowReader{b}
	row.Available = featurestore.LogTime(r.varint())
	row.File = r.uvarint()
	row.Number = r.varint()
	row.Time = featurestore.EventTime(r.varint())
	row.Problem = r.text()
	for i := range row.Fields {
		row.Fields[i] = r.cell()
	}
}

// rowReader takes a row apart.
type rowReader struct{ b []byte }

func (r *rowReader) varint() int64 {
	n, size := binary.Varint(r.b)
	r.b = r.b[size:]
	return n
}

func (r *rowReader) uvarint() int {
	n, size := binary.Uvarint(r.b)
	r.b = r.b[size:]
	return int(n)
}

func (r *rowReader) text() string {
	n := r.uvarint()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *rowReader) cell() featurestore.Value {
	kind := featurestore.Kind(r.b[0])
	r.b = r.b[1:]
	switch kind {
	case featurestore.KindBool:
		v := featurestore.BoolValue(r.b[0] == 1)
		r.b = r.b[1:]
		return v
	case featurestore.KindInt64:
		return featurestore.Int64Value(r.varint())
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(r.varint()))
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(r.varint())
	case featurestore.KindDouble:
		v := featurestore.DoubleValue(math.Float64frombits(binary.LittleEndian.Uint64(r.b)))
		r.b = r.b[8:]
		return v
	case featurestore.KindString:
		return featurestore.StringValue(r.text())
	case featurestore.KindBytes:
		return featurestore.BytesValue(r.text())
	case featurestore.KindList, featurestore.KindMap:
		return r.composite(kind)
	}
	return featurestore.Null
}

func (r *rowReader) composite(kind featurestore.Kind) featurestore.Value {
	n := r.uvarint()
	var keys []string
	var values []featurestore.Value
	for range n {
		if kind == featurestore.KindMap {
			keys = append(keys, r.text())
		}
		values = append(values, r.cell())
	}
	if kind == featurestore.KindMap {
		return featurestore.MapValue(keys, values)
	}
	return featurestore.ListValue(values)
}

// sortedMemory is the run that stayed in memory; it reads its rows in order.
type sortedMemory struct {
	data    []byte
	entries []sortEntry
	invalid int64
	part    []byte // of the row that is being read
	run     *sortedRun
}

func (m *sortedMemory) Read(p []byte) (int, error) {
	if len(m.part) == 0 {
		if len(m.entries) == 0 {
			return 0, io.EOF
		}
		m.part = rowBytes(m.data[m.entries[0].at:])
		m.entries = m.entries[1:]
	}
	n := copy(p, m.part)
	m.part = m.part[n:]
	return n, nil
}

func (m *sortedMemory) Next() ([]files.Row, error) { return m.run.Next() }
func (m *sortedMemory) Invalid() int64             { return m.invalid }
func (m *sortedMemory) Close() error               { return nil }
