package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/load"
)

// live waits until a generation of activity answers.
func (w *world) live(generation int) error {
	return w.until(fmt.Sprintf("generation %d of activity is live", generation), patience, func() (bool, string) {
		s, err := w.status()
		if err != nil {
			return false, err.Error()
		}
		return s.generations["activity"] == uint32(generation) && s.states["activity"] == running, fmt.Sprintf("generation %d is %s", s.generations["activity"], s.states["activity"])
	})
}

// change changes what a feature means under load, several times. Every answer is
// of one meaning, its generation's.
func change(windows ...string) func(*world) error {
	return func(w *world) error {
		o := usual()
		if err := w.open(o); err != nil {
			return err
		}
		if err := w.begin(1200); err != nil {
			return err
		}
		if len(windows) == 1 { // it is about history: much of it, and late events on both sides of the cut
			w.gen.Mix.Late = 0.2
			if err := w.produce(1500); err != nil {
				return err
			}
		}
		for i, window := range windows {
			flow := w.flow(900)
			w.struck()
			if err := w.apply(load.Definitions(w.name, window)); err != nil {
				return err
			}
			if err := flow.wait(); err != nil {
				return err
			}
			if err := w.live(i + 2); err != nil {
				return err
			}
			if err := w.repairedRight(); err != nil {
				return err
			}
		}
		return w.compareAtRest()
	}
}

// evolve lets producers change their records, and then the definition.
func evolve(w *world) error {
	if err := w.open(usual()); err != nil {
		return err
	}
	if err := w.begin(400); err != nil {
		return err
	}
	for _, extra := range []string{`"new":1`, `"new":"x","deep":{"a":[1,{"b":null}]}`, `"amount2":1.5e300`, `"":true`} {
		w.gen.Mix.Extra = extra
		w.struck()
		if err := w.produce(100); err != nil {
			return err
		}
	}
	w.gen.Mix.Bare = 0.5 // fields that are optional are absent
	w.struck()
	if err := w.produce(300); err != nil {
		return err
	}
	var wrong []load.Event
	for _, n := range []string{`"many"`, `1.5`, `true`, `{}`, `1e30`, `[1]`} {
		e := w.gen.Next()
		e.Poison = fmt.Sprintf(`{"user":"u1","n":%s,"at":%d}`, n, int64(e.Time))
		wrong = append(wrong, e)
		w.struck()
	}
	if err := w.send("clicks", 0, wrong...); err != nil {
		return err
	}
	if err := w.repairedRight(); err != nil {
		return err
	}
	w.seen.stop()
	// An optional field more is no other meaning; another type is.
	text := load.Definitions(w.name, load.Usual)
	for i, step := range []struct {
		from, to   string
		generation int
	}{{"seq: int64}", "seq: int64, more: string}", 1}, {"decimal(12,2)", "decimal(14,3)", 2}, {"decimal(14,3)", "decimal(15,4)", 3}} {
		text = strings.ReplaceAll(text, step.from, step.to)
		flow := w.flow(300)
		w.struck()
		if err := w.apply(text); err != nil {
			return err
		}
		if err := flow.wait(); err != nil {
			return err
		}
		if i == 0 {
			w.pause(2 * time.Second) // a new generation would be seen by then
		}
		if err := w.live(step.generation); err != nil {
			return err
		}
		if err := w.right(); err != nil {
			return err
		}
	}
	return w.compareAtRest()
}
