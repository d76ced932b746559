package redistest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Options say how a server runs.
type Options struct {
	Dir string // the server's folder; it must exist and outlive the server
	// Program is the server's path; "" is that of Find.
	Program string
	// Args are further settings as redis-server takes them on its command line,
	// such as "--maxmemory", "20mb". They win over the defaults: append-only file
	// on, no snapshots, no eviction.
	Args []string
	TLS  *TLS // nil is plaintext
}

// Server is one redis-server process. Its methods are not safe for concurrent use.
type Server struct {
	program string
	opts    Options
	port    int
	process *process
}

const (
	portAttempts = 5
	stopTimeout  = 10 * time.Second
	logLines     = 20
)

// Start finds redis-server, starts it on a free port and returns once it
// answers.
func Start(ctx context.Context, opts Options) (*Server, error) {
	program, err := opts.Program, error(nil)
	if program == "" {
		program, err = Find(ctx)
	}
	if err != nil {
		return nil, err
	}
	if opts.Dir == "" {
		return nil, errors.New("redis-server needs a folder of its own")
	}
	s := &Server{program: program, opts: opts}
	for range portAttempts { // another process may take the port between finding and using it
		if s.port, err = freePort(ctx); err != nil {
			return nil, err
		}
		if err = s.Restart(ctx); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "in use") {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// Addr is host and port; it stays the same over restarts.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Restart starts the server, which must not be running, on the same port and
// folder, and returns once it has read its files and answers.
func (s *Server) Restart(ctx context.Context) error {
	if s.process != nil {
		return fmt.Errorf("redis-server on %s is running: stop or kill it first", s.Addr())
	}
	args := append(s.opts.TLS.args(strconv.Itoa(s.port)), []string{
		"--bind", "127.0.0.1", "--dir", s.opts.Dir, "--daemonize", "no", "--logfile", "",
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction",
	}...)
	args = append(args, s.opts.Args...)
	p, err := startProcess(s.program, args)
	if err != nil {
		return err
	}
	select {
	case <-p.ready:
		s.process = p
		return nil
	case <-p.ended:
		return fmt.Errorf("redis-server ended at once: %s", p.lastLines())
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("redis-server did not start: %w: %s", ctx.Err(), p.lastLines()), p.end(os.Kill))
	}
}

// Stop ends the server in order; it does nothing where none runs.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM) }

// Kill ends the server by SIGKILL; it does nothing where none runs.
func (s *Server) Kill() error { return s.end(os.Kill) }

func (s *Server) end(sig os.Signal) error {
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	return p.end(sig)
}

// Pause stops the process without ending it, as a hung machine would.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) error {
	if s.process == nil {
		return errors.New("redis-server is not running")
	}
	return s.process.cmd.Process.Signal(sig)
}

// Flush removes every key.
func (s *Server) Flush(ctx context.Context) error { return s.Do(ctx, "FLUSHALL") }

// Do sends one command, such as "CONFIG", "SET", "maxmemory", "10mb".
func (s *Server) Do(ctx context.Context, args ...any) error {
	_, err := s.Ask(ctx, args...)
	return err
}

// Ask sends one command and gives its answer.
func (s *Server) Ask(ctx context.Context, args ...any) (any, error) {
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), TLSConfig: s.opts.TLS.client(), MaxRetries: -1})
	answer, err := c.Do(ctx, args...).Result()
	return answer, errors.Join(err, c.Close())
}

// says waits until the answer to a command, as text, holds a word.
func (s *Server) says(ctx context.Context, word string, args ...any) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := s.Ask(ctx, args...)
		if err == nil && strings.Contains(fmt.Sprint(answer), word) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("redis-server on %s never answered %v with %q: %w", s.Addr(), args, word, errors.Join(ctx.Err(), err))
		}
	}
}

// process is a running redis-server whose log is read to its end.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed once the server says that it accepts connections, or a sentinel that it watches
	ended chan struct{} // closed once the process is gone

	mu    sync.Mutex
	lines []string // the last of its log
}

func startProcess(program string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), ready: make(chan struct{}), ended: make(chan struct{})}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	go p.follow(out)
	return p, nil
}

// follow reads the log; the pipe closes when the process ends.
func (p *process) follow(out io.Reader) {
	defer close(p.ended)
	ready := false
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.keep(lines.Text())
		if !ready && (strings.Contains(lines.Text(), "Ready to accept connections") || strings.Contains(lines.Text(), "+monitor master")) {
			ready = true
			close(p.ready)
		}
	}
	if err := p.cmd.Wait(); err != nil {
		p.keep(err.Error())
	}
}

func (p *process) keep(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	p.lines = p.lines[max(0, len(p.lines)-logLines):]
}

func (p *process) lastLines() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// end sends a signal and waits until the process is gone, which SIGKILL makes
// sure of in the end.
func (p *process) end(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending redis-server: %w", err)
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending redis-server: %w", err)
	}
	<-p.ended
	return nil
}
