package embedded

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walCategory is how pebble marks the files of its write-ahead log.
const walCategory = "pebble-wal"

// walFS is a file system whose write-ahead log reaches the operating system
// with each commit and the disk only when told. Pebble knows two ways to commit:
// NoSync returns before the bytes have left the process, so that SIGKILL could
// take back what was acknowledged; Sync also waits for the disk, 1-10 ms each
// time. The store commits with Sync, and here the wait for the disk is left out.
//
// A log file is synced before it is closed, thus before the next one begins:
// after a power cut the logs that remain are a prefix of what was written.
type walFS struct {
	vfs.FS
	sync bool // leave every Sync as it is

	mu   sync.Mutex
	open map[*walFile]struct{}
}

func newWALFS(base vfs.FS, always bool) *walFS {
	return &walFS{FS: base, sync: always, open: map[*walFile]struct{}{}}
}

// Create opens a new file; one of the log is deferred.
func (fs *walFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	return fs.wrap(f, err, category)
}

// ReuseForWrite opens a recycled file; one of the log is deferred.
func (fs *walFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(oldname, newname, category)
	return fs.wrap(f, err, category)
}

// Unwrap gives the file system beneath.
func (fs *walFS) Unwrap() vfs.FS { return fs.FS }

func (fs *walFS) wrap(f vfs.File, err error, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err != nil || fs.sync || category != walCategory {
		return f, err
	}
	w := &walFile{File: f, fs: fs}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.open[w] = struct{}{}
	return w, nil
}

// flush brings all that was committed so far to the disk.
func (fs *walFS) flush() error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for f := range fs.open {
		if err := f.File.SyncData(); err != nil {
			return err
		}
	}
	return nil
}

type walFile struct {
	vfs.File
	fs *walFS
}

// Sync leaves the bytes with the operating system.
func (f *walFile) Sync() error { return nil }

// SyncData leaves the bytes with the operating system.
func (f *walFile) SyncData() error { return nil }

// SyncTo leaves the bytes with the operating system.
func (f *walFile) SyncTo(int64) (fullSync bool, err error) { return false, nil }

// Close brings the file to the disk and closes it.
func (f *walFile) Close() error {
	err := f.File.Sync() // before flush can no longer see the file
	f.fs.mu.Lock()
	delete(f.fs.open, f)
	f.fs.mu.Unlock()
	return errors.Join(err, f.File.Close())
}
