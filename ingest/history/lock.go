package history

import (
	"errors"
	"path/filepath"

	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// locking says what lockFile does while somebody else holds the lock.
type locking uint8

const (
	ifFree locking = iota // it fails with errHeld
	waiting
)

var errHeld = errors.New("it is locked")

// changeLock guards the manifests in a folder: who replaces one reads it first,
// both under this lock. It is held for as long as that takes, never while rows are
// written. Who holds the lock of a compaction, too, took that first.
type changeLock struct{ folder string }

func (c changeLock) hold(p offline.Partition) (unlock func() error, err error) {
	return lockFile(filepath.Join(c.folder, archive.ChangeName(p)), waiting)
}
