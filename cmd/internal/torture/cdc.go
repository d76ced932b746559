package main

import (
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/load"
)

// changes feeds the changes of a table: updates and deletions take rows back. The
// ingester is killed and the store loses its end meanwhile.
func changes(w *world) error {
	o := usual()
	o.mix.Users = 20
	o.topics, o.definitions = map[string]int{"rows": 3}, load.Balances(w.name)
	if err := w.open(o); err != nil {
		return err
	}
	table := load.NewTable(w.r.Uint64(), w.gen)
	if err := w.produceRows(table, 600); err != nil {
		return err
	}
	if err := w.right(); err != nil {
		return err
	}
	w.watch()
	for round := range 4 * w.bench.rounds {
		done := &flow{done: make(chan struct{})}
		go func() {
			defer close(done.done)
			done.err = w.produceRows(table, 400)
		}()
		w.pause(time.Duration(w.r.Int64N(int64(400 * time.Millisecond))))
		if err := w.redis.Kill(); err != nil {
			return err
		}
		w.struck()
		if round%2 == 1 {
			if err := w.cutLog(); err != nil {
				return err
			}
		}
		if err := w.redis.Restart(w.ctx); err != nil {
			return err
		}
		if err := done.wait(); err != nil {
			return err
		}
		if err := w.repairedRight(); err != nil {
			return err
		}
	}
	return w.compareAtRest()
}

// produceRows sends n changes, each to the partition of its row; a deletion is
// followed by a tombstone at times.
func (w *world) produceRows(t *load.Table, n int) error {
	for n > 0 {
		lists := make([][]load.Event, w.partitions("rows"))
		for range 1 + w.draw.IntN(100) {
			id, e := t.Next()
			at := int(id) % len(lists)
			lists[at] = append(lists[at], e)
			if e.Op == load.Remove && w.draw.IntN(2) == 0 {
				lists[at] = append(lists[at], load.Event{Op: load.Tombstone, LogTime: e.LogTime})
			}
			n--
		}
		for at, list := range lists {
			if len(list) == 0 {
				continue
			}
			if err := w.send("rows", int32(at), list...); err != nil {
				return err
			}
		}
	}
	return nil
}
