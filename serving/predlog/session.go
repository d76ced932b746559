package predlog

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/predictions"
)

// session is the folder of segments of this process. Its lock says that the
// process lives: a session without one is a process's that has ended, and whoever
// comes next seals it.
type session struct {
	id     string
	folder string
	unlock func() error
}

const lockName = "lock"

func newSession(dir string, disk *atomicfile.Disk) (*session, error) {
	if err := disk.MakeFolder(predictions.WALFolder(dir)); err != nil {
		return nil, err
	}
	for {
		var b [8]byte
		rand.Read(b[:]) // never fails
		s := &session{id: hex.EncodeToString(b[:])}
		s.folder = filepath.Join(predictions.WALFolder(dir), s.id)
		if err := os.Mkdir(s.folder, 0o755); err != nil {
			return nil, err
		}
		path := filepath.Join(s.folder, lockName)
		unlock, err := lock(path)
		if err != nil && !errors.Is(err, errLocked) && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil { // between Mkdir and lock another process took it for an ended one
			continue
		}
		if _, err := os.Stat(path); err != nil {
			if err := unlock(); err != nil {
				return nil, err
			}
			continue
		}
		s.unlock = unlock
		return s, nil
	}
}

// end removes the session where nothing is left in it.
func (s *session) end() error {
	return errors.Join(removeEmpty(s.folder), s.unlock())
}

// removeEmpty removes a session's folder that holds no segment.
func removeEmpty(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != lockName }) {
		return nil
	}
	return os.RemoveAll(folder)
}

// segmentsOf lists the numbers of a session's segments, ascending.
func segmentsOf(dir, session string) ([]int64, error) {
	entries, err := os.ReadDir(filepath.Join(predictions.WALFolder(dir), session))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the write-ahead folder of the prediction log: %w", err)
	}
	var out []int64
	for _, e := range entries {
		if n, ok := predictions.SegmentNumber(e.Name()); ok {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// eachLeft calls seal for the sessions of ended processes and removes those that
// are then empty. Sessions that live, or that another process is sealing, are
// left out.
func eachLeft(dir, own string, seal func(id string) error) error {
	entries, err := os.ReadDir(predictions.WALFolder(dir))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || e.Name() == own {
			continue
		}
		folder := filepath.Join(predictions.WALFolder(dir), e.Name())
		unlock, err := lock(filepath.Join(folder, lockName))
		if errors.Is(err, errLocked) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		err = seal(e.Name())
		if err == nil {
			err = removeEmpty(folder)
		}
		errs = append(errs, err, unlock())
	}
	return errors.Join(errs...)
}
