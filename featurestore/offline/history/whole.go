package history

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// wholeKey names one content of an archived file, as far as its folder tells.
type wholeKey struct {
	path, xxh3     string
	size, modified int64
}

// unchanged compares an archived file with the checksum that its manifest has, once
// for each content: Parquet's own checksums are of pages only, so that a bit that
// flips in a header or in the file's end gives other rows without an error.
func (r *Reader) unchanged(path string, info fs.FileInfo, f *archive.File) error {
	if f.XXH3 == "" {
		return nil
	}
	key := wholeKey{path: path, xxh3: f.XXH3, size: info.Size(), modified: info.ModTime().UnixNano()}
	r.mu.Lock()
	seen := r.whole[key]
	r.mu.Unlock()
	if seen {
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
	r.whole[key] = true
	r.mu.Unlock()
	return nil
}
