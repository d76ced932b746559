package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// clockFile keeps a replay's clock in a file, for stores that have no place for
// it: "PROJECT INSTANT" on one line.
type clockFile string

// SetClock implements online.Clocked.
func (f clockFile) SetClock(_ context.Context, project string, t featurestore.Instant) error {
	if err := os.MkdirAll(filepath.Dir(string(f)), 0o755); err != nil {
		return err
	}
	disk := atomicfile.Disk{Durability: atomicfile.Crash}
	_, err := disk.Write(string(f), func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %s\n", project, t)
		return err
	})
	return err
}

// Clock implements online.Clocked.
func (f clockFile) Clock(_ context.Context, project string) (featurestore.Instant, bool, error) {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	name, text, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	if name != project {
		return 0, false, nil
	}
	t, err := featurestore.ParseInstant(text)
	return t, err == nil, err
}
