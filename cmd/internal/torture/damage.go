package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"
)

// blobs are the keys of stored entities, of both parts.
func (w *world) blobs(c *redis.Client, pattern string) ([]string, error) {
	keys, err := c.Keys(w.ctx, pattern).Result()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, k := range keys {
		if strings.Contains(k, "}:e:") || strings.Contains(k, "}:c:") {
			out = append(out, k)
		}
	}
	w.r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	if len(out) == 0 {
		return nil, fmt.Errorf("the store holds no entity at %s", pattern)
	}
	return out, nil
}

// flipBits flips a bit of a hundred stored blobs: no such entity answers with a
// value until it was rebuilt.
func flipBits(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	c := redis.NewClient(&redis.Options{Addr: w.redis.Addr()})
	w.atEnd(c.Close)
	if err := w.begin(1500); err != nil {
		return err
	}
	keys, err := w.blobs(c, "{torture.*")
	if err != nil {
		return err
	}
	w.struck()
	for _, k := range keys[:min(100*w.bench.rounds, len(keys))] {
		blob, err := c.Get(w.ctx, k).Bytes()
		if err != nil {
			return err
		}
		blob[w.r.IntN(len(blob))] ^= 1 << w.r.IntN(8)
		if err := c.Do(w.ctx, "SET", k, blob, "KEEPTTL").Err(); err != nil {
			return err
		}
		w.result.Injected++
	}
	w.result.Injected--
	if err := w.rested(); err != nil {
		return err
	}
	if err := w.produce(2500); err != nil { // meets every entity
		return err
	}
	if err := w.repairedRight(); err != nil {
		return err
	}
	return w.compareAtRest()
}

// rested lets lookups go on for a while, and judges them.
func (w *world) rested() error {
	w.pause(patience / 60)
	return w.verifySeen()
}

// wipe deletes a lane, empties the database, and restores an old copy of the
// files.
func wipe(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	c := redis.NewClient(&redis.Options{Addr: w.redis.Addr()})
	w.atEnd(c.Close)
	if err := w.begin(800); err != nil {
		return err
	}
	lane := fmt.Sprintf("{torture.activity.1.%d}:*", w.r.IntN(int(w.lanes)))
	for _, fault := range []func() error{
		func() error {
			keys, err := c.Keys(w.ctx, lane).Result()
			if err != nil {
				return err
			}
			w.struck()
			return c.Del(w.ctx, keys...).Err()
		},
		func() error {
			w.struck()
			return c.FlushDB(w.ctx).Err()
		},
	} {
		if err := fault(); err != nil {
			return err
		}
		if err := w.rebuilt(); err != nil {
			return err
		}
		if err := w.produce(300); err != nil {
			return err
		}
		if err := w.right(); err != nil {
			return err
		}
	}
	if err := w.restoreOld(); err != nil {
		return err
	}
	return w.compareAtRest()
}

// restoreOld puts the files of before under a server that has gone on since.
func (w *world) restoreOld() error {
	dir, old := filepath.Join(w.dir, "redis"), filepath.Join(w.dir, "old")
	if err := errors.Join(w.redis.Stop(), os.CopyFS(old, os.DirFS(dir)), w.redis.Restart(w.ctx)); err != nil {
		return err
	}
	if err := w.produce(700); err != nil {
		return err
	}
	if err := w.right(); err != nil {
		return err
	}
	if err := w.redis.Stop(); err != nil {
		return err
	}
	w.struck()
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(old))); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := w.redis.Restart(w.ctx); err != nil {
		return err
	}
	if err := w.repaired(); err != nil {
		return err
	}
	return w.right()
}

// deleteEntities deletes single entities: their lanes stand, and say nothing.
func deleteEntities(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	c := redis.NewClient(&redis.Options{Addr: w.redis.Addr()})
	w.atEnd(c.Close)
	if err := w.begin(1000); err != nil {
		return err
	}
	keys, err := w.blobs(c, "{torture.activity.*:e:*")
	if err != nil {
		return err
	}
	w.struck()
	if err := c.Del(w.ctx, keys[:5]...).Err(); err != nil {
		return err
	}
	if err := w.produce(1500); err != nil {
		return err
	}
	if err := w.repaired(); err != nil {
		return err
	}
	return w.right()
}

// staleWriter makes the lanes another definition's under a running ingester, as a
// newer binary would: it writes nothing more.
func staleWriter(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	c := redis.NewClient(&redis.Options{Addr: w.redis.Addr()})
	w.atEnd(c.Close)
	if err := w.begin(600); err != nil {
		return err
	}
	hash := string(w.defs.StreamView("activity").Hash[:])
	set := func(definition string) error {
		for lane := range w.lanes {
			if err := c.HSet(w.ctx, fmt.Sprintf("{torture.activity.1.%d}:m", lane), "definition", definition).Err(); err != nil {
				return err
			}
		}
		return nil
	}
	w.struck()
	if err := set(strings.Repeat("n", 16)); err != nil {
		return err
	}
	before, err := w.entities(c)
	if err != nil {
		return err
	}
	if err := w.produce(400); err != nil {
		return err
	}
	if err := w.rested(); err != nil {
		return err
	}
	after, err := w.entities(c)
	if err != nil {
		return err
	}
	for k, blob := range before {
		if w.result.Compared++; after[k] != blob {
			w.mismatch("%q was written by an ingester of another definition", k)
		}
	}
	if err := w.project.Ingesters[0].Stop(); err != nil {
		return err
	}
	if err := errors.Join(set(hash), w.project.Ingesters[0].Start()); err != nil {
		return err
	}
	if err := w.repaired(); err != nil {
		return err
	}
	return w.right()
}

// entities are the stored bytes of every entity of activity.
func (w *world) entities(c *redis.Client) (map[string]string, error) {
	keys, err := w.blobs(c, "{torture.activity.*")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, k := range keys {
		if out[k], err = c.Get(w.ctx, k).Result(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
