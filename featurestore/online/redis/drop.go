package redis

import (
	"context"

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
	pipe := s.client.Pipeline()
	for _, l := range g.LaneIDs(lanes) {
		pipe.Unlink(ctx, string(l.AppendMetaKey(nil)), string(l.AppendWatermarksKey(nil)))
	}
	if err := s.exec(ctx, "dropping "+g.String(), pipe); err != nil {
		return err
	}
	pattern := string(g.AppendPrefix(nil)) + "*" // names hold nothing that a pattern takes for more than itself
	var cursor uint64
	for {
		keys, next, err := s.client.Scan(ctx, cursor, pattern, scanCount).Result()
		if err != nil {
			return s.unavailable("dropping "+g.String(), err)
		}
		pipe := s.client.Pipeline()
		for _, k := range keys {
			pipe.Unlink(ctx, k)
		}
		if err := s.exec(ctx, "dropping "+g.String(), pipe); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
