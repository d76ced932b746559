//go:build linux || darwin || freebsd

package deadletter

import (
	"errors"
	"os"
	"syscall"

	"github.com/freshet/freshet/featurestore"
)

// lock takes a file's lock, which ends with the process, however that ends.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return featurestore.Unavailablef("another replay sends dead letters of this folder")
	}
	return err
}
