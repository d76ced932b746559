package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// leastMajor is the first Redis that knows scripts that begin with #!lua, which
// it refuses whole where it is out of memory.
const leastMajor = 7

// fullPercent is how much of its memory a server may use before that is said:
// above, it soon refuses every write.
const fullPercent = 80

// Check asks every master for its settings and refuses those under which state
// would be lost in silence. The error names every problem, and the command that
// removes it.
func (s *Store) Check(ctx context.Context) error {
	_, err := s.check(ctx, false)
	return err
}

// Look is Check for a user who may not ask for everything, as one who reads: what may
// not be asked is not wrong. Asked is false where no server says anything.
func (s *Store) Look(ctx context.Context) (asked bool, err error) { return s.check(ctx, true) }

// check is both; lenient says that what may not be asked is left out.
func (s *Store) check(ctx context.Context, lenient bool) (asked bool, err error) {
	if err := s.recall(ctx); err != nil {
		return false, err
	}
	var mu sync.Mutex
	var problems, full []error
	var servers []map[string]string
	err = s.nodes.masters(ctx, func(ctx context.Context, c *redis.Client) error {
		info, found, err := s.checkServer(ctx, c, lenient)
		if lenient && forbidden(err) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		problems, full = append(problems, found...), append(full, checkMemory(info))
		servers = append(servers, info)
		return err
	})
	if err != nil {
		return false, s.unavailable("asking for its settings", err)
	}
	if len(servers) == 0 {
		return false, nil
	}
	wrong := errors.Join(problems...)
	if wrong != nil {
		wrong = featurestore.Invalidf("redis %s is not fit to hold feature state:\n%w", s.name, wrong)
	}
	lost, err := s.checkEvicted(ctx, servers)
	if err != nil {
		return false, err
	}
	if lost != nil {
		return true, errors.Join(fmt.Errorf("%w: redis %s: %w", online.ErrEvicted, s.name, lost), wrong)
	}
	if wrong != nil {
		return true, wrong
	}
	if err := errors.Join(full...); err != nil {
		return true, fmt.Errorf("%w: redis %s: %w", online.ErrNearlyFull, s.name, err)
	}
	return true, nil
}

// checkServer gives what one server says of itself, and what is wrong with its settings.
func (s *Store) checkServer(ctx context.Context, c *redis.Client, lenient bool) (info map[string]string, problems []error, err error) {
	text, err := c.Info(ctx).Result()
	if err != nil {
		return nil, nil, err
	}
	info = parseInfo(text)
	if info["loading"] == "1" { // its append-only file is off for that time, whatever its settings say
		return nil, nil, errLoading
	}
	role := checkRole(info)
	if role != nil && s.replaced { // by another, which this process does not know yet
		return nil, nil, role
	}
	for _, problem := range []error{checkVersion(info), role, checkEviction(info)} {
		if problem != nil {
			problems = append(problems, problem)
		}
	}
	if s.durability != Rebuild {
		problem, err := checkPersistence(ctx, c, info, lenient)
		if err != nil {
			return nil, nil, err
		}
		if problem != nil {
			problems = append(problems, problem)
		}
	}
	return info, problems, nil
}

// errLoading is of a server that reads its files: nobody knows yet how it is set.
var errLoading = errors.New("it is loading what it has on disk")

func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[k] = v
		}
	}
	return info
}

func checkVersion(info map[string]string) error {
	major, _, _ := strings.Cut(info["redis_version"], ".")
	if n, err := strconv.Atoi(major); err != nil || n < leastMajor {
		return fmt.Errorf("its version is %q: Redis %d or newer is needed, or Valkey: an older one does not know the form of our scripts", info["redis_version"], leastMajor)
	}
	return nil
}

func checkRole(info map[string]string) error {
	if role := info["role"]; role != "master" {
		return fmt.Errorf("its role is %q: writes and reads go to the master, at %s:%s now", role, info["master_host"], info["master_port"])
	}
	return nil
}

func checkEviction(info map[string]string) error {
	if policy := info["maxmemory_policy"]; policy != "noeviction" {
		return fmt.Errorf("maxmemory-policy is %q: state would be evicted in silence; run \"CONFIG SET maxmemory-policy noeviction\", and set it in redis.conf too", policy)
	}
	return nil
}

// checkMemory says so before the server refuses writes for want of memory.
func checkMemory(info map[string]string) error {
	used, _ := strconv.ParseInt(info["used_memory"], 10, 64)
	most, _ := strconv.ParseInt(info["maxmemory"], 10, 64)
	if most > 0 && used > most/100*fullPercent {
		return fmt.Errorf("it uses %d of the %d bytes of its maxmemory: soon it refuses every write, and the stream waits; give it more, or drop views", used, most)
	}
	return nil
}

// checkPersistence wants the append-only file, or snapshots: a lost suffix is
// noticed and applied again, a lost store must be rebuilt. The error is of a server
// that has not said whether it keeps snapshots, and may the next time.
func checkPersistence(ctx context.Context, c *redis.Client, info map[string]string, lenient bool) (problem, err error) {
	if info["aof_enabled"] == "1" {
		return nil, nil
	}
	const remedy = "run \"CONFIG SET appendonly yes\", and set it in redis.conf too; or say \"durability: rebuild\" in freshet.yaml, and every view is rebuilt after a restart of the server"
	save, err := c.ConfigGet(ctx, "save").Result()
	switch {
	case err != nil && Passes(err):
		return nil, err
	case err != nil && lenient:
		return nil, nil
	case err != nil:
		return fmt.Errorf("the append-only file is off, and whether snapshots are on cannot be asked (%w): %s", err, remedy), nil
	case save["save"] == "":
		return fmt.Errorf("nothing is written to disk: %s", remedy), nil
	}
	return nil, nil
}
