package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/load"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/window"
)

// rowsAtOnce is how many entities are asked for in one request.
const rowsAtOnce = 200

// compare reads every entity of every view through the API at several read
// times, and compares each value with the oracle's.
func (w *world) compare() error {
	for _, view := range w.defs.StreamViews {
		entities, err := w.ledger.Rows(view)
		if err != nil {
			return err
		}
		if len(entities) == 0 {
			return fmt.Errorf("view %q: there is nothing to compare", view.Name)
		}
		for _, at := range w.readTimes() {
			if err := w.compareAt(view, entities, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// readTimes are instants after everything: just after it, when everything that
// was ahead has come, a random while later, and now.
func (w *world) readTimes() []featurestore.Instant {
	end := w.ledger.Newest() + 1
	random := featurestore.Instant(w.r.Int64N(int64(70 * featurestore.Minute)))
	return []featurestore.Instant{end, end + featurestore.Instant(5*featurestore.Minute), end + random, 0}
}

func (w *world) compareAt(view *definition.StreamView, entities map[string]*load.Entity, at featurestore.Instant) error {
	keys := slices.Sorted(maps.Keys(entities))
	for part := range slices.Chunk(keys, rowsAtOnce) {
		values := make([][]featurestore.Value, len(part))
		for i, k := range part {
			values[i] = entities[k].Key
		}
		get := w.api.get
		if at != 0 && w.r.IntN(2) == 0 { // both front ends must say the same
			get = w.grpcGet
		}
		answers, err := get(w.ctx, view, values, at)
		if err != nil {
			return err
		}
		for i, k := range part {
			if err := w.judge(view, entities[k], &answers[i]); err != nil {
				return err
			}
			if reason := entities[k].Complete(view, answers[i].applied, w.dropped); reason != "" {
				w.mismatch("%s of %s: %s", view.Name, keyText(entities[k].Key), reason)
			}
		}
	}
	return nil
}

// judge compares the values of one answer with the oracle's at the positions
// that it reports.
func (w *world) judge(view *definition.StreamView, x *load.Entity, a *answer) error {
	want, err := x.Read(view, a.applied, a.at)
	if err != nil {
		return err
	}
	if w.past != nil && !same(want, a.cells) {
		if want, err = w.before(view, x, a); err != nil {
			return err
		}
	}
	for i := range want {
		f := &view.Features[i]
		w.result.Compared++
		if a.cells[i].Status != want[i].Status || !a.cells[i].Value.Equal(want[i].Value) {
			w.mismatch("%s.%s of %s at %s: %s %s, the oracle says %s %s (applied %v)", view.Name, f.Name, keyText(x.Key), a.at,
				a.cells[i].Value.Text(f.Type), a.cells[i].Status, want[i].Value.Text(f.Type), want[i].Status, a.applied)
		}
	}
	return nil
}

func same(a, b []featurestore.Cell) bool {
	return slices.EqualFunc(a, b, func(x, y featurestore.Cell) bool { return x.Status == y.Status && x.Value.Equal(y.Value) })
}

// before is what an answer must be whose positions are of the log that has lost
// its end since.
func (w *world) before(view *definition.StreamView, x *load.Entity, a *answer) ([]featurestore.Cell, error) {
	entities, err := w.past.Rows(view)
	if err != nil {
		return nil, err
	}
	old := entities[string(x.Bytes)]
	if old == nil {
		old = &load.Entity{Key: x.Key, Bytes: x.Bytes}
	}
	return old.Read(view, a.applied, a.at)
}

// mismatchesShown bounds what is printed of one scenario.
const mismatchesShown = 5

func (w *world) mismatch(format string, args ...any) {
	w.result.Mismatches++
	if w.result.Mismatches <= mismatchesShown {
		text := fmt.Sprintf(format, args...)
		w.result.Examples = append(w.result.Examples, text)
		w.say("MISMATCH %s", text)
	}
}

func keyText(key []featurestore.Value) string {
	out := ""
	for i, v := range key {
		if i > 0 {
			out += "/"
		}
		if v.Kind() == featurestore.KindString {
			out += v.Str()
		} else {
			out += fmt.Sprint(v.Int64())
		}
	}
	return out
}

// compareAtRest stops the processes and compares what stands in the store.
func (w *world) compareAtRest() error {
	s, err := w.status()
	if err != nil {
		return err
	}
	if err := w.project.Stop(); err != nil {
		return err
	}
	for _, view := range w.defs.StreamViews {
		entities, err := w.ledger.Rows(view)
		if err != nil {
			return err
		}
		for _, k := range slices.Sorted(maps.Keys(entities)) {
			a, err := w.stored(w.generation(s, view.Name), view, []byte(k))
			if err != nil {
				return err
			}
			if a == nil {
				w.mismatch("%s of %s: what is stored does not decode", view.Name, keyText(entities[k].Key))
				continue
			}
			if reason := entities[k].Complete(view, a.applied, w.dropped); reason != "" {
				w.mismatch("%s of %s, stored: %s", view.Name, keyText(entities[k].Key), reason)
			}
			if err := w.judge(view, entities[k], a); err != nil {
				return err
			}
		}
	}
	return nil
}

// stored reads an entity past the system; nil where its bytes do not decode.
func (w *world) stored(g online.Generation, view *definition.StreamView, key []byte) (*answer, error) {
	id := online.EntityID{LaneID: online.LaneID{Generation: g, Lane: codec.Lane(key, w.lanes)}, Key: key, Split: view.Plan.Splits()}
	parts, err := w.store.Get(w.ctx, []online.EntityID{id})
	if err != nil {
		return nil, err
	}
	var state *window.State
	a := &answer{at: w.ledger.Newest() + 1, cells: make([]featurestore.Cell, len(view.Features))}
	if parts[0].Open != nil || parts[0].Closed != nil {
		state = new(window.State)
		if codec.DecodeEntity(parts[0].Open, parts[0].Closed, codec.Header{Definition: view.Hash, Key: key}, view.Plan, state) != nil {
			return nil, nil
		}
		a.applied = state.Applied
	}
	view.Plan.Read(state, a.at, a.cells)
	return a, nil
}

// since is a duration for a report.
func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }
