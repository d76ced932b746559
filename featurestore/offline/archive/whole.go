package archive

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/freshet/freshet/featurestore"
)

// Gone is the error of a listed file that is not there: nothing that is written after
// it could make the archive whole.
func Gone(dir, source, path string) error {
	return featurestore.Invalidf("archived file %q of source %q is listed and not there: restore it, or move the folder %q away to archive from the log again", path, source, Folder(dir, source))
}

// OtherSize is the error of a listed file that has another size than when it was written.
func OtherSize(path string, bytes, listed int64) error {
	return featurestore.Invalidf("archived file %q has %d bytes, its manifest says %d: it was changed or damaged; restore it, or move its source's folder away to archive from the log again", path, bytes, listed)
}

// Whole looks whether the listed files of a source are there, and as long as they were;
// it reads none. The error names the first that is not.
func Whole(dir, source string) (*Manifest, error) {
	for again := false; ; again = true {
		m, err := Load(dir, source)
		if err != nil {
			return nil, err
		}
		if err = m.whole(dir); err == nil || again {
			return m, err
		}
		// A compaction may have replaced and removed it meanwhile.
	}
}

func (m *Manifest) whole(dir string) error {
	for i := range m.Files {
		f := &m.Files[i]
		path := filepath.Join(Folder(dir, m.Source), filepath.FromSlash(f.Path))
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return Gone(dir, m.Source, f.Path)
		case err != nil:
			return featurestore.Unavailablef("archived file %q cannot be read: %v", path, err)
		case info.Size() != f.Bytes:
			return OtherSize(path, info.Size(), f.Bytes)
		}
	}
	return nil
}
