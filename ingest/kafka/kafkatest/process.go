package kafkatest

import (
	"os"
	"os/exec"
	"runtime"
	"time"
)

// process is one child process and its end.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	err    error         // of its end; read after exited
}

// startProcess starts the child on a thread that lives as long as the child
// does: the child is set to die with that thread, so that none is left behind
// when this process is killed.
func startProcess(cmd *exec.Cmd) (*process, error) {
	dieWithParent(cmd)
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop signals this very process and waits; past the limit it is killed.
func (p *process) stop(s os.Signal, limit time.Duration) error {
	_ = p.cmd.Process.Signal(s) // it may have ended already
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-p.exited:
		return nil
	case <-t.C:
	}
	err := p.cmd.Process.Kill()
	<-p.exited
	return err
}
