package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// evictions are how many keys each run of a server has evicted, as far as that is
// dealt with. The server counts anew with each run. What a store's very first look
// finds is not ours; from then on a run that was never seen begins with none: what a
// promoted replica or a server that was restarted evicts before anybody looks is ours.
//
// They are kept in the store too, for a process that starts later, or that sees the
// same ones after another has dealt with them, in the hash {<project>.}:evicted, a
// field for each run, the number in decimal. What it has must never be more than what
// is dealt with. Runs that have evicted nothing are left out, but for the first.
//
// A run that could evict when it was asked last, and is not asked any more, may have
// evicted since, which nobody will know: that counts as one more.
type evictions struct {
	mu       sync.Mutex
	recalled bool             // what is kept was read
	noted    map[string]int64 // empty before the first look
	seen     map[string]int64 // and not noted yet; also of runs that are no longer asked
	told     map[string]int64 // of these, by Check
	kept     map[string]int64 // in the store
	risky    map[string]bool  // runs that could evict when they were asked last
}

// counted is what a server says of its evictions.
type counted struct {
	keys  int64 // so far in its run
	could bool  // its policy lets it
}

func newEvictions() evictions {
	return evictions{noted: map[string]int64{}, seen: map[string]int64{}, told: map[string]int64{}, kept: map[string]int64{}, risky: map[string]bool{}}
}

// countedOf is what a server's INFO says of its evictions.
func countedOf(info map[string]string) (run string, c counted, err error) {
	if c.keys, err = strconv.ParseInt(info["evicted_keys"], 10, 64); err != nil {
		return "", c, fmt.Errorf("the answer does not say how many keys were evicted: %w", err)
	}
	c.could = checkEviction(info) != nil
	return info["run_id"], c, nil
}

// look sees what the runs of all masters say now, and gives what is not dealt with.
func (e *evictions) look(now map[string]counted) map[string]int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := len(e.noted) == 0
	for run := range e.risky {
		if _, asked := now[run]; !asked {
			e.seen[run] = max(e.seen[run], e.noted[run]+1)
			delete(e.risky, run)
		}
	}
	for run, c := range now {
		n := c.keys
		if c.could {
			e.risky[run] = true
		} else {
			delete(e.risky, run)
		}
		before, known := e.noted[run]
		if !known && first {
			before = n
		}
		if n < before { // somebody has reset its statistics
			before = 0
		}
		if e.noted[run] = before; n > before {
			e.seen[run] = n
		}
	}
	return maps.Clone(e.seen)
}

func (e *evictions) tell(seen map[string]int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = seen
}

// deal notes what was told, and gives what is to be kept and is not yet.
func (e *evictions) deal() map[string]int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	for run, n := range e.told {
		if e.noted[run] = n; e.seen[run] == n {
			delete(e.seen, run)
		}
	}
	e.told = nil
	keep := map[string]int64{}
	for run, n := range e.noted {
		if have, there := e.kept[run]; n > 0 && have != n || len(e.kept) == 0 && !there {
			keep[run] = n
		}
	}
	return keep
}

// recall reads, once, what is kept. It comes before the servers are asked: what they
// say by then is not less.
func (s *Store) recall(ctx context.Context) error {
	s.evictions.mu.Lock()
	done := s.evictions.recalled
	s.evictions.mu.Unlock()
	if done {
		return nil
	}
	return s.readKept(ctx)
}

// readKept reads what others have dealt with.
func (s *Store) readKept(ctx context.Context) error {
	if s.project == "" {
		return nil
	}
	key := s.evictedKey()
	cmd := redis.NewMapStringStringCmd(ctx, "hgetall", key)
	if err := s.read(ctx, "reading what was evicted", []routed{{cmd: cmd, key: key}}); err != nil {
		return err
	}
	s.evictions.take(cmd.Val())
	return nil
}

// take takes over what is kept, where that is news: a server whose statistics were
// reset has evicted fewer by now than what was once dealt with.
func (e *evictions) take(kept map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recalled = true
	for run, text := range kept {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			continue // all that it has evicted counts
		}
		if had, known := e.kept[run]; known && had == n {
			continue
		}
		e.kept[run], e.noted[run] = n, n
		if seen, there := e.seen[run]; there && seen <= n {
			delete(e.seen, run)
		}
	}
}

// left is what was seen and is not dealt with, also by others. They are asked only
// where there is some: to build everything anew for each process that has seen the
// same would go on for as many fills as there are processes.
func (s *Store) left(ctx context.Context, now map[string]counted) (map[string]int64, error) {
	if seen := s.evictions.look(now); len(seen) == 0 {
		return nil, nil
	}
	if err := s.readKept(ctx); err != nil {
		return nil, err
	}
	return s.evictions.look(now), nil
}

func (s *Store) evictedKey() string { return "{" + s.project + ".}:evicted" }

// Evicted asks every master how many keys it has evicted.
func (s *Store) Evicted(ctx context.Context) (bool, error) {
	if err := s.recall(ctx); err != nil {
		return false, err
	}
	var mu sync.Mutex
	now := map[string]counted{}
	err := s.nodes.masters(ctx, func(ctx context.Context, c *redis.Client) error {
		text, err := c.Info(ctx, "server", "memory", "stats").Result()
		if err != nil {
			return err
		}
		run, n, err := countedOf(parseInfo(text))
		mu.Lock()
		defer mu.Unlock()
		now[run] = n
		return err
	})
	if err != nil {
		return false, s.unavailable("asking for INFO", err)
	}
	left, err := s.left(ctx, now)
	return len(left) > 0, err
}

// checkEvicted tells which servers have evicted keys, until that is dealt with.
func (s *Store) checkEvicted(ctx context.Context, servers []map[string]string) (told, err error) {
	now, ports := map[string]counted{}, map[string]string{}
	for _, info := range servers {
		if run, n, err := countedOf(info); err == nil {
			now[run], ports[run] = n, info["tcp_port"]
		}
	}
	seen, err := s.left(ctx, now)
	if err != nil {
		return nil, err
	}
	s.evictions.tell(seen)
	var errs []error
	for _, run := range slices.Sorted(maps.Keys(seen)) {
		if port, there := ports[run]; there {
			errs = append(errs, fmt.Errorf("a server on port %s has evicted %d keys in all", port, seen[run]))
		} else { // and how many in the end, nobody knows
			errs = append(errs, fmt.Errorf("a server that is no longer asked (run %s) has evicted keys, or may have", run))
		}
	}
	return errors.Join(errs...), nil
}

// NoteEvicted notes what Check has told, and keeps it for whoever starts later.
func (s *Store) NoteEvicted(ctx context.Context) error {
	if err := s.recall(ctx); err != nil {
		return err
	}
	keep := s.evictions.deal()
	if len(keep) == 0 || s.project == "" {
		return nil
	}
	key := s.evictedKey()
	args := []any{"hset", key}
	for _, run := range slices.Sorted(maps.Keys(keep)) {
		args = append(args, run, keep[run])
	}
	cmd := redis.NewIntCmd(ctx, args...)
	if err := s.read(ctx, "keeping what was evicted", []routed{{cmd: cmd, key: key}}); err != nil {
		return err
	}
	s.evictions.mu.Lock()
	defer s.evictions.mu.Unlock()
	maps.Copy(s.evictions.kept, keep)
	return nil
}
