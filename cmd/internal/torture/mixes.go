package main

import (
	"fmt"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/load"
	"github.com/freshet/freshet/featurestore"
)

// replayed runs a mix of events and kills the ingester while they come, so that
// parts of the log are read again in other batches.
func replayed(change func(*load.Mix), events int) func(*world) error {
	return func(w *world) error {
		o := usual()
		change(&o.mix)
		if err := w.open(o); err != nil {
			return err
		}
		if err := w.begin(events / 4); err != nil {
			return err
		}
		for range 2 * w.bench.rounds {
			flow := w.flow(events / 4)
			w.pause(time.Duration(w.r.Int64N(int64(500 * time.Millisecond))))
			if err := w.project.Ingesters[0].Kill(); err != nil {
				return err
			}
			w.struck()
			if err := flow.wait(); err != nil {
				return err
			}
			if err := w.project.Ingesters[0].Start(); err != nil {
				return err
			}
			if err := w.repaired(); err != nil {
				return err
			}
		}
		if err := w.right(); err != nil {
			return err
		}
		return w.compareAtRest()
	}
}

func skewed(m *load.Mix) { m.Skew = 5 * featurestore.Minute }
func late(m *load.Mix)   { m.Late, m.Step = 0.35, 20*featurestore.Second }
func again(m *load.Mix)  { m.Again = 0.6 }

// hot has one user with half of all events, and the rest by Zipf's law: a batch
// costs such an entity one write.
func hot(w *world) error {
	o := usual()
	o.mix.Hot, o.mix.Zipf, o.mix.Step = 0.5, 1.2, featurestore.Second/4
	if err := w.open(o); err != nil {
		return err
	}
	if err := w.begin(400); err != nil {
		return err
	}
	w.struck()
	begin := time.Now()
	events := 6000 * w.bench.rounds
	if err := w.produce(events); err != nil {
		return err
	}
	if err := w.repaired(); err != nil {
		return err
	}
	w.result.remark("%d events in %s until they were applied (producing included), half of them of one user", events, since(begin))
	if err := w.right(); err != nil {
		return err
	}
	return w.compareAtRest()
}

// poison sends more bad records than the budget lets pass: the views halt, and
// lookups go on with what was applied before; a person raises the budget, and
// every good record counts.
func poison(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(600); err != nil {
		return err
	}
	w.struck()
	var bad []load.Event
	for i := range 250 {
		e := w.gen.Next()
		if i%5 != 0 {
			e.Poison = fmt.Sprintf(`{"user": %d, "at": tomorrow}`, i)
		}
		bad = append(bad, e)
	}
	if err := w.send("orders", 0, bad...); err != nil {
		return err
	}
	err := w.until("activity is HALTED", patience, func() (bool, string) {
		s, err := w.status()
		return err == nil && s.states["activity"] == "HALTED" && s.states["pages"] == running, fmt.Sprintf("%+v (%v)", s, err)
	})
	if err != nil {
		return err
	}
	w.pause(time.Second) // lookups go on meanwhile, and are judged
	if err := w.verifySeen(); err != nil {
		return err
	}
	if err := w.project.Ingesters[0].Stop(); err != nil {
		return err
	}
	if err := w.project.Settings("ingest: {dead_letters: {at_least: -1}}\n"); err != nil {
		return err
	}
	if err := w.project.Ingesters[0].Start(); err != nil {
		return err
	}
	if err := w.produce(400); err != nil {
		return err
	}
	if err := w.repaired(); err != nil {
		return err
	}
	return w.right()
}
