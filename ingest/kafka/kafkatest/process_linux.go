package kafkatest

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the child end with us, and keeps a terminal's Ctrl-C from
// reaching it before we have stopped it in order.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
