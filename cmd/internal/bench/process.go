//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// processState is what the system says of a process.
type processState struct {
	cpu time.Duration
	rss int64 // bytes
}

// clockTick is the unit of processor time in /proc: USER_HZ, which is 100 on
// every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// processUsage reads /proc, so that only Linux has it.
func processUsage(pid int) (processState, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processState{}, fmt.Errorf("the processor time of another process is read from /proc, on Linux: %w", err)
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 22 {
		return processState{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	pages, err3 := strconv.ParseInt(fields[21], 10, 64)
	return processState{cpu: time.Duration(user+system) * clockTick, rss: pages * int64(os.Getpagesize())}, errors.Join(err1, err2, err3)
}

// child is a process that is measured: an opponent, or ours.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of its end; read after ended

	mu  sync.Mutex
	out bytes.Buffer
}

func startChild(program string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c, c
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// Write keeps what the child says.
func (c *child) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(b)
}

func (c *child) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// gone is an error where the child has ended.
func (c *child) gone() error {
	select {
	case <-c.ended:
		return fmt.Errorf("%s ended: %w\n%s", c.cmd.Path, errors.Join(c.err, io.EOF), c.said())
	default:
		return nil
	}
}

func (c *child) usage() (processState, error) { return processUsage(c.cmd.Process.Pid) }

const stopPatience = 30 * time.Second

// stop asks the child to end, and waits.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		err := c.cmd.Process.Kill()
		<-c.ended
		return errors.Join(fmt.Errorf("%s did not end on SIGTERM: %s", c.cmd.Path, c.said()), err)
	}
}
