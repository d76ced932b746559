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
func (w *Writer) recoverPartition(p offline.Partition) (m *archive.Manifest, err error) {
	unlock, err := w.change.hold(p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	m, err = archive.LoadPartition(w.o.Dir, w.o.Source.Name, p)
	if err != nil {
		return nil, err
	}
	found, err := look(w.o.Dir, m, p)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		// What lies among what is complete may be of a compaction that is under way.
		if f.within {
			continue
		}
		if err := remove(f.path); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// foundFile is a file of a partition that its manifest does not name.
type foundFile struct {
	path   string
	within bool // of offsets that are complete or dropped: no seal writes it
}

// look compares a folder with what is listed of a partition. A listed file that is
// not there, or not as it was, is an error; one that was replaced may be gone.
func look(dir string, m *archive.Manifest, p offline.Partition) (out []foundFile, err error) {
	folder := archive.Folder(dir, m.Source)
	want := make(map[string]int64, len(m.Files))
	for i := range m.Files {
		want[m.Files[i].Path] = m.Files[i].Bytes
	}
	past := make(map[string]bool, len(m.Replaced))
	for i := range m.Replaced {
		past[m.Replaced[i].Path] = true
	}
	known := m.Known(p)
	err = walk(folder, func(name string, entry fs.DirEntry) error {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if bytes, ok := want[name]; ok {
			delete(want, name)
			return sameSize(path, entry, bytes)
		}
		whole, temporary := atomicfile.Target(name)
		of, offsets, isData := archive.ParseName(whole)
		switch {
		case past[name]:
		case isData && of == p:
			out = append(out, foundFile{path: path, within: covers(known, offsets)})
		case temporary && whole == archive.ManifestName(p):
			out = append(out, foundFile{path: path}) // who holds the change lock writes none
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for path := range want {
		return nil, archive.Gone(dir, m.Source, path)
	}
	return out, nil
}

// strangers are the files in a folder that no manifest names, by partition.
func strangers(folder string, m *archive.Manifest) (map[offline.Partition][]string, error) {
	known := make(map[string]bool, len(m.Files)+len(m.Replaced))
	for i := range m.Files {
		known[m.Files[i].Path] = true
	}
	for i := range m.Replaced {
		known[m.Replaced[i].Path] = true
	}
	out := map[offline.Partition][]string{}
	err := walk(folder, func(name string, _ fs.DirEntry) error {
		whole, _ := atomicfile.Target(name)
		if p, _, isData := archive.ParseName(whole); isData && !known[name] {
			out[p] = append(out[p], name)
		}
		return nil
	})
	return out, err
}

// walk gives the files below a folder, by their paths in it, with slashes. One that
// goes meanwhile may be given or not.
func walk(folder string, each func(name string, entry fs.DirEntry) error) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file, which is in place by now, or a folder that was emptied
		}
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		return each(filepath.ToSlash(relative), entry)
	})
}

func sameSize(path string, entry fs.DirEntry, bytes int64) error {
	info, err := entry.Info()
	if err != nil {
		return featurestore.Unavailablef("archived file %q cannot be read: %v", path, err)
	}
	if info.Size() != bytes {
		return archive.OtherSize(path, info.Size(), bytes)
	}
	return nil
}

func covers(ranges []offline.Range, r offline.Range) bool {
	for _, c := range ranges {
		if c.From <= r.From && r.To <= c.To {
			return true
		}
	}
	return false
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return featurestore.Unavailablef("%q cannot be removed: %v", path, err)
	}
	return nil
}
