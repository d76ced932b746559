//go:build !(linux || darwin || freebsd)

package history

// locks says that there is no lock that ends with the process here. That only one
// process archives a partition is left to who starts them, and nothing is compacted.
const locks = false

func lockFile(string, locking) (unlock func() error, err error) {
	return func() error { return nil }, nil
}
