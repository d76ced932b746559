//go:build unix

package main

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/window"
)

// oracleWindows are the windows of the view with the tile to which the start of
// each is aligned down, in milliseconds.
var oracleWindows = []struct{ width, tile int64 }{
	{3_600_000, 60_000}, {24 * 3_600_000, 3_600_000}, {7 * 24 * 3_600_000, 3_600_000},
}

// tally is what a window holds, added up one event after the other.
type tally struct{ count, sum, min, max int64 }

func (t *tally) add(x int64) {
	if t.count == 0 {
		t.min, t.max = x, x
	}
	t.count++
	t.sum += x
	t.min, t.max = min(t.min, x), max(t.max, x)
}

// oracle folds the whole stream for reads at t (milliseconds): a tally for each
// user and window. It shares nothing with the engine.
func oracle(s *stream, t int64) (tallies [][]tally, seen []bool) {
	tallies, seen = make([][]tally, eventKeys), make([]bool, eventKeys)
	for i := range tallies {
		tallies[i] = make([]tally, len(oracleWindows))
	}
	for i := range s.len() {
		e := s.eventTime(i)
		if e >= t {
			continue
		}
		seen[s.users[i]] = true
		for w, x := range oracleWindows {
			if e >= (t-x.width)/x.tile*x.tile {
				tallies[s.users[i]][w].add(int64(s.amounts[i]))
			}
		}
	}
	return tallies, seen
}

// checker reads every entity from the store, as the server does, and compares
// every value with the oracle's.
type checker struct {
	store online.Store
	id    online.Generation
	view  *definition.StreamView
	keys  [][]byte

	bytes    int64 // of all blobs that it has read
	entities int
}

const checkBatch = 2000

func (c *checker) check(ctx context.Context, s *stream) error {
	t := s.logTime(s.len()-1) + 1
	tallies, seen := oracle(s, t)
	wrong := 0
	for from := 0; from < len(c.keys); from += checkBatch {
		to := min(from+checkBatch, len(c.keys))
		ids := make([]online.EntityID, 0, to-from)
		for _, key := range c.keys[from:to] {
			ids = append(ids, online.EntityID{LaneID: online.LaneID{Generation: c.id, Lane: codec.Lane(key, online.DefaultLanes)}, Key: key, Split: c.view.Plan.Splits()})
		}
		parts, err := c.store.Get(ctx, ids)
		if err != nil {
			return err
		}
		for i := range parts {
			user := from + i
			if err := c.entity(&parts[i], c.keys[user], t, tallies[user], seen[user]); err != nil {
				if wrong++; wrong > 5 {
					return err
				}
				fmt.Printf("user %d: %v\n", user, err)
			}
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d entities have wrong values", wrong)
	}
	return nil
}

func (c *checker) entity(parts *online.Parts, key []byte, t int64, want []tally, seen bool) error {
	if parts.Open == nil {
		if seen {
			return fmt.Errorf("the entity is not in the store")
		}
		return nil
	}
	c.bytes, c.entities = c.bytes+int64(len(parts.Open)+len(parts.Closed)), c.entities+1
	var state window.State
	if err := codec.DecodeEntity(parts.Open, parts.Closed, codec.Header{Definition: c.view.Hash, Key: key}, c.view.Plan, &state); err != nil {
		return err
	}
	cells := make([]featurestore.Cell, len(c.view.Plan.Features()))
	c.view.Plan.Read(&state, featurestore.Instant(t*1000), cells)
	for w := range want {
		if err := sameTally(&want[w], cells[5*w:5*w+5]); err != nil {
			return fmt.Errorf("window %d: %w", w, err)
		}
	}
	return nil
}

// sameTally compares count, sum, avg, min and max.
func sameTally(want *tally, got []featurestore.Cell) error {
	if n := got[0].Value.Int64(); n != want.count {
		return fmt.Errorf("it counts %d, the oracle %d", n, want.count)
	}
	if want.count == 0 {
		return nil
	}
	avg := float64(want.sum) / float64(want.count)
	if got[1].Value.Int64() != want.sum || got[2].Value.Double() != avg || got[3].Value.Int64() != want.min || got[4].Value.Int64() != want.max {
		return fmt.Errorf("it has %v, the oracle %+v", got, *want)
	}
	return nil
}
