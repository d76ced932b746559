//go:build linux || darwin || freebsd

package history

import (
	"errors"
	"os"
	"syscall"

	"github.com/freshet/freshet/featurestore"
)

// locks says that locks hold against other processes here.
const locks = true

// lockFile holds a lock on a file, which ends with the process, however that ends;
// errHeld says that somebody else has it, where it does not wait.
func lockFile(path string, how locking) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, featurestore.Unavailablef("the archive cannot be locked: %v", err)
	}
	flags := syscall.LOCK_EX
	if how == ifFree {
		flags |= syscall.LOCK_NB
	}
	for {
		err = syscall.Flock(int(f.Fd()), flags)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return f.Close, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, errors.Join(errHeld, f.Close())
	}
	return nil, errors.Join(featurestore.Unavailablef("the archive cannot be locked: %v", err), f.Close())
}
