package redis

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore/online"
)

// scanCount is how many keys one SCAN looks at, and one round trip unlinks.
const scanCount = 1000

// Drop removes metadata and watermarks first, after which no script writes to
// the generation, and then whatever begins with its prefix, in bounded steps.
// SCAN walks the whole key space once; other commands run between its steps.
func (s *Store) Drop(ctx context.Context, g online.Generation, lanes uint16) error {
	if err := g.Check(); err != nil {
		return err
	}
	var first []string
	for _, l := range g.LaneIDs(lanes) {
		first = append(first, string(l.AppendMetaKey(nil)), string(l.AppendWatermarksKey(nil)))
	}
	if err := s.unlink(ctx, g, first); err != nil {
		return err
	}
	err := s.nodes.masters(ctx, func(ctx context.Context, c *redis.Client) error { return s.dropFrom(ctx, c, g) })
	if err != nil {
		return s.unavailable("dropping "+g.String(), err)
	}
	return nil
}

// dropFrom removes what one server holds of a generation.
func (s *Store) dropFrom(ctx context.Context, c *redis.Client, g online.Generation) error {
	pattern := string(g.AppendPrefix(nil)) + "*" // names hold nothing that a pattern takes for more than itself
	var cursor uint64
	for {
		keys, next, err := c.Scan(ctx, cursor, pattern, scanCount).Result()
		if err != nil {
			return err
		}
		if err := s.unlink(ctx, g, keys); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (s *Store) unlink(ctx context.Context, g online.Generation, keys []string) error {
	sent := make([]routed, len(keys))
	for i, k := range keys {
		sent[i] = routed{redis.NewIntCmd(ctx, "unlink", k), k}
	}
	return s.read(ctx, "dropping "+g.String(), sent)
}
