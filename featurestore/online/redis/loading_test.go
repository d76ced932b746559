package redis_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// loading gives a server that was killed, and takes a second and a half to read its
// files; start starts it again, and gives where its end is told.
func loading(t *testing.T, args ...string) (srv *redistest.Server, start func() <-chan error) {
	t.Helper()
	srv = server(t, append([]string{"--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024"}, args...)...)
	do(t, srv, "EVAL", "for i = 1, 15000 do redis.call('set', 'key' .. i, 'x') end return 1", "0")
	do(t, srv, "CONFIG", "SET", "appendfsync", "always")
	do(t, srv, "SET", "last", "x") // and all before is on disk
	return srv, func() <-chan error {
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			done <- srv.Restart(ctx)
		}()
		return done
	}
}

// TestCheckWhileLoading: a server that reads its append-only file has it off for that
// time. That is no setting of its, and nothing is claimed of it.
func TestCheckWhileLoading(t *testing.T) {
	srv, start := loading(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}, Project: "p"})
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	loads := 0
	for done := start(); ; {
		err := s.Check(t.Context())
		if errors.Is(err, featurestore.ErrInvalid) || err != nil && !errors.Is(err, featurestore.ErrUnavailable) {
			t.Fatalf("settings that nobody knows: %v", err)
		}
		if err != nil && strings.Contains(err.Error(), "loading") {
			loads++
		}
		select {
		case err := <-done:
			if err != nil || loads == 0 {
				t.Fatalf("%v; seen loading %d times", err, loads)
			}
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}

// TestCheckNotAnswered: where snapshots cannot be asked for because the connection
// breaks, nobody knows whether the server keeps them; where the user may not ask, what
// is known is said.
func TestCheckNotAnswered(t *testing.T) {
	srv := server(t, "--appendonly", "no", "--save", "60 1000")
	do(t, srv, "ACL", "SETUSER", "asks", "on", ">secret", "~*", "+@all", "-config")
	as := redis.Config{Addrs: []string{srv.Addr()}, Credentials: func() (string, string) { return "asks", "secret" }}
	if err := open(t, as).Check(t.Context()); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("a user who may not ask: %v", err)
	}
	cut := cutAt(t, srv.Addr(), "config")
	if err := open(t, redis.Config{Addrs: []string{cut}}).Check(t.Context()); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("a broken connection: %v", err)
	}
}

// cutAt is a way to a server that closes a connection once a word is sent over it.
func cutAt(t *testing.T, addr, word string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		group.Wait()
	})
	group.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil {
				_ = from.Close()
				continue
			}
			group.Go(func() { _, _ = io.Copy(from, to); _ = from.Close() })
			group.Go(func() {
				defer func() { _, _ = to.Close(), from.Close() }()
				for b := make([]byte, 4096); ; {
					n, err := from.Read(b)
					if err != nil || bytes.Contains(b[:n], []byte(word)) {
						return
					}
					if _, err := to.Write(b[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}
