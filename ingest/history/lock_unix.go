//go:build linux || darwin || freebsd

package history

import (
	"errors"
	"os"
	"syscall"

	"github.com/freshet/freshet/featurestore"
)

// lockFile holds a lock on a file, which ends with the process, however that ends.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, featurestore.Unavailablef("the archive cannot be locked: %v", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(featurestore.Unavailablef("another process archives the partition of %q, or has just ended: it is tried again (%v)", path, err), f.Close())
	}
	return f.Close, nil
}
