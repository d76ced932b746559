package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// Compaction merges small files of a source's archive, drops what retention does
// not keep, and removes what was replaced long enough ago. Whoever reads meanwhile
// sees each row once: the list changes at once, and the files that it names stay
// for Grace. It may end at any point, also while others archive or compact.
type Compaction struct {
	Dir    string // the offline folder
	Source string
	Disk   atomicfile.Disk
	Now    featurestore.Instant // when files are replaced and dropped

	TargetBytes int64         // of a merged file, at most; 0 is 128 MiB
	Grace       time.Duration // a file that was replaced stays for that long

	// KeepFrom is the log and event time before which nothing is kept; MinInstant, or
	// 0, keeps all. Files go whole, from the first on, and the last one stays.
	KeepFrom featurestore.Instant

	// Enough, where set, is asked between two files: true leaves the rest to the next
	// time.
	Enough func() bool

	// Progress, where set, is told after each file.
	Progress func(Compacted)

	copied int64 // rows of a row group that is taken as it is, at least; 0 is leastCopied
}

// Compacted is what a compaction has done.
type Compacted struct {
	Merged       int   `json:"merged"` // files that were merged
	Made         int   `json:"made"`   // into so many
	Rows         int64 `json:"rows"`   // of these
	Bytes        int64 `json:"bytes"`  // of the merged files
	BytesMade    int64 `json:"bytes_made"`
	Dropped      int   `json:"dropped"` // files that retention does not keep
	DroppedRows  int64 `json:"dropped_rows"`
	Removed      int   `json:"removed"` // files that were replaced or dropped, or left over
	BytesRemoved int64 `json:"bytes_removed"`
	Busy         int   `json:"busy"` // partitions that another process compacts, or one of an earlier release archives
	More         bool  `json:"more"` // Enough ended it
}

// Add sums up.
func (c *Compacted) Add(o *Compacted) {
	c.Merged, c.Made, c.Rows = c.Merged+o.Merged, c.Made+o.Made, c.Rows+o.Rows
	c.Bytes, c.BytesMade = c.Bytes+o.Bytes, c.BytesMade+o.BytesMade
	c.Dropped, c.DroppedRows = c.Dropped+o.Dropped, c.DroppedRows+o.DroppedRows
	c.Removed, c.BytesRemoved = c.Removed+o.Removed, c.BytesRemoved+o.BytesRemoved
	c.Busy, c.More = c.Busy+o.Busy, c.More || o.More
}

// Run compacts every partition.
func (c *Compaction) Run(ctx context.Context) (done Compacted, err error) {
	if !locks {
		return done, featurestore.Invalidf("archives are not compacted on this system: it has no locks that end with the process")
	}
	if c.TargetBytes <= 0 {
		c.TargetBytes = defaultTargetBytes
	}
	if c.copied <= 0 {
		c.copied = leastCopied
	}
	m, err := archive.Load(c.Dir, c.Source)
	if err != nil {
		return done, err
	}
	r := &compacting{Compaction: c, folder: archive.Folder(c.Dir, c.Source), done: &done}
	if r.strange, err = strangers(r.folder, m); err != nil {
		return done, err
	}
	for i := range m.Complete {
		if err := r.partition(ctx, m.Complete[i].Key()); err != nil || done.More {
			return done, err
		}
	}
	return done, nil
}

type compacting struct {
	*Compaction
	folder string
	done   *Compacted

	strange map[offline.Partition][]string // files that were not listed when it began
}

func (c *compacting) enough() bool {
	if c.Progress != nil {
		c.Progress(*c.done)
	}
	if c.Enough != nil && c.Enough() {
		c.done.More = true
	}
	return c.done.More
}

// partition compacts one partition under a lock, so that two compactions do not
// write one file.
func (c *compacting) partition(ctx context.Context, p offline.Partition) (err error) {
	unlock, err := lockFile(filepath.Join(c.folder, archive.CompactName(p)), ifFree)
	if errors.Is(err, errHeld) {
		c.done.Busy++
		return nil
	}
	if err != nil {
		return err
	}
	defer func() {
		if errors.Is(err, errUnheeded) {
			c.done.Busy++
			err = nil
		}
		err = errors.Join(err, unlock())
	}()
	if err := c.clean(p); err != nil {
		return err
	}
	if err := c.drop(p); err != nil {
		return err
	}
	for made := -1; made != c.done.Made && !c.done.More; {
		made = c.done.Made
		m, err := archive.LoadPartition(c.Dir, c.Source, p)
		if err != nil {
			return err
		}
		for _, run := range plan(m, c.TargetBytes) {
			if err := c.merge(ctx, p, run); err != nil {
				return err
			}
			if c.enough() {
				break
			}
		}
	}
	return c.expire(p)
}

// change replaces the manifest of a partition by what edit makes of it, where edit
// says so.
func (c *compacting) change(p offline.Partition, edit func(*archive.Manifest) (bool, error)) error {
	return changeList(&c.Disk, c.Dir, c.Source, p, edit)
}

