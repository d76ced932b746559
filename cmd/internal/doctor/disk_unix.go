//go:build linux || darwin

package doctor

import "syscall"

// space is what is free for this user in a folder's file system, in bytes.
func space(dir string) (volume, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return volume{}, err
	}
	var at syscall.Stat_t
	if err := syscall.Stat(dir, &at); err != nil {
		return volume{}, err
	}
	return volume{device: uint64(at.Dev), free: s.Bavail * uint64(s.Bsize), all: s.Blocks * uint64(s.Bsize)}, nil
}

// mayWrite asks the system, and writes nothing.
func mayWrite(dir string) error {
	const write, enter = 2, 1
	return syscall.Access(dir, write|enter)
}
