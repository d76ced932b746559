//go:build linux || darwin

package doctor

import "syscall"

// space is what is free for this user, and all of a folder's file system, in bytes.
func space(dir string) (free, all uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
