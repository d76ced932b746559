package redis

import (
	"context"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// Reach asks once whether there is a server that answers for a key, and waits for
// nothing: what Check asks for waits for a server that starts.
func (s *Store) Reach(ctx context.Context) error {
	key := s.evictedKey()
	cmd := redis.NewMapStringStringCmd(ctx, "hgetall", key)
	s.nodes.round(ctx, []routed{{cmd: cmd, key: key}}, false)
	if err := cmd.Err(); err != nil {
		return s.unavailable("asking whether it is there", err)
	}
	return nil
}

// Quiet keeps the client library from telling stderr of each connection that it does
// not get: whoever wanted one is told. It is for a whole process.
func Quiet() {
	redis.SetLogger(logging.NewBlacklistLogger([]string{"failed to dial"}))
}
