package files

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// csvFile reads CSV with a header. An empty cell is null.
type csvFile struct {
	f        *os.File
	r        *csv.Reader
	spec     *Spec
	time, at int   // columns of the times; -1 where there is none
	fields   []int // column of each field; -1 where not read
}

func openCSV(path, name string, spec *Spec) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(name, err)
	}
	c := &csvFile{f: f, spec: spec}
	if err := c.header(name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

func (c *csvFile) header(name string) error {
	buffered := bufio.NewReaderSize(c.f, 256<<10)
	if bom, err := buffered.Peek(3); err == nil && string(bom) == "\ufeff" {
		if _, err := buffered.Discard(3); err != nil {
			return unreadable(name, err)
		}
	}
	c.r = csv.NewReader(buffered)
	c.r.ReuseRecord = true
	first, err := c.r.Read()
	if err != nil {
		return featurestore.Invalidf("file %q: no CSV header: %v", name, err)
	}
	header := slices.Clone(first)
	for i, h := range header {
		if slices.Contains(header[:i], h) {
			return featurestore.Invalidf("file %q: column %q stands twice in the header", name, h)
		}
	}
	return c.columns(name, header)
}

func (c *csvFile) columns(name string, header []string) error {
	find := func(column string) (int, error) {
		i := slices.Index(header, column)
		if i < 0 {
			return -1, missing(name, column, header)
		}
		return i, nil
	}
	var err error
	c.time, c.at = -1, -1
	if c.spec.Time.Origin != definition.TimeRecord {
		if c.time, err = find(c.spec.Time.Name); err != nil {
			return err
		}
	}
	if c.spec.Available != nil {
		if c.at, err = find(c.spec.Available.Name); err != nil {
			return err
		}
	}
	c.fields = slices.Repeat([]int{-1}, len(c.spec.Fields))
	for _, i := range neededFields(c.spec) {
		c.fields[i], err = find(c.spec.Fields[i].Name)
		if err != nil && c.spec.Missing == MissingIsError {
			return err
		}
	}
	return nil
}

func (c *csvFile) read(rows []Row) (int, error) {
	for n := range rows {
		record, err := c.r.Read()
		if errors.Is(err, io.EOF) {
			return n, io.EOF
		}
		if parse := new(csv.ParseError); errors.As(err, &parse) {
			rows[n].fail(fmt.Sprintf("line %d: %v", parse.Line, parse.Err))
			continue
		}
		if err != nil {
			return n, fmt.Errorf("reading %q: %w", c.f.Name(), err)
		}
		c.row(&rows[n], record)
	}
	return len(rows), nil
}

func (c *csvFile) row(row *Row, record []string) {
	if c.at >= 0 {
		if t, err := csvTime(c.spec.Available, record[c.at]); err != nil {
			row.fail(c.spec.timeProblem(c.spec.Available.Name, err))
		} else {
			row.Available = featurestore.LogTime(t)
		}
	}
	if c.time >= 0 {
		if t, err := csvTime(&c.spec.Time, record[c.time]); err != nil {
			row.fail(c.spec.timeProblem(c.spec.Time.Name, err))
		} else {
			row.Time = featurestore.EventTime(t)
		}
	}
	row.setTimes(c.spec)
	for i, column := range c.fields {
		if column < 0 || record[column] == "" {
			row.Fields[i] = featurestore.Null
			continue
		}
		v, err := fromText(c.spec.Fields[i].Type, &c.spec.Time, record[column])
		if err != nil {
			row.failField(&c.spec.Fields[i], err)
		}
		row.Fields[i] = v
	}
}

func csvTime(spec *definition.TimeSpec, text string) (featurestore.Instant, error) {
	if text == "" {
		return 0, errNoTime
	}
	return parseTime(spec, text)
}

func (c *csvFile) close() error { return c.f.Close() }

func unreadable(name string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return featurestore.NotFoundf("file %q does not exist: %v", name, err)
	}
	return featurestore.Unavailablef("file %q cannot be read: %v", name, err)
}

func missing(name, column string, have []string) error {
	return featurestore.Invalidf("file %q: column %q is missing; it has %s", name, column, strings.Join(have, ", "))
}
