package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// Widener adds to archived files the fields that the definition did not have when they
// were written. Rows neither come nor go, and what a row has stays as it is: who has
// applied it, or compares with it, sees no difference. It ends at any point as a
// compaction does: a file is written whole, then it is listed in place of the one
// before, which stays for a while. It is safe for concurrent use.
type Widener struct {
	dir  string // the offline folder
	disk atomicfile.Disk
	now  func() featurestore.Instant // when files are replaced

	mu      sync.Mutex
	columns map[string]map[listed][]string // by source: of listed files, which never change
}

// listed is a file as it stands in a list.
type listed struct{ path, hash string }

// NewWidener is a widener of the archives below an offline folder.
func NewWidener(dir string, disk atomicfile.Disk, now func() featurestore.Instant) *Widener {
	return &Widener{dir: dir, disk: disk, now: now, columns: map[string]map[listed][]string{}}
}

// Widening is a file that is to have more fields.
type Widening struct {
	Source *definition.StreamSource // as the records are decoded
	Fields []int                    // of it, of which the file has those already that it has
	File   archive.File
	Open   func(context.Context) (Records, error) // of the file's offsets, from the first that the log still has

	// Progress, where set, is told now and then how many rows are written.
	Progress func(rows int64)
}

// Record is what the log has at an offset.
type Record struct {
	Offset  int64
	LogTime featurestore.LogTime
	Events  []featurestore.Event // none: it does not decode, or is a tombstone
}

// Records are a range of a log, ascending.
type Records interface {
	// Next gives the next one, valid until the call after; io.EOF after the last.
	Next(ctx context.Context) (*Record, error)
	Close() error
}

// Widened is what was done.
type Widened struct {
	Rows int64 // of the file
	Read int64 // of these, that have what the log said again; of the others it has nothing
}

// Errors of Widen that leave the file as it is.
var (
	ErrBusy        = errors.New("the partition is being compacted")
	ErrReplaced    = errors.New("the file is no longer listed")
	ErrOtherRecord = errors.New("the log has another record there than the one that is at rest")
)

// Lacking lists the files of a log's generation that lack any of the fields of such
// names, and which of these are missing somewhere. It opens only those that it has not
// seen yet. Where archives cannot be changed it names none.
func (w *Widener) Lacking(source string, generation uint32, fields []string) (lacking []archive.File, missing []string, err error) {
	if !locks {
		return nil, nil, nil
	}
	m, err := archive.Load(w.dir, source)
	if err != nil {
		return nil, nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before, seen := w.columns[source], map[listed][]string{}
	for _, f := range m.Files {
		if f.Generation != generation {
			continue
		}
		key := listed{f.Path, f.XXH3}
		names, known := before[key]
		if !known {
			schema, err := schemaOf(w.path(source, &f))
			if err != nil {
				return nil, nil, featurestore.Unavailablef("archived file %q is listed and cannot be read: %w", f.Path, err) // or was just replaced
			}
			names = archive.Names(schema)
		}
		seen[key] = names
		lacks := false
		for _, field := range fields {
			if slices.Contains(names, field) {
				continue
			}
			lacks = true
			if !slices.Contains(missing, field) {
				missing = append(missing, field)
			}
		}
		if lacks {
			lacking = append(lacking, f)
		}
	}
	w.columns[source] = seen
	return lacking, missing, nil
}

func (w *Widener) path(source string, f *archive.File) string {
	return filepath.Join(archive.Folder(w.dir, source), filepath.FromSlash(f.Path))
}

// Widen writes a file that has more fields, and lists it in place of the one before.
// Each row whose record the log still has gets the values of that, by the definition
// that is given; the others have nothing there. ErrBusy, ErrReplaced and
// ErrOtherRecord leave everything as it was.
func (w *Widener) Widen(ctx context.Context, one *Widening) (done Widened, err error) {
	source, p := one.Source.Name, one.File.Key()
	unlock, err := lockFile(filepath.Join(archive.Folder(w.dir, source), archive.CompactName(p)), ifFree)
	if errors.Is(err, errHeld) {
		return done, ErrBusy
	}
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	m, err := archive.LoadPartition(w.dir, source, p)
	if err != nil {
		return done, err
	}
	if !slices.Contains(m.Files, one.File) {
		return done, ErrReplaced
	}
	if err := unharmed(w.path(source, &one.File), &one.File); err != nil {
		return done, err
	}
	return w.replace(ctx, one, m.NextEdition(one.File))
}

func (w *Widener) replace(ctx context.Context, one *Widening, next archive.File) (done Widened, err error) {
	source, path := one.Source.Name, w.path(one.Source.Name, &one.File)
	schema, err := schemaOf(path)
	if err != nil {
		return done, err
	}
	wider, lacks, err := archive.Widen(schema, one.Source, one.Fields)
	if err != nil || !lacks {
		return done, err
	}
	var failed error // of the rows, and not of the disk
	info, err := w.disk.Write(w.path(source, &next), func(out io.Writer) error {
		done, failed = rewrite(ctx, one, wider, &mergeInput{path: path}, out)
		if failed == nil && done.Rows != next.Rows {
			failed = featurestore.Invalidf("archived file %q: %d rows were read, the manifest says %d", path, done.Rows, next.Rows)
		}
		return failed
	})
	switch {
	case failed != nil:
		return done, fmt.Errorf("adding fields to source %q: %w", source, failed)
	case err != nil:
		return done, featurestore.Unavailablef("adding fields to source %q: %w", source, err)
	}
	next.Bytes, next.XXH3 = info.Bytes, info.XXH3
	err = changeList(&w.disk, w.dir, source, next.Key(), func(m *archive.Manifest) (bool, error) {
		if !m.Replace([]archive.File{one.File}, next, w.now()) {
			return false, ErrReplaced // by somebody who takes no lock of a compaction
		}
		return true, nil
	})
	switch {
	case errors.Is(err, errUnheeded):
		err = featurestore.Unavailablef("the archive of source %q cannot be changed: %w; end it, or start it with this release", source, err)
	case err != nil && !errors.Is(err, ErrReplaced) && !errors.Is(err, featurestore.ErrInvalid):
		err = featurestore.Unavailablef("adding fields to source %q: %w", source, err)
	}
	return done, err
}
