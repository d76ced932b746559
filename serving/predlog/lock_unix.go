//go:build linux || darwin || freebsd

package predlog

import (
	"errors"
	"os"
	"syscall"
)

// errLocked says that another process, or another logger, holds a lock.
var errLocked = errors.New("locked")

// lock takes the lock of a file, which ends with the process, however that ends.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
