//go:build linux

package redis_test

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// silentAddr is an address that answers no attempt to connect.
func silentAddr(t *testing.T) string {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	for range 10 { // its queue is full once nobody else gets in
		c, err := net.DialTimeout("tcp4", l.Addr().String(), 300*time.Millisecond)
		if err != nil {
			return l.Addr().String()
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("this system lets everybody wait: no server is silent here")
	return ""
}

// A server that does not even refuse holds up no call for longer than the timeout,
// about: what comes back is looked at soon.
func TestSilentServer(t *testing.T) {
	const timeout = 400 * time.Millisecond
	s := open(t, redis.Config{Addrs: []string{silentAddr(t)}, Timeout: timeout})
	start := time.Now()
	_, err := s.Lanes(t.Context(), generation, 1)
	if took := time.Since(start); !errors.Is(err, featurestore.ErrUnavailable) || took > 5*timeout {
		t.Errorf("after %s: %v", took, err)
	}
}
