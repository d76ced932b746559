package files

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
)

// ErrByRow says that a file cannot be read by column: its columns have not the very
// types that ColumnReader takes, or a value is none that a row may have. A Reader says
// what of it counts.
var ErrByRow = errors.New("the file is to be read row by row")

// ColumnSpec says which columns of a Parquet file are the rows of Events: times as
// TIMESTAMP(micros, UTC), and offsets, all of them there; and fields, null where the
// file has not their column.
type ColumnSpec struct {
	Time, Available, Offset string
	Fields                  []definition.Field
	Needed                  []int // indexes of the fields to read; nil is all, the others are null
}

// ColumnReader gives the rows of a Parquet file page by page, as they lie in its
// columns. It is for one goroutine and must be closed.
type ColumnReader struct {
	f       *os.File
	name    string
	groups  []parquet.RowGroup
	group   int   // index of the open row group
	left    int64 // rows of it that are not read
	offset  *pages
	time    *pages
	log     *pages
	fields  []*pages // nil: null
	columns []*pages // all of them
}

// OpenColumns opens the file at path; name is what errors call it. The error is
// ErrByRow, or of kind ErrInvalid.
func OpenColumns(path, name string, spec *ColumnSpec) (*ColumnReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(name, err)
	}
	r := &ColumnReader{f: f, name: name, group: -1}
	if err := r.open(spec); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (r *ColumnReader) open(spec *ColumnSpec) (err error) {
	defer caught(r.name, &err)
	file, err := openFile(r.f, r.name)
	if err != nil {
		return err
	}
	r.groups = file.RowGroups()
	root := file.Root()
	if r.offset, err = r.bind(root, spec.Offset, featurestore.Int64); err != nil {
		return err
	}
	if r.time, err = r.bind(root, spec.Time, featurestore.Timestamp); err != nil {
		return err
	}
	if r.log, err = r.bind(root, spec.Available, featurestore.Timestamp); err != nil {
		return err
	}
	if r.offset == nil || r.time == nil || r.log == nil || r.offset.optional || r.time.optional || r.log.optional {
		return ErrByRow
	}
	r.fields = make([]*pages, len(spec.Fields))
	for _, i := range neededFields(&Spec{Fields: spec.Fields, Needed: spec.Needed}) {
		if r.fields[i], err = r.bind(root, spec.Fields[i].Name, spec.Fields[i].Type); err != nil {
			return err
		}
	}
	return nil
}

// bind finds a column; nil where there is none.
func (r *ColumnReader) bind(root *parquet.Column, name string, t featurestore.Type) (*pages, error) {
	c := root.Column(name)
	if c == nil {
		return nil, nil
	}
	if !c.Leaf() || c.Repeated() {
		return nil, ErrByRow
	}
	add := adderOf(c.Type(), t)
	if add == nil {
		return nil, ErrByRow
	}
	p := &pages{leaf: c.Index(), optional: c.Optional(), typ: t, add: add}
	r.columns = append(r.columns, p)
	return p, nil
}

// Offsets are those of the next rows, at least of one; io.EOF after the last. They are
// valid until Read or Skip.
func (r *ColumnReader) Offsets() (offsets []int64, err error) {
	defer caught(r.name, &err)
	for r.left == 0 {
		if r.group++; r.group >= len(r.groups) {
			r.group = len(r.groups)
			return nil, io.EOF
		}
		if err := r.openGroup(); err != nil {
			return nil, r.broken(err)
		}
	}
	n, err := r.offset.most(r.left)
	if err != nil {
		return nil, r.broken(err)
	}
	if r.offset.indexes != nil {
		return nil, ErrByRow
	}
	return r.offset.ints[r.offset.value : r.offset.value+n], nil
}

// Read appends the next n rows, of which Offsets gave the offsets, as those of a
// partition. Where it fails they are there in part.
func (r *ColumnReader) Read(n int, id featurestore.PartitionID, to *columnar.Events) (err error) {
	defer caught(r.name, &err)
	to.AddRows(id, r.offset.ints[r.offset.value:r.offset.value+n])
	r.offset.pass(n)
	r.left -= int64(n)
	if err := r.time.instants(n, to.AddTimes); err != nil {
		return r.broken(err)
	}
	if err := r.log.instants(n, to.AddLogTimes); err != nil {
		return r.broken(err)
	}
	for i, p := range r.fields {
		if p == nil {
			to.Field(i).AddNulls(n)
			continue
		}
		if err := p.read(n, to.Field(i)); err != nil {
			return r.broken(err)
		}
	}
	return to.Added()
}

// Skip leaves out the next n rows, of which Offsets gave the offsets.
func (r *ColumnReader) Skip(n int) (err error) {
	defer caught(r.name, &err)
	r.left -= int64(n)
	for _, p := range r.columns {
		if err := p.skip(n); err != nil {
			return r.broken(err)
		}
	}
	return nil
}

func (r *ColumnReader) openGroup() error {
	g := r.groups[r.group]
	r.left = g.NumRows()
	chunks := g.ColumnChunks()
	for _, p := range r.columns {
		if err := p.release(); err != nil {
			return err
		}
		p.pages = chunks[p.leaf].Pages()
	}
	return nil
}

