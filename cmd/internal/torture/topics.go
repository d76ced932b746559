package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/cmd/internal/torture/load"
	"github.com/freshet/freshet/ingest/logrecord"
)

// gapShown waits until a view has stopped with GAP and says so, while the other
// goes on.
func (w *world) gapShown() error {
	err := w.until("activity stands in GAP, and pages is live", patience, func() (bool, string) {
		s, err := w.status()
		if err != nil {
			return false, err.Error()
		}
		lanes := w.laneState(w.generation(s, "activity"))
		return s.states["activity"] == "GAP" && s.states["pages"] == running && lanes == "GAP",
			fmt.Sprintf("activity is %s (its lanes: %s), pages is %s", s.states["activity"], lanes, s.states["pages"])
	})
	if err != nil {
		return err
	}
	w.mended()
	s, err := w.status()
	if err != nil {
		return err
	}
	if want := "freshet accept-new-topic orders"; s.next["activity"] != want {
		w.result.remark("status says %q as the way on, not %q", s.next["activity"], want)
	}
	return w.verifySeen()
}

// recreate deletes a topic and makes it anew: offsets begin again, and mean other
// records.
func recreate(w *world, while func(w *world, remake func() error) error) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	n := w.naively(redis.NewClient(&redis.Options{Addr: w.redis.Addr()}), "orders")
	if err := w.begin(1000); err != nil {
		return err
	}
	err := while(w, func() error {
		if err := w.verifySeen(); err != nil {
			return err
		}
		if err := w.kafka.Delete(w.ctx, w.topic("orders")); err != nil {
			return err
		}
		if err := w.kafka.Create(w.ctx, w.topic("orders"), orderPartitions); err != nil {
			return err
		}
		w.struck()
		w.lives["orders"] = 2
		return w.produce(300)
	})
	if err != nil {
		return err
	}
	if err := w.gapShown(); err != nil {
		return err
	}
	if err := w.compareView("pages"); err != nil {
		return err
	}
	if err := w.accept("orders"); err != nil {
		return err
	}
	return n.compare()
}

// accept is the way on after a topic was made anew: a person accepts it.
func (w *world) accept(source string) error {
	if _, err := w.project.Run(w.ctx, "accept-new-topic", source, "--yes"); err != nil {
		return err
	}
	if err := w.produce(300); err != nil {
		return err
	}
	return w.right()
}

func recreateLive(w *world) error {
	return recreate(w, func(_ *world, remake func() error) error { return remake() })
}

func recreateStopped(w *world) error {
	return recreate(w, func(w *world, remake func() error) error {
		if err := w.project.Ingesters[0].Stop(); err != nil {
			return err
		}
		return errors.Join(remake(), w.project.Ingesters[0].Start())
	})
}

// expire lets retention pass what is not applied yet: nobody may jump over that.
func expire(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(800); err != nil {
		return err
	}
	if err := w.project.Ingesters[0].Stop(); err != nil {
		return err
	}
	applied, starts := map[int32]int64{}, map[int32]int64{}
	for p := range int32(orderPartitions) {
		applied[p] = w.ledger.End(partition0("orders", p))
	}
	if err := w.produce(400); err != nil {
		return err
	}
	for p := range int32(orderPartitions) {
		starts[p] = w.ledger.End(partition0("orders", p)) - 5
		if err := w.kafka.DeleteRecords(w.ctx, w.topic("orders"), p, starts[p]); err != nil {
			return err
		}
	}
	w.struck()
	if err := w.project.Ingesters[0].Start(); err != nil {
		return err
	}
	if err := w.gapShown(); err != nil {
		return err
	}
	if err := w.compareView("pages"); err != nil {
		return err
	}
	// What had expired is nowhere any more; what the log still holds counts as a new
	// log's.
	w.ledger.NewLife("orders", 2, applied, starts)
	w.lives["orders"] = 2
	return w.accept("orders")
}

