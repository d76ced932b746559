package redis_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// TestRefusedConnection: a server that lets no connection in, because the password
// was changed or because it has too many, has not said that nothing is there. What
// reads as missing would be LOST, and NOT_FOUND.
func TestRefusedConnection(t *testing.T) {
	for name, refuse := range map[string]func(t *testing.T, addr string, do func(args ...any)){
		"the password was changed": func(t *testing.T, _ string, do func(args ...any)) {
			t.Helper()
			do("ACL", "SETUSER", "freshet", "resetpass", ">other")
			do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		},
		"too many connections": func(t *testing.T, addr string, do func(args ...any)) {
			t.Helper()
			do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			do("CONFIG", "SET", "maxclients", "5")
			for range 5 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.Close() })
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := server(t)
			a := admin(t, srv)
			run := func(args ...any) {
				t.Helper()
				if err := a.Do(t.Context(), args...).Err(); err != nil {
					t.Fatal(args, err)
				}
			}
			run("ACL", "SETUSER", "freshet", "on", ">first", "~*", "+@all")
			s := open(t, redis.Config{Addrs: []string{srv.Addr()}, Timeout: 2 * time.Second, Credentials: func() (string, string) { return "freshet", "first" }})
			create(t, s)
			apply(t, s, step(-1, 0), online.OutcomeOK)
			refuse(t, srv.Addr(), run)
			for i := range 20 { // more often than connections are kept
				if lanes, err := s.Lanes(t.Context(), generation, 2); !errors.Is(err, featurestore.ErrUnavailable) {
					t.Fatalf("read %d: lanes %+v, %v", i, lanes, err)
				}
				if parts, err := s.Get(t.Context(), []online.EntityID{{LaneID: lane(0), Key: []byte("a")}}); !errors.Is(err, featurestore.ErrUnavailable) {
					t.Fatalf("read %d: %q, %v", i, parts, err)
				}
				if r := s.Apply(t.Context(), []online.Batch{step(0, 1)})[0]; r.Err == nil || r.Outcome != online.OutcomeRefused && r.Outcome != online.OutcomeUnknown {
					t.Fatalf("write %d: %+v", i, r)
				}
				if err := s.Check(t.Context()); !errors.Is(err, featurestore.ErrUnavailable) {
					t.Fatalf("check %d: %v", i, err)
				}
				if err := s.Drop(t.Context(), generation, 2); err == nil {
					t.Fatalf("drop %d: done", i)
				}
			}
		})
	}
}
