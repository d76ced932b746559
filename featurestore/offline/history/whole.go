package history

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// content names one content of an archived file, as far as its folder tells.
type content struct {
	xxh3           string
	size, modified int64
}

// forget drops what is known of files that the manifest lists no more, where that may
// be something: what a reader remembers stays within twice of what is listed.
func (r *Reader) forget(m *archive.Manifest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.whole[m.Source]
	if len(known) <= len(m.Files) {
		return
	}
	listed := make(map[string]bool, len(m.Files))
	for i := range m.Files {
		listed[m.Files[i].Path] = true
	}
	maps.DeleteFunc(known, func(path string, _ content) bool { return !listed[path] })
}

// unchanged compares an archived file with the checksum that its manifest has, once
// for each content: Parquet's own checksums are of pages only, so that a bit that
// flips in a header or in the file's end gives other rows without an error.
func (r *Reader) unchanged(source, path string, info fs.FileInfo, f *archive.File) error {
	if f.XXH3 == "" {
		return nil
	}
	now := content{xxh3: f.XXH3, size: info.Size(), modified: info.ModTime().UnixNano()}
	r.mu.Lock()
	seen, known := r.whole[source][f.Path]
	r.mu.Unlock()
	if known && seen == now {
		return nil
	}
	hash, err := atomicfile.Hash(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // just now
		return fmt.Errorf("%w: %w", errMoved, err)
	case err != nil:
		return featurestore.Unavailablef("archived file %q is listed and cannot be read: %v", path, err)
	case hash != f.XXH3:
		return featurestore.Invalidf("archived file %q has the checksum %s, its manifest says %s: it was changed or damaged", path, hash, f.XXH3)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.whole[source] == nil {
		r.whole[source] = map[string]content{}
	}
	r.whole[source][f.Path] = now
	return nil
}
