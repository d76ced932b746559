package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/load"
)

// withoutVec are definitions that do not read a field which the records have.
func withoutVec(text string) string {
	return strings.NewReplacer(" vec: list<double>,", "", "  - {name: vector, agg: sum(vec), window: 1h}\n", "").Replace(text)
}

// killSoon kills the ingester at a random moment soon, and starts it again.
func (w *world) killSoon() error {
	w.pause(time.Duration(w.r.Int64N(int64(800 * time.Millisecond))))
	if err := w.project.Ingesters[0].Kill(); err != nil {
		return err
	}
	w.struck()
	return w.project.Ingesters[0].Start()
}

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

// evolve lets producers change their records, and then the definition, which reads one
// of their fields only from then on.
func evolve(w *world) error {
	whole, o := load.Definitions(w.name, load.Usual), usual()
	o.definitions = withoutVec(whole)
	if err := w.open(o); err != nil {
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
	// A field that the records had all the time is read, with a feature on it; then one that
	// none has, which is no other meaning. It is read no more, and again, by the generations
	// that were kept. Then others have another type, which is a new one each.
	more := strings.ReplaceAll(whole, "seq: int64}", "seq: int64, more: string}")
	retyped := strings.ReplaceAll(more, "decimal(12,2)", "decimal(14,3)")
	for i, step := range []struct {
		text       string
		generation int
	}{{whole, 2}, {more, 2}, {withoutVec(more), 1}, {more, 2}, {retyped, 3}, {strings.ReplaceAll(retyped, "decimal(14,3)", "decimal(15,4)"), 4}} {
		flow := w.flow(300)
		w.struck()
		if err := w.apply(step.text); err != nil {
			return err
		}
		if i == 0 || i == 3 { // while the field is read again
			if err := w.killSoon(); err != nil {
				return err
			}
		}
		if err := flow.wait(); err != nil {
			return err
		}
		if i == 1 {
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
