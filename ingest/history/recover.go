package history

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// recoverPartition loads what is listed of a partition and brings the folder to
// it: a file that is not listed is of a seal that did not end, and its events will
// be fed again. A listed file that is not there as it was is an error: nothing
// written after it could make the archive whole.
func (w *Writer) recoverPartition(p offline.Partition) (*archive.Manifest, error) {
	whole, err := archive.Load(w.o.Dir, w.o.Source.Name)
	if err != nil {
		return nil, err
	}
	m := whole.Only(p)
	listed := make(map[string]int64, len(m.Files))
	for i := range m.Files {
		listed[m.Files[i].Path] = m.Files[i].Bytes
	}
	err = filepath.WalkDir(w.folder, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file of another partition, which is in place by now
		}
		if err != nil || entry.IsDir() {
			return err
		}
		return w.keepOrRemove(p, path, entry, listed)
	})
	if err != nil {
		return nil, err
	}
	for path := range listed {
		return nil, featurestore.Invalidf("archived file %q of source %q is listed and not there: restore it, or move the folder %q away to archive from the log again", path, w.o.Source.Name, w.folder)
	}
	return m, nil
}

// keepOrRemove looks at one file and takes it off the list of what must be there.
// Files of other partitions are their writers'.
func (w *Writer) keepOrRemove(p offline.Partition, path string, entry fs.DirEntry, listed map[string]int64) error {
	relative, err := filepath.Rel(w.folder, path)
	if err != nil {
		return err
	}
	name := filepath.ToSlash(relative)
	if bytes, ok := listed[name]; ok {
		info, err := entry.Info()
		if err != nil {
			return featurestore.Unavailablef("archived file %q cannot be read: %v", path, err)
		}
		if info.Size() != bytes {
			return featurestore.Invalidf("archived file %q has %d bytes, its manifest says %d: it was changed or damaged", path, info.Size(), bytes)
		}
		delete(listed, name)
		return nil
	}
	whole, temporary := atomicfile.Target(name)
	of, isData := archive.PartitionOf(whole)
	ours := isData && of == p || temporary && whole == archive.ManifestName(p)
	if !ours {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return featurestore.Unavailablef("the left-over %q cannot be removed: %v", path, err)
	}
	return nil
}
