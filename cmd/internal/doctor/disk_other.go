//go:build !linux && !darwin

package doctor

import "errors"

// space is not known on this system.
func space(string) (free, all uint64, err error) { return 0, 0, errors.ErrUnsupported }
