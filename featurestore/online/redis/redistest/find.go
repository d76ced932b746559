// Package redistest runs a real redis-server for tests and demonstrations: on
// 127.0.0.1, a free port and a folder of its own. It never touches a server that
// it did not start.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// Program is the server's name.
const Program = "redis-server"

// Find gives the path of redis-server. Where there is none and the process is
// root on a Debian, it installs the package redis-server, without starting the
// service that comes with it; else the error says what is missing.
func Find(ctx context.Context) (string, error) {
	if path, err := exec.LookPath(Program); err == nil {
		return path, nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return "", errors.New("redis-server is missing, and so is apt-get: install Redis 7 or newer, or Valkey, so that redis-server is on the PATH")
	}
	if os.Geteuid() != 0 {
		return "", errors.New("redis-server is missing, and only root may install it: run \"sudo apt-get install redis-server\"")
	}
	for _, args := range [][]string{{"update"}, {"install", "--yes", "--no-install-recommends", Program}} {
		if err := run(ctx, apt, args...); err != nil {
			return "", fmt.Errorf("redis-server is missing, and installing it failed: %w", err)
		}
	}
	return exec.LookPath(Program)
}

// run runs apt-get without questions. RUNLEVEL=1 keeps Debian's scripts from
// starting the service.
func run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, args[0], err, bytes.TrimSpace(tail(out)))
	}
	return nil
}

func tail(b []byte) []byte { return b[max(0, len(b)-500):] }
