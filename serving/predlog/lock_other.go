//go:build !(linux || darwin || freebsd)

package predlog

import (
	"errors"
	"os"
)

// errLocked says that a session may be in use.
var errLocked = errors.New("locked")

// lock makes a lock and never takes one that is there: no lock ends with the
// process here, so that a session of another process is never touched. What it
// left stays readable, and is not sealed.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, errLocked
	}
	if err != nil {
		return nil, err
	}
	return f.Close, nil
}
