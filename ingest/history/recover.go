package history

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// recoverFolder loads the manifest and brings the folder to what it lists: a
// file that is not listed is of a seal that did not end, and its events will be
// fed again. A listed file that is not there as it was is an error: nothing
// written after it could make the archive whole.
func (w *Writer) recoverFolder() error {
	m, err := archive.Load(w.o.Dir, w.o.Source.Name)
	if err != nil {
		return err
	}
	listed := make(map[string]int64, len(m.Files))
	for i := range m.Files {
		listed[m.Files[i].Path] = m.Files[i].Bytes
	}
	err = filepath.WalkDir(w.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return w.keepOrRemove(path, entry, listed)
	})
	if err != nil {
		return err
	}
	for path := range listed {
		return featurestore.Invalidf("archived file %q of source %q is listed and not there: restore it, or move the folder %q away to archive from the log again", path, w.o.Source.Name, w.folder)
	}
	w.manifest = m
	return nil
}

// keepOrRemove looks at one file and takes it off the list of what must be there.
func (w *Writer) keepOrRemove(path string, entry fs.DirEntry, listed map[string]int64) error {
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
	ours := strings.HasPrefix(name, "gen=") && strings.HasSuffix(name, ".parquet")
	if !ours && !atomicfile.IsTemporary(entry.Name()) {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return featurestore.Unavailablef("the left-over %q cannot be removed: %v", path, err)
	}
	return nil
}
