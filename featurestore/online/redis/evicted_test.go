package redis_test

import (
	"errors"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// evict lets a server evict one key.
func evict(t *testing.T, srv *redistest.Server) {
	t.Helper()
	do(t, srv, "SET", "foreign", "x", "EX", "1000")
	do(t, srv, "CONFIG", "SET", "maxmemory-policy", "volatile-random")
	do(t, srv, "CONFIG", "SET", "maxmemory", "1")
	_ = srv.Do(t.Context(), "SET", "other", "x")
	do(t, srv, "CONFIG", "SET", "maxmemory", "0")
	do(t, srv, "CONFIG", "SET", "maxmemory-policy", "noeviction")
}

// restart stops a server and starts it again, on the same files.
func restart(t *testing.T, srv *redistest.Server) {
	t.Helper()
	if err := srv.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantEvicted wants a store to say whether keys were evicted, in both ways.
func wantEvicted(t *testing.T, s *redis.Store, want bool) {
	t.Helper()
	evicted, err := s.Evicted(t.Context())
	if evicted != want || err != nil {
		t.Errorf("evicted: %t (%v), want %t", evicted, err, want)
	}
	if err := s.Check(t.Context()); errors.Is(err, online.ErrEvicted) != want || err != nil && !want {
		t.Errorf("checked: %v, want that keys were evicted: %t", err, want)
	}
}

func note(t *testing.T, s *redis.Store) {
	t.Helper()
	if err := s.NoteEvicted(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What was evicted before anybody looked is not ours. What is evicted later is told
// until it is noted: whoever is told may not get to act on it.
func TestEvictedIsToldUntilItIsNoted(t *testing.T) {
	srv := server(t)
	evict(t, srv)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	wantEvicted(t, s, false)
	evict(t, srv)
	wantEvicted(t, s, true)
	wantEvicted(t, s, true)
	note(t, s)
	wantEvicted(t, s, false)
	evict(t, srv)
	if evicted, err := s.Evicted(t.Context()); !evicted || err != nil {
		t.Errorf("evicted: %t (%v)", evicted, err)
	}
	note(t, s) // what Check has not told is not dealt with
	wantEvicted(t, s, true)
	note(t, s)
	do(t, srv, "CONFIG", "RESETSTAT")
	wantEvicted(t, s, false)
	evict(t, srv)
	wantEvicted(t, s, true)
}

// A server that was started again, as one that was promoted, counts anew: what it
// evicts before it is looked at for the first time is ours.
func TestEvictedBeforeTheFirstLookAtAnotherRun(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	wantEvicted(t, s, false)
	again := func() { t.Helper(); restart(t, srv) }
	again()
	wantEvicted(t, s, false)
	again()
	evict(t, srv)
	wantEvicted(t, s, true)
	again() // and who has evicted is not asked any more
	wantEvicted(t, s, true)
	note(t, s)
	wantEvicted(t, s, false)
}

// What is evicted while nobody runs is seen by whoever starts next, also where the
// server was started again meanwhile; not by another project.
func TestEvictedWhileNobodyLooked(t *testing.T) {
	srv := server(t)
	evict(t, srv)
	in := func(project string) *redis.Store {
		t.Helper()
		return open(t, redis.Config{Addrs: []string{srv.Addr()}, Project: project})
	}
	for range 2 { // nothing is ours before it is noted once
		wantEvicted(t, in("p"), false)
		evict(t, srv)
	}
	first := in("p")
	wantEvicted(t, first, false)
	note(t, first)
	wantEvicted(t, in("p"), false)
	evict(t, srv)
	wantEvicted(t, in("p"), true)
	wantEvicted(t, in("q"), false)
	restart(t, srv)
	wantEvicted(t, in("p"), false) // its count has gone with it
	evict(t, srv)
	last := in("p")
	wantEvicted(t, last, true)
	note(t, last)
	wantEvicted(t, in("p"), false)
}

// What several processes have seen, one deals with: it has told of every view by
// then. What is evicted since, or counted from the beginning again, is another matter.
func TestEvictedIsDealtWithByOne(t *testing.T) {
	srv := server(t)
	in := func() *redis.Store {
		t.Helper()
		s := open(t, redis.Config{Addrs: []string{srv.Addr()}, Project: "p"})
		wantEvicted(t, s, false)
		note(t, s)
		return s
	}
	one, other := in(), in()
	evict(t, srv)
	wantEvicted(t, one, true)
	wantEvicted(t, other, true)
	note(t, one)
	wantEvicted(t, other, false)
	wantEvicted(t, one, false)

	evict(t, srv)
	wantEvicted(t, other, true)
	evict(t, srv)
	note(t, other) // the first of the two
	wantEvicted(t, one, true)
	wantEvicted(t, other, true)
	note(t, one)
	wantEvicted(t, other, false)

	do(t, srv, "CONFIG", "RESETSTAT")
	wantEvicted(t, one, false)
	wantEvicted(t, other, false)
	evict(t, srv) // fewer than what is kept
	wantEvicted(t, one, true)
	wantEvicted(t, other, true)
	note(t, other)
	wantEvicted(t, one, false)
}

// A server that could evict, and that was started again before it was looked at once
// more, may have evicted in between: its count is gone.
func TestEvictedBeforeACrash(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	wantEvicted(t, s, false)
	again := func() { t.Helper(); restart(t, srv) }
	again()
	wantEvicted(t, s, false)
	do(t, srv, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	if evicted, err := s.Evicted(t.Context()); evicted || err != nil {
		t.Errorf("evicted: %t (%v) where only the policy is wrong", evicted, err)
	}
	again()
	wantEvicted(t, s, true)
	note(t, s)
	wantEvicted(t, s, false)
	do(t, srv, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	do(t, srv, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	again()
	wantEvicted(t, s, false)
}
