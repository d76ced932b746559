package plant

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Programs are the built binaries.
type Programs struct{ Freshet, Freshetd string }

// projectName is what every project is called: each has a store of its own.
const projectName = "torture"

// Project is a folder of definitions with settings, and its processes.
type Project struct {
	Name   string
	Dir    string
	Listen string
	bin    Programs

	settings string

	Server    *Process
	Ingesters []*Process
}

// NewProject makes a project's folder with settings; online is the part of them
// that says where the store is, lanes how many a generation has.
func NewProject(dir string, bin Programs, brokers, online string, lanes uint16) (*Project, error) {
	p := &Project{Name: projectName, Dir: dir, bin: bin}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if p.Listen, err = freeAddr(); err != nil {
		return nil, err
	}
	p.settings = fmt.Sprintf("project: %s\nlog: {kafka: {brokers: [%q]}}\nonline: {redis: %s, lanes: %d}\nserve: {listen: %q}\n", projectName, brokers, online, lanes, p.Listen)
	if err := p.Settings(""); err != nil {
		return nil, err
	}
	p.Server = NewProcess(dir, "serve", bin.Freshetd, "serve", "-C", dir)
	return p, nil
}

// freeAddr is an address that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Settings writes the settings with further lines; processes take them at their
// next start.
func (p *Project) Settings(more string) error {
	return os.WriteFile(filepath.Join(p.Dir, "freshet.yaml"), []byte(p.settings+more), 0o644)
}

// Apply writes definitions and makes them the newest revision.
func (p *Project) Apply(ctx context.Context, definitions string) error {
	if err := os.WriteFile(filepath.Join(p.Dir, "torture.yaml"), []byte(definitions), 0o644); err != nil {
		return err
	}
	_, err := p.Run(ctx, "apply", "--yes")
	return err
}

// Run runs a verb of freshet and gives what it prints.
func (p *Project) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.bin.Freshet, append(args, "-C", p.Dir)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("freshet %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// Command is a verb of freshet as a process of its own, which does not run yet.
func (p *Project) Command(name string, args ...string) *Process {
	return NewProcess(p.Dir, name, p.bin.Freshet, append(args, "-C", p.Dir)...)
}

// Ingester adds one more ingester, which does not run yet.
func (p *Project) Ingester() (*Process, error) {
	x := NewProcess(p.Dir, fmt.Sprintf("ingest%d", len(p.Ingesters)), p.bin.Freshetd, "ingest", "-C", p.Dir)
	var err error
	if x.Admin, err = freeAddr(); err != nil {
		return nil, err
	}
	x.env = []string{"FRESHET_ADMIN_LISTEN=" + x.Admin}
	p.Ingesters = append(p.Ingesters, x)
	return x, nil
}

// Serve starts the server and waits until it is ready.
func (p *Project) Serve(ctx context.Context) error {
	if err := p.Server.Start(); err != nil {
		return err
	}
	err := poll(ctx, time.Minute, func() (bool, error) {
		select {
		case <-p.Server.Gone():
			return false, fmt.Errorf("freshetd serve has ended: see %s", p.Server.Log())
		default:
		}
		c, err := net.DialTimeout("tcp", p.Listen, time.Second)
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
	if err != nil {
		return fmt.Errorf("starting freshetd serve: %w", err)
	}
	return nil
}

// Stop ends all processes.
func (p *Project) Stop() error {
	var first error
	for _, x := range append([]*Process{p.Server}, p.Ingesters...) {
		if x.Running() {
			_ = x.Resume() // one that is stopped cannot end
		}
		if err := x.Stop(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
