//go:build !linux && !darwin

package doctor

import "errors"

// space is not known on this system.
func space(string) (volume, error) { return volume{}, errors.ErrUnsupported }

// mayWrite is not known on this system.
func mayWrite(string) error { return errors.ErrUnsupported }
