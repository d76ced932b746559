//go:build linux || darwin || freebsd

package history

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/freshet/freshet/featurestore"
)

// lockFolder holds a lock on a folder, which ends with the process, however that
// ends.
func lockFolder(folder string) (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, featurestore.Unavailablef("the archive folder cannot be locked: %v", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(featurestore.Unavailablef("another process archives into %q: end it first (%v)", folder, err), f.Close())
	}
	return f.Close, nil
}
