//go:build !linux

package kafkatest

import "os/exec"

// dieWithParent does nothing: only Linux can bind a child's life to its parent's.
func dieWithParent(*exec.Cmd) {}
