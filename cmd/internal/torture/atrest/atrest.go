// Package atrest looks at an archive from outside: what its manifests list, what
// lies in its folders, and every row of every listed file, read without the readers
// of the product. It judges nothing.
package atrest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

func offlineDir(project string) string { return filepath.Join(project, ".freshet", "offline") }

// Folder is where the archive of a source lies, in the folder of a project.
func Folder(project, source string) string {
	return archive.Folder(offlineDir(project), source)
}

// Source is what is at rest of one source.
type Source struct {
	Parts map[offline.Partition]*Part
	Left
}

// Left is what lies in the folder of a source and is not listed.
type Left struct {
	Replaced   int // files that were merged or dropped
	Unlisted   int // whole merged files that nothing names
	Unfinished int // temporary ones
	Others     int // of either kind, and of seals or manifests
}

// Add sums up.
func (l *Left) Add(o Left) {
	l.Replaced, l.Unlisted, l.Unfinished = l.Replaced+o.Replaced, l.Unlisted+o.Unlisted, l.Unfinished+o.Unfinished
	l.Others += o.Others
}

// Leftovers looks for files that are not listed.
func Leftovers(project, source string) (Left, error) {
	m, err := archive.Load(offlineDir(project), source)
	if err != nil {
		return Left{}, err
	}
	return leftovers(Folder(project, source), m)
}

// Part is what is at rest of one partition.
type Part struct {
	Known   []offline.Range // complete, or dropped by retention
	Dropped []offline.Range
	Files   int
	Merged  int   // of several days
	Rows    []Row // of the listed files, by offset
}

// Row is an archived event.
type Row struct {
	Offset  int64
	Time    featurestore.EventTime
	LogTime featurestore.LogTime
	Late    bool
	Values  []featurestore.Value // of the declared fields
	File    string
}

// Known are the offsets of a partition that are at rest or were dropped.
func Known(project, source string, p offline.Partition) ([]offline.Range, error) {
	m, err := archive.LoadPartition(offlineDir(project), source, p)
	if err != nil {
		return nil, err
	}
	return m.Known(p), nil
}

// Read looks at the archive of a source while nobody writes there.
func Read(project string, source *definition.StreamSource) (*Source, error) {
	folder := Folder(project, source.Name)
	m, err := archive.Load(offlineDir(project), source.Name)
	if err != nil {
		return nil, err
	}
	s := &Source{Parts: map[offline.Partition]*Part{}}
	if s.Left, err = leftovers(folder, m); err != nil {
		return nil, err
	}
	for i := range m.Complete {
		p := m.Complete[i].Key()
		part := &Part{Known: m.Known(p)}
		if d := m.DroppedOf(p); d != nil {
			for _, r := range d.Ranges {
				part.Dropped = append(part.Dropped, offline.Range(r))
			}
		}
		s.Parts[p] = part
	}
	for i := range m.Files {
		f := &m.Files[i]
		part := s.Parts[f.Key()]
		rows, err := readFile(folder, f, source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		part.Files++
		if archive.DateOf(featurestore.LogTime(f.MinLogTime)) != archive.DateOf(featurestore.LogTime(f.MaxLogTime)) {
			part.Merged++
		}
		part.Rows = append(part.Rows, rows...)
	}
	for _, part := range s.Parts {
		slices.SortStableFunc(part.Rows, func(a, b Row) int { return cmp.Compare(a.Offset, b.Offset) })
	}
	return s, nil
}

func leftovers(folder string, m *archive.Manifest) (l Left, err error) {
	l.Replaced = len(m.Replaced)
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		whole, unfinished := atomicfile.Target(name)
		_, _, rows := archive.ParseName(whole)
		month := len(filepath.Base(filepath.Dir(whole))) == len("date=2026-01")
		switch {
		case rows && m.Names(name), !rows && !unfinished:
		case !rows || !month:
			l.Others++
		case unfinished:
			l.Unfinished++
		default:
			l.Unlisted++
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil // nothing is archived, or it went meanwhile
	}
	return l, err
}

// readFile reads a listed file, and sees whether it is what the list says of it.
func readFile(folder string, f *archive.File, source *definition.StreamSource) (rows []Row, err error) {
	path := filepath.Join(folder, filepath.FromSlash(f.Path))
	hash, err := atomicfile.Hash(path)
	if err != nil {
		return nil, err
	}
	if hash != f.XXH3 {
		return nil, fmt.Errorf("its checksum is %s, the list says %s", hash, f.XXH3)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	opened, err := parquet.OpenFile(file, f.Bytes)
	if err != nil {
		return nil, err
	}
	c, err := columnsOf(opened.Schema(), source)
	if err != nil {
		return nil, err
	}
	for _, group := range opened.RowGroups() {
		if rows, err = c.read(rows, group, f); err != nil {
			return nil, err
		}
	}
	if int64(len(rows)) != f.Rows {
		return nil, fmt.Errorf("it has %d rows, the list says %d", len(rows), f.Rows)
	}
	return rows, nil
}

func (c *columns) read(rows []Row, group parquet.RowGroup, f *archive.File) (_ []Row, err error) {
	in := group.Rows()
	defer func() { err = errors.Join(err, in.Close()) }()
	buffer := make([]parquet.Row, 64)
	for {
		n, err := in.ReadRows(buffer)
		for _, cells := range buffer[:n] {
			row, err := c.row(cells)
			if err != nil {
				return nil, err
			}
			if last := len(rows) - 1; last >= 0 && rows[last].File == f.Path && rows[last].Offset >= row.Offset {
				return nil, fmt.Errorf("offset %d stands behind %d", row.Offset, rows[last].Offset)
			}
			if row.Offset < f.From || row.Offset >= f.To || cells[c.partition].Int32() != f.Partition {
				return nil, fmt.Errorf("offset %d of partition %d is none of %+v", row.Offset, cells[c.partition].Int32(), *f)
			}
			row.File = f.Path
			rows = append(rows, row)
		}
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
