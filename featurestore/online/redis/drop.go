package redis

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// scanCount is how many keys one SCAN looks at, and one round trip unlinks.
const scanCount = 1000

// dropping is a drop that is under way.
type dropping struct {
	s     *Store
	g     online.Generation
	lanes uint16
	name  string
}

// Steps of a drop, as drop.lua takes them.
const (
	dropBegin = "begin"
	dropGo    = "go"
	dropEnd   = "end"
)

// Drop makes every lane LOST first, and removes its watermarks, after which no script
// writes to it; then whatever begins with the generation's prefix, in bounded steps,
// and the metadata last. So lanes of which a drop was interrupted are LOST. SCAN
// walks the whole key space once; other commands run between its steps.
func (s *Store) Drop(ctx context.Context, g online.Generation, lanes uint16) error {
	if err := g.Check(); err != nil {
		return err
	}
	d := &dropping{s: s, g: g, lanes: lanes, name: "drop " + rand.Text()}
	watermarks := map[uint16][]string{}
	for _, l := range g.LaneIDs(lanes) {
		watermarks[l.Lane] = []string{string(l.AppendWatermarksKey(nil))}
	}
	if err := d.step(ctx, dropBegin, watermarks); err != nil {
		return err
	}
	err := s.nodes.masters(ctx, func(ctx context.Context, c *redis.Client) error { return d.from(ctx, c) })
	if err != nil {
		return s.unavailable("dropping "+g.String(), err)
	}
	return d.step(ctx, dropEnd, watermarks)
}

// from removes what one server holds of a generation.
func (d *dropping) from(ctx context.Context, c *redis.Client) error {
	prefix := string(d.g.AppendPrefix(nil)) // names hold nothing that a pattern takes for more than itself
	var cursor uint64
	for {
		keys, next, err := c.Scan(ctx, cursor, prefix+"*", scanCount).Result()
		if err != nil {
			return err
		}
		found := map[uint16][]string{}
		for _, key := range keys {
			number, rest, _ := strings.Cut(key[len(prefix):], "}")
			lane, err := strconv.ParseUint(number, 10, 16)
			if err == nil && lane < uint64(d.lanes) && rest != ":m" {
				found[uint16(lane)] = append(found[uint16(lane)], key)
			}
		}
		if err := d.step(ctx, dropGo, found); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// step does one step in some lanes, with keys of each.
func (d *dropping) step(ctx context.Context, what string, keys map[uint16][]string) error {
	var calls []call
	for _, l := range d.g.LaneIDs(d.lanes) {
		if list := keys[l.Lane]; len(list) > 0 {
			calls = append(calls, call{keys: append([]string{string(l.AppendMetaKey(nil))}, list...), args: []any{d.name, what}})
		}
	}
	cmds := d.s.run(ctx, d.s.dropScript, calls)
	if err := d.s.firstError("dropping "+d.g.String(), cmds); err != nil {
		return err
	}
	for _, c := range cmds {
		if n, err := c.Int(); err != nil || n != 1 {
			return featurestore.Unavailablef("redis %s: %s is being dropped by another process, or was made anew by one", d.s.name, d.g)
		}
	}
	return nil
}