// expireQuiet lets everything expire that is applied already: nothing is missing.
func expireQuiet(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(800); err != nil {
		return err
	}
	for round := range 2 {
		if round == 1 {
			if err := w.project.Ingesters[0].Stop(); err != nil {
				return err
			}
		}
		for _, p := range w.ledger.Partitions() {
			if err := w.kafka.DeleteRecords(w.ctx, w.topic(p.Source), p.Number, w.ledger.End(p)); err != nil {
				return err
			}
			w.struck()
		}
		if round == 1 {
			if err := w.project.Ingesters[0].Start(); err != nil {
				return err
			}
		}
		if err := w.produce(300); err != nil {
			return err
		}
		if err := w.repairedRight(); err != nil {
			return err
		}
	}
	return w.compareAtRest()
}

// truncate cuts the end of a partition's log and appends others in its place, as
// an unclean election of a leader would.
func truncate(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(800); err != nil {
		return err
	}
	if err := w.verifySeen(); err != nil {
		return err
	}
	p := partition0("orders", 0)
	was := w.ledger.End(p)
	w.past = w.ledger.Clone()
	end, err := w.kafka.Truncate(w.ctx, w.topic("orders"), 0, was*2/3)
	if err != nil {
		return err
	}
	w.struck()
	w.say("the log ended at %d, and ends at %d now", was, end)
	w.ledger.Forget(p, end)
	var others []load.Event
	for range was - end + 20 {
		others = append(others, w.gen.Next())
	}
	if err := w.send("orders", 0, others...); err != nil {
		return err
	}
	if err := w.gapShown(); err != nil {
		return err
	}
	if err := w.compareView("pages"); err != nil {
		return err
	}
	// All that was applied stays applied. The cut partition is another log behind the cut,
	// which what is at rest tells; the other goes on as it was.
	starts := map[int32]int64{0: end, 1: w.ledger.End(partition0("orders", 1))}
	w.ledger.NewLife("orders", 2, map[int32]int64{1: starts[1]}, starts)
	w.ledger.Put(p, w.past)
	w.lives["orders"], w.past = 2, nil
	return w.accept("orders")
}

// abort writes transactions of which some are aborted, between plain records:
// only what is committed counts.
func abort(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(300); err != nil {
		return err
	}
	p := partition0("orders", 1)
	producer, err := w.kafka.Transactional(w.ctx, w.topic("orders"), 1)
	if err != nil {
		return err
	}
	for range 12 * w.bench.rounds {
		var events []load.Event
		var records []logrecord.Record
		for range 1 + w.r.IntN(40) {
			e := w.gen.Next()
			events = append(events, e)
			records = append(records, logrecord.Record{LogTime: e.LogTime, Key: []byte(e.User), Value: e.JSON()})
		}
		base, err := producer.Write(w.ctx, records)
		if err != nil {
			return err
		}
		w.struck()
		if w.r.IntN(2) == 0 { // plain records stand between a transaction's and its end
			if err := w.send("orders", 1, w.gen.Next(), w.gen.Next()); err != nil {
				return err
			}
		}
		if w.r.IntN(2) == 0 {
			err = producer.Abort(w.ctx)
		} else if err = producer.Commit(w.ctx); err == nil {
			w.ledger.Committed(p, base, events)
		}
		if err != nil {
			return err
		}
		if err := w.batch(30); err != nil {
			return err
		}
	}
	if err := w.ended(p); err != nil {
		return err
	}
	if err := w.repairedRight(); err != nil {
		return err
	}
	return w.compareAtRest()
}

// ended notes where a partition's log ends once that stands still: markers are
// written after a transaction's end was acknowledged.
func (w *world) ended(p load.Partition) error {
	last, since := int64(-1), time.Now()
	return w.until("the log's end stands still", patience, func() (bool, string) {
		b, err := w.kafka.Client.Bounds(w.ctx, w.topic(p.Source), p.Number)
		if err != nil {
			return false, err.Error()
		}
		if b.End != last {
			last, since = b.End, time.Now()
		}
		w.ledger.Ends(p, last)
		return time.Since(since) > time.Second, fmt.Sprintf("it ends at %d", last)
	})
}

// compareView compares one view as it stands, where another has stopped.
func (w *world) compareView(name string) error {
	all := *w.defs
	defer func() { *w.defs = all }()
	w.defs.StreamViews = nil
	for _, v := range all.StreamViews {
		if v.Name == name {
			w.defs.StreamViews = append(w.defs.StreamViews, v)
		}
	}
	if len(w.defs.StreamViews) == 0 {
		return fmt.Errorf("there is no view %q in %s", name, w.name)
	}
	return w.right()
}
