package worker

import (
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// look checks an entity in the midst of everything: what a reader would see must
// be what the oracle says of exactly the records that its applied list names. Nobody
// reads a lane that is being dropped: what is left in it, without its watermarks, may
// be of a log that was replaced since, of which nothing else is left.
func (w *world) look() {
	id, key := w.lane()
	l := w.store.lanes[id]
	if l == nil || l.spoiled || l.drop != 0 || l.meta.State == online.StateMissing {
		return
	}
	for _, m := range w.log.all() {
		if at := w.markOf(id, m); at >= int64(len(m.truth)) {
			w.violation("lane %d of generation %d stands at %d of %v, which ended at %d", id.Lane, id.Number, at, m.id, len(m.truth)-1)
		}
	}
	if key != "" {
		w.lookAt(id, key)
	}
}

// lookAt checks one entity; one that is damaged answers an error.
func (w *world) lookAt(id online.LaneID, key string) {
	l := w.store.lanes[id]
	state := new(window.State)
	h := codec.Header{Definition: w.view.Hash, Key: []byte(key)}
	if codec.DecodeEntity(l.blobs[key], l.closed[key], h, w.view.Plan, state) != nil {
		return
	}
	w.compare(id, key, state)
}

// compare wants a state's values to be the oracle's.
func (w *world) compare(id online.LaneID, key string, state *window.State) {
	w.checked++
	got := make([]featurestore.Cell, len(w.view.Features))
	w.view.Plan.Read(state, w.log.until, got)
	rows := w.rows(key, state.Applied)
	x := expected{view: w.view}
	want, err := oracle.Judge(x.config(), rows).Read(oracle.Reading{At: w.log.until, Mode: oracle.Available})
	if err != nil {
		w.violation("%v", err)
	}
	for i := range got {
		if f := &w.view.Features[i]; got[i].Status != want[i].Status || !got[i].Value.Equal(want[i].Value) {
			w.violation("generation %d, entity %q, %s: %s %s, the oracle says %s %s of the records up to %+v", id.Number, key, f.Name,
				got[i].Value.Text(f.Type), got[i].Status, want[i].Value.Text(f.Type), want[i].Status, state.Applied)
		}
	}
}

// rows are the records of an entity up to an applied list.
func (w *world) rows(key string, applied featurestore.Applied) []window.Row {
	var out []window.Row
	for _, m := range w.log.all() {
		id := featurestore.PartitionID{Source: uint16(m.binding), Generation: m.id.Generation, Partition: m.id.Number}
		through := int64(-1)
		if e := applied.Find(id); e != nil {
			through = e.Offset
		}
		for i := range m.truth {
			if int64(i) <= through && m.truth[i].key == key {
				out = append(out, m.truth[i].row)
			}
		}
	}
	return out
}

// verify compares what a settled world holds with what it must hold.
func (w *world) verify() {
	for _, g := range w.registry.list {
		id := online.Generation{Project: generation.Project, View: g.View, Number: g.Number}
		if g.State != registry.Retired && g.State != registry.Broken {
			w.verifyGeneration(id)
			if g.State == registry.Building && w.stateOf(id) == online.StateLive && !w.excused {
				w.violation("generation %d could answer, and never takes over", g.Number)
			}
		}
	}
	if w.registry.broken != "" {
		w.violation("a generation is broken: %s", w.registry.broken)
	}
}

func (w *world) verifyGeneration(g online.Generation) {
	broken := false
	for _, m := range w.log.all() {
		broken = broken || m.broken
	}
	// Of two partitions that have halted, the one's state hides the other's.
	state, gap, spent := w.stateOf(g), broken || w.mayGap || w.expired(), w.overspent()
	switch {
	case broken && state != online.StateGap && !(state == online.StateHalted && w.spent) && !w.excused:
		w.violation("generation %d is %s: a log was replaced, and nobody says so", g.Number, state)
	case state == online.StateGap && !gap && !spent && !w.excused:
		w.violation("generation %d is in a GAP, and nothing is missing", g.Number)
	case state == online.StateLive && spent && !w.excused:
		w.violation("generation %d is LIVE, and bad records have halted a partition", g.Number)
	case state == online.StateHalted && (spent || w.spent && gap):
	case state != online.StateGap && state != online.StateLive && !w.excused:
		w.violation("generation %d is %s in the end", g.Number, state)
	}
	for _, id := range g.LaneIDs(lanesOfSchedules) {
		for _, key := range w.keys(id) {
			w.lookAt(id, key)
		}
	}
	if state == online.StateLive && !w.excused {
		w.complete(g)
	}
}

// stateOf is the worst state of a generation's lanes.
func (w *world) stateOf(g online.Generation) online.State {
	lanes := make([]online.Lane, lanesOfSchedules)
	for i, id := range g.LaneIDs(lanesOfSchedules) {
		if l := w.store.lanes[id]; l != nil {
			lanes[i].Meta = l.meta
		}
	}
	return online.Worst(lanes)
}

// expired reports whether the archive, or a lane, lacks what the log does not hold
// any more. What is at rest a lane gets from there; of what lies before that,
// nobody can say whether it ever counted.
func (w *world) expired() bool {
	for _, m := range w.log.all() {
		rest := w.history.parts[m.id]
		if m.start == 0 {
			continue
		}
		if next := rest.next(); next > 0 && next < m.start {
			return true
		}
		for _, g := range w.wanted() {
			for _, id := range g.LaneIDs(lanesOfSchedules) {
				if at := w.markOf(id, m); at < m.start-1 && (rest.next() == 0 || rest.ranges[0].From > at+1) {
					return true
				}
			}
		}
	}
	return false
}

// complete wants a generation to hold every record: bytes and places are those of
// a run in which nothing happened.
func (w *world) complete(g online.Generation) {
	want := w.undisturbed()
	for _, id := range g.LaneIDs(lanesOfSchedules) {
		l, calm := w.store.lanes[id], want.lanes[online.LaneID{Generation: generation, Lane: id.Lane}]
		for _, m := range w.log.all() {
			if at := w.markOf(id, m); at != m.end()-1 && m.end() > m.begin {
				w.violation("lane %d of generation %d stands at %d of %v, which ends at %d", id.Lane, g.Number, at, m.id, m.end()-1)
			}
		}
		if len(l.blobs) != len(calm.blobs) || len(l.closed) != len(calm.closed) {
			w.violation("lane %d of generation %d holds %d entities, want %d", id.Lane, g.Number, len(l.blobs), len(calm.blobs))
		}
		for key, blob := range calm.blobs {
			if string(l.blobs[key]) != string(blob) || string(l.closed[key]) != string(calm.closed[key]) {
				w.lookAt(id, key)
				w.violation("generation %d, entity %q has other bytes than in an undisturbed run", g.Number, key)
			}
		}
	}
}

// eventsOf are the events of a partition that count.
func (w *world) eventsOf(m *modelPart) []featurestore.Event {
	var out []featurestore.Event
	for i := range m.truth {
		if ev := m.truth[i].event; ev != nil {
			out = append(out, *ev)
		}
	}
	return out
}

// undisturbed is the store of a run in which nothing happens.
func (w *world) undisturbed() *memoryStore {
	store := newMemoryStore()
	v, err := OpenView(background(), ViewConfig{View: w.view, ID: generation, Lanes: lanesOfSchedules, Store: store, CacheBytes: 1 << 20})
	if err != nil {
		w.violation("%v", err)
	}
	for _, m := range w.log.all() {
		c := &Chunk{Partition: m.id, Events: List(w.eventsOf(m)), Through: m.end() - 1, LogTime: math.MinInt64}
		if err := v.Apply(background(), c); err != nil {
			w.violation("%v", err)
		}
	}
	return store
}
