package files

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// parquetFile reads the top-level columns that the spec needs, a row group
// after the other, a column after the other within a batch of rows.
type parquetFile struct {
	f       *os.File
	name    string
	spec    *Spec
	groups  []parquet.RowGroup
	group   int   // index of the open row group
	left    int64 // rows of it that are not read; -1 where none is open
	columns []*parquetColumn
	needed  []int
}

// parquetColumn is one column being read. store puts values into the same
// number of rows; the values' bytes are the page's and must be copied.
type parquetColumn struct {
	leaf   int // index among the file's leaf columns
	store  func(rows []Row, values []parquet.Value)
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buffer []parquet.Value

	// Of lists: values that were read and not yet given, and who takes them.
	lists bool
	held  []parquet.Value
	begin func()
	one   func(rows []Row, v parquet.Value)
}

func openParquet(path, name string, spec *Spec, invalid *int64) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(name, err)
	}
	p := &parquetFile{f: f, name: name, spec: spec, group: -1, left: 0, needed: neededFields(spec)}
	if err := p.open(invalid); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

func (p *parquetFile) open(invalid *int64) (err error) {
	defer caught(p.name, &err)
	file, err := openFile(p.f, p.name)
	if err != nil {
		return err
	}
	p.groups = file.RowGroups()
	b := binder{p: p, root: file.Root(), convert: &converter{invalid: invalid}}
	return b.bind()
}

func openFile(f *os.File, name string) (*parquet.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, unreadable(name, err)
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(64<<10))
	if err != nil {
		return nil, featurestore.Invalidf("file %q is not readable as Parquet: %v", name, err)
	}
	return file, nil
}

// caught turns a panic of the Parquet library, which a damaged file can cause,
// into an error about the file.
func caught(name string, err *error) {
	if v := recover(); v != nil {
		*err = featurestore.Invalidf("file %q is damaged: %v", name, v)
	}
}

func (p *parquetFile) read(rows []Row) (n int, err error) {
	defer caught(p.name, &err)
	for p.left == 0 {
		if p.group++; p.group >= len(p.groups) {
			p.group = len(p.groups)
			return 0, io.EOF
		}
		if err := p.openGroup(); err != nil {
			return 0, err
		}
	}
	rows = rows[:min(int64(len(rows)), p.left)]
	for _, c := range p.columns {
		read := c.read
		if c.lists {
			read = c.readLists
		}
		if err := read(rows); err != nil {
			return 0, featurestore.Invalidf("file %q, row group %d: %v", p.name, p.group, err)
		}
	}
	p.left -= int64(len(rows))
	return len(rows), nil
}

func (p *parquetFile) openGroup() error {
	g := p.groups[p.group]
	p.left = g.NumRows()
	chunks := g.ColumnChunks()
	for _, c := range p.columns {
		if err := c.release(); err != nil {
			return err
		}
		c.pages = chunks[c.leaf].Pages()
	}
	return nil
}

func (p *parquetFile) close() (err error) {
	defer caught(p.name, &err)
	for _, c := range p.columns {
		err = errors.Join(err, c.release())
	}
	return errors.Join(err, p.f.Close())
}

// read fills rows with the column's next values.
func (c *parquetColumn) read(rows []Row) error {
	if c.buffer == nil {
		c.buffer = make([]parquet.Value, BatchRows)
	}
	for len(rows) > 0 {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return fmt.Errorf("column %d ends early: %w", c.leaf, err)
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buffer[:min(len(rows), len(c.buffer))])
		c.store(rows[:n], c.buffer[:n])
		rows = rows[n:]
		switch {
		case errors.Is(err, io.EOF):
			parquet.Release(c.page)
			c.page, c.values = nil, nil
		case err != nil:
			return err
		case n == 0:
			return io.ErrNoProgress
		}
	}
	return nil
}

// moreLists reads values ahead; false at the end of the row group.
func (c *parquetColumn) moreLists() (bool, error) {
	for {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buffer)
		c.held = c.held[:0]
		for _, v := range c.buffer[:n] {
			c.held = append(c.held, v.Clone()) // it outlives its page
		}
		switch {
		case errors.Is(err, io.EOF):
			parquet.Release(c.page)
			c.page, c.values = nil, nil
		case err != nil:
			return false, err
		case n == 0:
			return false, io.ErrNoProgress
		}
		if n > 0 {
			return true, nil
		}
	}
}

