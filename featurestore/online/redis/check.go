package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// leastMajor is the first Redis that knows scripts that begin with #!lua, which
// it refuses whole where it is out of memory.
const leastMajor = 7

// Check asks the server for its settings and refuses those under which state
// would be lost in silence. The error names every problem, and the command that
// removes it.
func (s *Store) Check(ctx context.Context) error {
	text, err := s.client.Info(ctx).Result()
	if err != nil {
		return s.unavailable("asking for INFO", err)
	}
	info := parseInfo(text)
	problems := []error{checkVersion(info), checkRole(info), checkEviction(info)}
	if s.durability != Rebuild {
		problems = append(problems, s.checkPersistence(ctx, info))
	}
	if err := errors.Join(problems...); err != nil {
		return featurestore.Invalidf("redis %s is not fit to hold feature state:\n%w", s.addr, err)
	}
	return nil
}

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

// checkPersistence wants the append-only file, or snapshots: a lost suffix is
// noticed and applied again, a lost store must be rebuilt.
func (s *Store) checkPersistence(ctx context.Context, info map[string]string) error {
	if info["aof_enabled"] == "1" {
		return nil
	}
	const remedy = "run \"CONFIG SET appendonly yes\", and set it in redis.conf too; or say \"durability: rebuild\" in freshet.yaml, and every view is rebuilt after a restart of the server"
	save, err := s.client.ConfigGet(ctx, "save").Result()
	switch {
	case err != nil:
		return fmt.Errorf("the append-only file is off, and whether snapshots are on cannot be asked (%w): %s", err, remedy)
	case save["save"] == "":
		return fmt.Errorf("nothing is written to disk: %s", remedy)
	}
	return nil
}
