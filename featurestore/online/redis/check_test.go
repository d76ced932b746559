package redis_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
)

func TestCheck(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	rebuild := open(t, redis.Config{Addrs: []string{srv.Addr()}, Durability: redis.Rebuild})
	check := func(s *redis.Store, words ...string) {
		t.Helper()
		err := s.Check(t.Context())
		if len(words) == 0 {
			if err != nil {
				t.Errorf("refused: %v", err)
			}
			return
		}
		if !errors.Is(err, featurestore.ErrInvalid) {
			t.Fatalf("error %v, want invalid", err)
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("the error does not say %q:\n%v", w, err)
			}
		}
	}
	check(s)
	do(t, srv, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	check(s, srv.Addr(), `"allkeys-lru"`, "CONFIG SET maxmemory-policy noeviction")
	do(t, srv, "CONFIG", "SET", "appendonly", "no")
	check(s, "CONFIG SET maxmemory-policy noeviction", "CONFIG SET appendonly yes", "durability: rebuild")
	check(rebuild, "noeviction")
	do(t, srv, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	check(s, "CONFIG SET appendonly yes")
	check(rebuild)
	do(t, srv, "CONFIG", "SET", "save", "60 1000")
	check(s)

	replica := server(t, "--replicaof", strings.Replace(srv.Addr(), ":", " ", 1))
	check(open(t, redis.Config{Addrs: []string{replica.Addr()}}), "role", "slave", srv.Addr())
}

func TestOpenRefuses(t *testing.T) {
	if _, err := redis.Open(redis.Config{}); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("no address: %v", err)
	}
}

// TestCredentials: a user with a password gets in, and what may not be done is
// an error that says so.
func TestCredentials(t *testing.T) {
	srv := server(t)
	do(t, srv, "ACL", "SETUSER", "writer", "on", ">secret", "~*", "+@all", "-@dangerous", "+info")
	do(t, srv, "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+mget", "+hgetall", "+hello", "+ping", "+select")
	as := func(user, password string) redis.Config {
		return redis.Config{Addrs: []string{srv.Addr()}, Credentials: func() (string, string) { return user, password }}
	}
	writer, reader := open(t, as("writer", "secret")), open(t, as("reader", "secret"))
	create(t, writer)
	if err := writer.Check(t.Context()); err != nil {
		t.Errorf("with the append-only file on, CONFIG is not needed: %v", err)
	}
	if got := offset(t, reader); got != -1 {
		t.Errorf("watermark at %d", got)
	}
	r := reader.Apply(t.Context(), nil)
	if len(r) != 0 {
		t.Error("results of nothing")
	}
	err := applyError(t, reader, step(-1, 0), online.OutcomeRefused)
	if !errors.Is(err, featurestore.ErrUnavailable) || !strings.Contains(err.Error(), "NOPERM") || strings.Contains(err.Error(), "secret") {
		t.Errorf("a reader that writes: %v", err)
	}
	if err := open(t, as("writer", "wrong")).Check(t.Context()); !errors.Is(err, featurestore.ErrUnavailable) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
}
