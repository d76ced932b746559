package history

import (
	"cmp"
	"errors"
	"io"

	"github.com/freshet/freshet/featurestore/offline/files"
)

// place is where a row stands in a merge. Archived rows are ordered by offset
// alone; rows of history files by (available_at, file, row number).
type place struct {
	key    int64
	file   int
	number int64
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.key, o.key), cmp.Compare(p.file, o.file), cmp.Compare(p.number, o.number))
}

// input gives rows that ascend in their places: a file, or a sorted run. Rows
// are valid until the next call.
type input interface {
	Next() ([]files.Row, error)
	Invalid() int64
	Close() error
}

// feed is an input of a merge. It is opened when its first row can be next:
// first is at most the place of that row, so that files that lie one behind the
// other are open one at a time.
type feed struct {
	first place
	open  func() (input, error)
	in    input
	rows  []files.Row
}

// merge gives the rows of all its feeds in the order of their places.
type merge struct {
	placeOf func(*files.Row) place
	heap    []*feed // least head first; an empty opened feed keeps its place until it is refilled
	invalid int64   // of the inputs that are closed
}

func newMerge(feeds []*feed, placeOf func(*files.Row) place) *merge {
	m := &merge{placeOf: placeOf, heap: feeds}
	for i := len(feeds)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m
}

// refills reports whether the next call of run reads on in an input whose rows
// were given out: they are not valid after it.
func (m *merge) refills() bool {
	return len(m.heap) > 0 && m.heap[0].in != nil && len(m.heap[0].rows) == 0
}

// run gives the next rows of one input, at most limit, io.EOF after the last.
// No row of another input lies between them.
func (m *merge) run(limit int) ([]files.Row, error) {
	for {
		if len(m.heap) == 0 {
			return nil, io.EOF
		}
		top := m.heap[0]
		if len(top.rows) == 0 {
			if err := m.fill(top); err != nil {
				return nil, err
			}
			continue // the order may have changed
		}
		n := m.ahead(top, limit)
		rows := top.rows[:n]
		top.rows = top.rows[n:]
		if len(top.rows) > 0 {
			top.first = m.placeOf(&top.rows[0])
			m.down(0)
		}
		return rows, nil
	}
}

// ahead counts the rows of the top that come before every other feed.
func (m *merge) ahead(top *feed, limit int) int {
	rows := top.rows[:min(limit, len(top.rows))]
	bound, ok := m.second()
	if !ok || m.placeOf(&rows[len(rows)-1]).compare(bound) <= 0 {
		return len(rows)
	}
	n := 1
	for n < len(rows) && m.placeOf(&rows[n]).compare(bound) <= 0 {
		n++
	}
	return n
}

func (m *merge) second() (place, bool) {
	switch {
	case len(m.heap) < 2:
		return place{}, false
	case len(m.heap) > 2 && m.heap[2].first.compare(m.heap[1].first) < 0:
		return m.heap[2].first, true
	default:
		return m.heap[1].first, true
	}
}

// fill opens the top or reads on in it, and takes it out where it has ended.
func (m *merge) fill(top *feed) error {
	if top.in == nil {
		in, err := top.open()
		if err != nil {
			return err
		}
		top.in = in
	}
	rows, err := top.in.Next()
	if errors.Is(err, io.EOF) {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
		m.down(0)
		m.invalid += top.in.Invalid()
		return top.in.Close()
	}
	if err != nil {
		return err
	}
	top.rows = rows
	if len(rows) > 0 {
		top.first = m.placeOf(&rows[0])
		m.down(0)
	}
	return nil
}

func (m *merge) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heap); child++ {
			if m.heap[child].first.compare(m.heap[least].first) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

// invalidCells counts the typed NaN and infinities of all inputs so far.
func (m *merge) invalidCells() int64 {
	n := m.invalid
	for _, f := range m.heap {
		if f.in != nil {
			n += f.in.Invalid()
		}
	}
	return n
}

func (m *merge) close() error {
	var err error
	for _, f := range m.heap {
		if f.in != nil {
			err = errors.Join(err, f.in.Close())
		}
	}
	m.heap = nil
	return err
}