// broken is an error about the file, but for ErrByRow.
func (r *ColumnReader) broken(err error) error {
	if errors.Is(err, ErrByRow) {
		return err
	}
	return featurestore.Invalidf("file %q, row group %d: %v", r.name, r.group, err)
}

// Close closes the file.
func (r *ColumnReader) Close() (err error) {
	defer caught(r.name, &err)
	for _, p := range r.columns {
		err = errors.Join(err, p.release())
	}
	return errors.Join(err, r.f.Close())
}

// pages is a column being read.
type pages struct {
	leaf     int
	optional bool
	typ      featurestore.Type
	add      func(p *pages, n int, to *columnar.Column) error // appends n values, none of them null
	pages    parquet.Pages
	page     parquet.Page

	levels []byte // of an optional column, by row: 1 is there, 0 null
	row    int    // of the page: the next one
	rows   int
	value  int // its value among those that are there

	// The page's values, or those of its dictionary.
	ints    []int64
	doubles []float64
	bools   []byte
	texts   []byte
	starts  []uint32
	indexes []int32 // into the dictionary; nil without one

	known parquet.Dictionary // whose texts were seen to be right
}

// most is how many rows of the page may be read at once, at most limit. It opens the
// next page where one has ended.
func (p *pages) most(limit int64) (int, error) {
	for p.row == p.rows {
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	return int(min(limit, int64(p.rows-p.row))), nil
}

func (p *pages) next() error {
	if p.page != nil {
		parquet.Release(p.page)
		p.page = nil
	}
	page, err := p.pages.ReadPage()
	if err != nil {
		return fmt.Errorf("column %d ends early: %w", p.leaf, err)
	}
	p.page = page
	p.row, p.value, p.rows = 0, 0, int(page.NumRows())
	p.levels, p.indexes = nil, nil
	there := p.rows
	if p.optional {
		p.levels = page.DefinitionLevels()
		there -= int(page.NumNulls())
		if len(p.levels) != p.rows {
			return fmt.Errorf("column %d: a page has %d rows and says of %d whether they are null", p.leaf, p.rows, len(p.levels))
		}
	}
	data := page.Data()
	if dictionary := page.Dictionary(); dictionary != nil {
		if p.indexes = data.Int32(); len(p.indexes) != there {
			return p.short(len(p.indexes), there)
		}
		p.take(dictionary.Page())
		if dictionary == p.known {
			return nil
		}
		p.known = dictionary
		return p.check()
	}
	p.known = nil
	if n := p.take(page); n < there {
		return p.short(n, there)
	}
	return p.check()
}

func (p *pages) short(n, want int) error {
	return fmt.Errorf("column %d: a page has %d values of %d", p.leaf, n, want)
}

// take gives the values of a page, and their number.
func (p *pages) take(page parquet.Page) int {
	data := page.Data()
	switch p.typ.Kind {
	case featurestore.KindBool:
		p.bools = data.Boolean()
		return 8 * len(p.bools)
	case featurestore.KindDouble:
		p.doubles = data.Double()
		return len(p.doubles)
	case featurestore.KindString, featurestore.KindBytes:
		p.texts, p.starts = data.ByteArray()
		return len(p.starts) - 1
	default:
		p.ints = data.Int64()
		return len(p.ints)
	}
}

// pass leaves n rows of the page behind, none of them null.
func (p *pages) pass(n int) { p.row, p.value = p.row+n, p.value+n }

func (p *pages) release() error {
	p.row, p.rows, p.known = 0, 0, nil
	if p.page != nil {
		parquet.Release(p.page)
		p.page = nil
	}
	if p.pages == nil {
		return nil
	}
	err := p.pages.Close()
	p.pages = nil
	return err
}

// each gives runs of n rows, as they lie in pages.
func (p *pages) each(n int, do func(n int) error) error {
	for n > 0 {
		m, err := p.most(int64(n))
		if err != nil {
			return err
		}
		if err := do(m); err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// read appends n rows to a column.
func (p *pages) read(n int, to *columnar.Column) error {
	return p.each(n, func(n int) error {
		for n > 0 {
			there, m := p.run(n)
			if !there {
				to.AddNulls(m)
				p.row += m
			} else if err := p.add(p, m, to); err != nil {
				return err
			} else {
				p.pass(m)
			}
			n -= m
		}
		return nil
	})
}

// run is how many of the next n rows of the page are there, or how many are null.
func (p *pages) run(n int) (there bool, m int) {
	if !p.optional {
		return true, n
	}
	levels := p.levels[p.row : p.row+n]
	for m = 1; m < n && levels[m] == levels[0]; m++ {
	}
	return levels[0] != 0, m
}

func (p *pages) skip(n int) error {
	return p.each(n, func(n int) error {
		for n > 0 {
			there, m := p.run(n)
			if p.row += m; there {
				p.value += m
			}
			n -= m
		}
		return nil
	})
}

// instants gives n times.
func (p *pages) instants(n int, add func([]int64)) error {
	return p.each(n, func(n int) error {
		if p.indexes != nil {
			return ErrByRow
		}
		add(p.ints[p.value : p.value+n])
		p.pass(n)
		return nil
	})
}
