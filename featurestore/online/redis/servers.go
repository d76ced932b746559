package redis

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
)

// Server is what one master says of itself, for people who look for a fault.
type Server struct {
	Port        string
	Version     string
	Role        string
	Policy      string // maxmemory-policy
	Used, Most  int64  // bytes; Most is 0 where maxmemory is not set
	Replicas    int
	AppendOnly  bool
	EvictedKeys int64

	// Ahead is how far the server's clock is before ours, give or take Within;
	// HasClock is false where this user may not ask.
	Ahead, Within time.Duration
	HasClock      bool
}

// Servers asks every master. Whether their settings are right is Check's to say.
func (s *Store) Servers(ctx context.Context, now func() featurestore.Instant) ([]Server, error) {
	var mu sync.Mutex
	var out []Server
	err := s.nodes.masters(ctx, func(ctx context.Context, c *redis.Client) error {
		text, err := c.Info(ctx).Result()
		if err != nil {
			return err
		}
		info := parseInfo(text)
		number := func(name string) int64 {
			n, _ := strconv.ParseInt(info[name], 10, 64) // what a server does not say is 0
			return n
		}
		one := Server{
			Port: info["tcp_port"], Version: info["redis_version"], Role: info["role"], Policy: info["maxmemory_policy"],
			Used: number("used_memory"), Most: number("maxmemory"), Replicas: int(number("connected_slaves")),
			AppendOnly: info["aof_enabled"] == "1", EvictedKeys: number("evicted_keys"),
		}
		before := now()
		if at, err := c.Time(ctx).Result(); err == nil {
			took := featurestore.Duration(now() - before).Std()
			one.HasClock, one.Within = true, took/2
			one.Ahead = at.Sub(before.Time().Add(took / 2))
		}
		mu.Lock()
		defer mu.Unlock()
		out = append(out, one)
		return nil
	})
	if err != nil {
		return nil, s.unavailable("asking for INFO", err)
	}
	return out, nil
}
