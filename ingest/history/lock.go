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

// own takes a partition for archiving, and says that manifests are heeded; errHeld
// where another process has it.
func (c changeLock) own(p offline.Partition) (unlock func() error, err error) {
	lock, err := lockFile(filepath.Join(c.folder, archive.LockName(p)), ifFree)
	if err != nil {
		return nil, err
	}
	heed, err := lockFile(filepath.Join(c.folder, archive.HeedName(p)), waiting) // somebody may be looking
	if err != nil {
		return nil, errors.Join(err, lock())
	}
	return func() error { return errors.Join(heed(), lock()) }, nil
}

// errUnheeded says that a process of an earlier release archives the partition: it
// would put its own list over what is changed.
var errUnheeded = errors.New("an earlier release archives the partition")

// share is hold for those who do not archive the partition themselves.
func (c changeLock) share(p offline.Partition) (unlock func() error, err error) {
	change, err := c.hold(p)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(c.folder, archive.LockName(p)), ifFree)
	if err == nil { // nobody archives it: nobody begins to, until the list is changed
		return func() error { return errors.Join(lock(), change()) }, nil
	}
	if !errors.Is(err, errHeld) {
		return nil, errors.Join(err, change())
	}
	heed, err := lockFile(filepath.Join(c.folder, archive.HeedName(p)), ifFree)
	switch {
	case errors.Is(err, errHeld):
		return change, nil
	case err == nil:
		err = errors.Join(errUnheeded, heed())
	}
	return nil, errors.Join(err, change())
}