// changeList is change, for who holds the lock of a compaction.
func changeList(disk *atomicfile.Disk, dir, source string, p offline.Partition, edit func(*archive.Manifest) (bool, error)) (err error) {
	unlock, err := changeLock{archive.Folder(dir, source)}.share(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	m, err := archive.LoadPartition(dir, source, p)
	if err != nil {
		return err
	}
	store, err := edit(m)
	if err != nil || !store {
		return err
	}
	return m.Store(disk, dir, p)
}

// clean removes what compactions that did not end have left: files that are still
// not listed, among what is complete.
func (c *compacting) clean(p offline.Partition) error {
	if len(c.strange[p]) == 0 {
		return c.expire(p)
	}
	err := c.change(p, func(m *archive.Manifest) (bool, error) {
		for _, name := range c.strange[p] {
			whole, _ := atomicfile.Target(name)
			_, offsets, _ := archive.ParseName(whole)
			if m.Names(name) || !covers(m.Known(p), offsets) {
				continue
			}
			if err := c.Disk.Remove(filepath.Join(c.folder, filepath.FromSlash(name))); err != nil {
				return false, err
			}
			c.done.Removed++
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	return c.expire(p)
}

// expire removes what was replaced long enough ago: first the files, then their
// names in the list.
func (c *compacting) expire(p offline.Partition) error {
	return c.change(p, func(m *archive.Manifest) (bool, error) {
		before := len(m.Replaced)
		var bad error
		m.Replaced = slices.DeleteFunc(m.Replaced, func(r archive.Replaced) bool {
			if bad != nil || featurestore.Instant(r.At)+featurestore.Instant(c.Grace.Microseconds()) > c.Now {
				return false
			}
			if bad = c.Disk.Remove(filepath.Join(c.folder, filepath.FromSlash(r.Path))); bad != nil {
				return false
			}
			c.done.Removed++
			c.done.BytesRemoved += r.Bytes
			return true
		})
		return bad == nil && len(m.Replaced) < before, bad
	})
}

// merge makes one file of a run, or one of each stretch of it that has one schema: a
// file that lacks a field stays apart from those that have it, so that it is seen what
// can still be read again (Widener).
func (c *compacting) merge(ctx context.Context, p offline.Partition, run []archive.File) error {
	var schema *parquet.Schema
	from := 0
	for i := range run {
		path := c.path(&run[i])
		if err := unharmed(path, &run[i]); err != nil {
			return err
		}
		s, err := schemaOf(path)
		if err != nil {
			return err
		}
		if schema != nil && !parquet.EqualNodes(schema, s) {
			if err := c.mergeSame(ctx, p, run[from:i], schema); err != nil {
				return err
			}
			from = i
		}
		if i == from {
			schema = s
		}
	}
	return c.mergeSame(ctx, p, run[from:], schema)
}

// unharmed is an error where a listed file is not as it was written.
func unharmed(path string, f *archive.File) error {
	hash, err := atomicfile.Hash(path)
	if err != nil {
		return featurestore.Unavailablef("archived file %q is listed and cannot be read: %v", path, err)
	}
	if hash != f.XXH3 {
		return featurestore.Invalidf("archived file %q has the checksum %s, its manifest says %s: it was changed or damaged", path, hash, f.XXH3)
	}
	return nil
}

func (c *compacting) path(f *archive.File) string {
	return filepath.Join(c.folder, filepath.FromSlash(f.Path))
}

// mergeSame writes the file, then lists it in place of the others, where they are
// still listed. What it wrote and did not list, the next compaction removes.
func (c *compacting) mergeSame(ctx context.Context, p offline.Partition, run []archive.File, schema *parquet.Schema) error {
	if len(run) < 2 {
		return nil
	}
	f := merged(run)
	if m, err := archive.LoadPartition(c.Dir, c.Source, p); err != nil || !free(m, run) {
		return err // a part of a run may have a name that is taken
	}
	info, err := c.Disk.Write(c.path(&f), func(out io.Writer) error {
		inputs := make([]*mergeInput, len(run))
		for i := range run {
			inputs[i] = &mergeInput{path: c.path(&run[i]), first: run[i].From}
		}
		rows, err := mergeFiles(ctx, out, schema, c.copied, inputs)
		if err == nil && rows != f.Rows {
			err = featurestore.Invalidf("%d rows were read, the manifest says %d", rows, f.Rows)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("compacting source %q: %w", c.Source, err)
	}
	f.Bytes, f.XXH3 = info.Bytes, info.XXH3
	return c.change(p, func(m *archive.Manifest) (bool, error) {
		if !m.Replace(run, f, c.Now) {
			return false, nil
		}
		c.done.Merged += len(run)
		c.done.Made++
		c.done.Rows += f.Rows
		c.done.BytesMade += f.Bytes
		for i := range run {
			c.done.Bytes += run[i].Bytes
		}
		return true, nil
	})
}
