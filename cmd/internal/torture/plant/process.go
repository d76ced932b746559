// Package plant starts the real parts of the torture run: Apache Kafka,
// redis-server, and our own programs as processes of their own. It ends what it
// started, by its process id, and nothing else.
package plant

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopWithin is how long SIGTERM gets before SIGKILL.
const stopWithin = 20 * time.Second

// Process is one of our programs. Its methods are not safe for concurrent use.
type Process struct {
	Name  string
	Admin string // of an ingester: the operators' address
	args  []string
	path  string
	log   string
	env   []string // beside our own
	cmd   *exec.Cmd
	gone  chan struct{} // closed when it has ended
}

// NewProcess is a program that does not run yet; what it says is appended to a
// file of its name in dir.
func NewProcess(dir, name, path string, args ...string) *Process {
	return &Process{Name: name, path: path, args: args, log: filepath.Join(dir, name+".log")}
}

// Log is the file of what it says.
func (p *Process) Log() string { return p.log }

// Start starts it; it must not run.
func (p *Process) Start() error {
	if p.Running() {
		return fmt.Errorf("%s runs already", p.Name)
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // the child has its own
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for us to pass on
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	p.gone = make(chan struct{})
	go func(c *exec.Cmd, gone chan struct{}) {
		_ = c.Wait() // how it ended stands in its log
		close(gone)
	}(p.cmd, p.gone)
	return nil
}

// Running reports whether it runs.
func (p *Process) Running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// Gone is closed when it has ended.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Kill ends it by SIGKILL, as a crash would.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

// Stop ends it in order.
func (p *Process) Stop() error { return p.end(syscall.SIGTERM) }

func (p *Process) end(s os.Signal) error {
	if !p.Running() {
		return nil
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-p.gone:
		return nil
	case <-timer.C:
	}
	err := p.cmd.Process.Kill()
	<-p.gone
	return errors.Join(fmt.Errorf("%s did not end within %s of %s", p.Name, stopWithin, s), err)
}

// Pause stops the process without ending it, as a hung machine would.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Memory is what the process holds of memory now, in bytes: on Linux alone.
func (p *Process) Memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("the memory of process %d is not known", p.PID())
}
