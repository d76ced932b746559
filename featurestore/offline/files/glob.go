package files

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// Found is a file that a glob matched. Name is its path relative to the root,
// with slashes (an absolute pattern keeps absolute names); files are ordered by
// the bytes of their names.
type Found struct{ Path, Name string }

// Glob finds the files of patterns relative to root, each once, ascending by
// name. In a pattern "*", "?" and "[...]" match within a folder's or file's
// name, and "**" any number of folders. A pattern without a match is an error:
// it is a typing mistake more often than an empty history.
func Glob(root string, patterns []string) ([]Found, error) {
	var found []Found
	for _, pattern := range patterns {
		matches, err := globOne(root, path.Clean(pattern))
		if err != nil {
			return nil, err
		}
		if len(matches) == 0 {
			return nil, featurestore.NotFoundf("no file matches %q below %q", pattern, root)
		}
		found = append(found, matches...)
	}
	slices.SortFunc(found, func(a, b Found) int { return strings.Compare(a.Name, b.Name) })
	return slices.Compact(found), nil
}

func globOne(root, pattern string) ([]Found, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, featurestore.Invalidf("pattern %q: %v", pattern, err)
	}
	parts := strings.Split(pattern, "/")
	n := 0 // leading parts without a wildcard: the folder to search
	for n < len(parts)-1 && !strings.ContainsAny(parts[n], `*?[\`) {
		n++
	}
	base := strings.Join(parts[:n], "/")
	if n == 1 && base == "" {
		base = "/"
	}
	var found []Found
	err := search(root, base, parts[n:], &found)
	if err != nil {
		return nil, featurestore.Unavailablef("pattern %q: %v", pattern, err)
	}
	return found, nil
}

// search adds the files below the folder name that match the parts.
func search(root, name string, parts []string, found *[]Found) error {
	if len(parts) == 0 {
		return nil
	}
	entries, err := os.ReadDir(locate(root, name))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if parts[0] == "**" {
		if err := search(root, name, parts[1:], found); err != nil {
			return err
		}
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		folder := e.IsDir() || e.Type()&fs.ModeSymlink != 0 && isFolder(locate(root, child))
		switch matched, _ := path.Match(parts[0], e.Name()); {
		case parts[0] == "**" && e.IsDir():
			err = search(root, child, parts, found)
		case matched && folder:
			err = search(root, child, parts[1:], found)
		case matched && len(parts) == 1:
			*found = append(*found, Found{Path: locate(root, child), Name: child})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func locate(root, name string) string {
	if path.IsAbs(name) || filepath.IsAbs(name) {
		return filepath.FromSlash(name)
	}
	return filepath.Join(root, filepath.FromSlash(name))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