func (c *parquetColumn) release() error {
	c.held = nil
	if c.page != nil {
		parquet.Release(c.page)
		c.page, c.values = nil, nil
	}
	if c.pages == nil {
		return nil
	}
	err := c.pages.Close()
	c.pages = nil
	return err
}

// binder connects the columns of a file with the cells of rows.
type binder struct {
	p       *parquetFile
	root    *parquet.Column
	convert *converter
}

func (b *binder) bind() error {
	spec := b.p.spec
	if spec.Available != nil {
		err := b.time(spec.Available, func(row *Row, t featurestore.Instant) { row.Available = featurestore.LogTime(t) })
		if err != nil {
			return err
		}
	}
	if spec.Time.Origin != definition.TimeRecord {
		err := b.time(&spec.Time, func(row *Row, t featurestore.Instant) { row.Time = featurestore.EventTime(t) })
		if err != nil {
			return err
		}
	}
	b.bindSetTimes()
	for _, i := range b.p.needed {
		if err := b.field(i); err != nil {
			return err
		}
	}
	return nil
}

// bindSetTimes lets the last column of a time finish the row's times.
func (b *binder) bindSetTimes() {
	last := b.p.columns[len(b.p.columns)-1]
	store := last.store
	last.store = func(rows []Row, values []parquet.Value) {
		store(rows, values)
		for i := range rows {
			rows[i].setTimes(b.p.spec)
		}
	}
}

func (b *binder) time(spec *definition.TimeSpec, set func(*Row, featurestore.Instant)) error {
	leaf, err := b.leaf(spec.Name)
	if err != nil {
		return err
	}
	read, err := b.convert.instant(leaf.Type(), spec)
	if err != nil {
		return featurestore.Invalidf("file %q: column %q: %v", b.p.name, spec.Name, err)
	}
	b.add(leaf, func(rows []Row, values []parquet.Value) {
		for i := range rows {
			if values[i].IsNull() {
				rows[i].fail(b.p.spec.timeProblem(spec.Name, errNoTime))
				continue
			}
			t, err := read(values[i])
			if err != nil {
				rows[i].fail(b.p.spec.timeProblem(spec.Name, err))
				continue
			}
			set(&rows[i], t)
		}
	})
	return nil
}

func (b *binder) field(i int) error {
	f := &b.p.spec.Fields[i]
	if b.root.Column(f.Name) == nil && b.p.spec.Missing == MissingIsNull {
		return nil
	}
	if c := b.root.Column(f.Name); c != nil && f.Type.Kind == featurestore.KindList && (!c.Leaf() || c.Repeated()) {
		if l, ok := listOf(c); ok {
			return b.list(i, l)
		}
	}
	leaf, err := b.leaf(f.Name)
	if err != nil {
		return err
	}
	read, err := b.convert.value(leaf.Type(), f.Type, &b.p.spec.Time)
	if err != nil {
		return featurestore.Invalidf("file %q: column %q: %v", b.p.name, f.Name, err)
	}
	b.add(leaf, func(rows []Row, values []parquet.Value) {
		for k := range rows {
			if values[k].IsNull() {
				rows[k].Fields[i] = featurestore.Null
				continue
			}
			v, err := read(values[k])
			if err != nil {
				rows[k].failField(f, err)
			}
			rows[k].Fields[i] = v
		}
	})
	return nil
}

func (b *binder) leaf(name string) (*parquet.Column, error) {
	c := b.root.Column(name)
	if c == nil {
		var have []string
		for _, other := range b.root.Columns() {
			have = append(have, other.Name())
		}
		return nil, missing(b.p.name, name, have)
	}
	if !c.Leaf() || c.Repeated() {
		return nil, featurestore.Invalidf("file %q: column %q is nested, want a plain column", b.p.name, name)
	}
	return c, nil
}

func (b *binder) add(leaf *parquet.Column, store func([]Row, []parquet.Value)) {
	b.p.columns = append(b.p.columns, &parquetColumn{leaf: leaf.Index(), store: store})
}
