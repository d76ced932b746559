package definition

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// globShape is a pattern of files under the root of the definitions. Paths that
// leave the root are refused: definitions come from a repository and are read
// by servers.
func globShape() *shape {
	return checkedText("a path of files, as data/*.parquet", `^[^/\\].*$`, checkGlob)
}

func checkGlob(glob string) error {
	switch {
	case strings.TrimSpace(glob) == "":
		return fmt.Errorf("%q is empty", glob)
	case strings.Contains(glob, "://"):
		return fmt.Errorf("%q is an address: files are named by paths under the definitions' folder", glob)
	case strings.HasPrefix(glob, "/"), strings.HasPrefix(glob, "~"), strings.Contains(glob, `\`), len(glob) > 1 && glob[1] == ':':
		return fmt.Errorf("%q is not a path under the definitions' folder: put the files there, or link them, and write data/x.parquet", glob)
	case slices.Contains(strings.Split(glob, "/"), ".."):
		return fmt.Errorf("%q leaves the definitions' folder: put the files there, or link them", glob)
	}
	if _, err := path.Match(glob, "x"); err != nil {
		return fmt.Errorf("%q is not a pattern: %w", glob, err)
	}
	return nil
}
