package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/decode"
)

// wantedView is a generation that the registry lists, with a definition of its
// meaning: the newest one where that still means the same, else the one that made
// it, so that an older generation goes on under its own meaning.
type wantedView struct {
	view       *definition.StreamView
	generation registry.Generation
}

// arrangement is what the registry wants at one moment.
type arrangement struct {
	changes       int64 // of the registry, when it was asked
	logs          []registry.SourceLog
	revision      int64
	current       *definition.Project // nil where nothing was applied
	views         []wantedView
	broken        []registry.Generation // nobody writes them
	otherVersions []registry.Generation // of another version of freshet, which alone can write them
}

// sources are those that some view reads, by name.
func (a *arrangement) sources() map[string]bool {
	out := map[string]bool{}
	for i := range a.views {
		for _, b := range a.views[i].view.Bindings {
			out[b.Source.Name] = true
		}
	}
	return out
}

func (w *Worker) wanted(ctx context.Context) (*arrangement, error) {
	a := &arrangement{}
	var err error
	// The counter comes first: what changes while the rest is read is seen later.
	if a.changes, err = w.c.Registry.Changes(ctx); err != nil {
		return nil, err
	}
	if a.logs, err = w.c.Registry.Sources(ctx); err != nil {
		return nil, err
	}
	if a.revision, err = w.c.Registry.CurrentNumber(ctx); err != nil || a.revision == 0 {
		return a, err
	}
	list, err := w.c.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	if a.current, err = w.project(ctx, a.revision); err != nil {
		return nil, err
	}
	projects := map[int64]*definition.Project{a.revision: a.current}
	for _, g := range list {
		if g.State == registry.Broken {
			a.broken = append(a.broken, g)
			continue
		}
		v := a.current.StreamView(g.View)
		if v == nil || v.Hash != g.Hash {
			p, ok := projects[g.Revision]
			if !ok {
				if p, err = w.project(ctx, g.Revision); err != nil {
					return nil, err
				}
				projects[g.Revision] = p
			}
			v = p.StreamView(g.View)
		}
		if v == nil {
			continue // a batch view: materialize's
		}
		if v.Hash != g.Hash {
			a.otherVersions = append(a.otherVersions, g)
			continue
		}
		a.views = append(a.views, wantedView{v, g})
	}
	return a, a.belongs()
}

// belongs is an error where a view is held by another version of freshet only: a
// process that has nothing to write there would take partitions from those that do.
func (a *arrangement) belongs() error {
	for _, g := range a.otherVersions {
		mine := func(v wantedView) bool { return v.view.Name == g.View }
		if a.current.StreamView(g.View) != nil && !slices.ContainsFunc(a.views, mine) {
			return fmt.Errorf("view %q generation %d has another hash than its definition in revision %d: this binary computes otherwise than the one that applied it; apply again with this version", g.View, g.Number, g.Revision)
		}
	}
	return nil
}

// open opens generations that are new, opens those anew that the store has lost,
// and forgets those that are retired.
func (w *Worker) open(ctx context.Context, a *arrangement, mine share) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tellOtherVersions(a)
	keep := map[online.Generation]bool{}
	for _, want := range a.views {
		id := online.Generation{Project: w.c.Project, View: want.view.Name, Number: want.generation.Number}
		keep[id] = true
		switch err := w.openView(ctx, a, id, want, mine); {
		case w.putAside(id, want.generation, err):
		case err != nil:
			return err
		default:
			delete(w.aside, id)
		}
	}
	maps.DeleteFunc(w.views, func(id online.Generation, _ *running) bool { return !keep[id] })
	maps.DeleteFunc(w.aside, func(id online.Generation, _ aside) bool { return !keep[id] })
	return nil
}

// tellOtherVersions says once a change which generations are not written here. One of them
// that is live answers in processes of the version that made it, until a generation of
// this version takes over.
func (w *Worker) tellOtherVersions(a *arrangement) {
	if a.changes == w.changes {
		return
	}
	for _, g := range a.otherVersions {
		w.c.Logger.Warn("a generation is another version's of freshet, which computes or stores otherwise: it is not written here",
			"view", g.View, "generation", g.Number, "state", g.State)
	}
}

func (w *Worker) openView(ctx context.Context, a *arrangement, id online.Generation, want wantedView, mine share) error {
	stored, err := storedLanes(ctx, w.c.Online, id, want.generation.Lanes)
	if err != nil {
		return err
	}
	whole, some := intact(stored)
	r, known := w.views[id]
	if known && whole && sameBindings(r.view.view, want.view) {
		again := want.generation.State == registry.Building && r.state != registry.Building
		r.state, r.since = want.generation.State, want.generation.Since
		if a.changes != w.changes {
			r.broken = false // it is tried again
		}
		// The lanes say whether they are filled: another process may have made them anew.
		r.full = filled(stored)
		if !r.full || again {
			r.checked = false // what was compared is not what is there now, or was answering meanwhile
		}
		return r.view.Reload(ctx)
	}
	if !known && want.generation.State == registry.Building {
		if l := laneOfAnother(stored, want.view.Hash); l != nil {
			return w.refuse(ctx, id, l, mine)
		}
	}
	if !whole && !mine.leads() {
		return featurestore.Unavailablef("view %q generation %d: the ingester that leads has not made its lanes yet", id.View, id.Number)
	}
	lost := !whole && (some || known)
	if lost {
		w.c.Logger.Warn("the online store has lost lanes of a view: it is built anew", "view", id.View, "generation", id.Number)
		if err := w.c.Online.Drop(ctx, id, want.generation.Lanes); err != nil {
			return err
		}
	}
	v, err := OpenView(ctx, ViewConfig{
		View: want.view, ID: id, Lanes: want.generation.Lanes, Store: w.c.Online,
		TTL: w.ttl(want.view), CacheBytes: w.c.CacheBytes / len(a.views), Now: w.c.Now, Observer: w.c.Observer, stepwise: w.c.stepwise,
	})
	if err != nil {
		return err
	}
	next := &running{view: v, state: want.generation.State, since: want.generation.Since}
	switch {
	case known && whole:
		next.full = filled(stored)
	case whole:
		// One that was being built goes on being filled; one in a GAP answers again
		// once its partitions are seen to be in order.
		next.full = filled(stored)
	case want.generation.State != registry.Live:
	default:
		if err := w.openEmpty(ctx, next, lost); err != nil {
			return err
		}
	}
	w.views[id] = next
	return nil
}

// filled reports whether every lane was filled from history.
func filled(lanes []online.Lane) bool {
	return !slices.ContainsFunc(lanes, func(l online.Lane) bool { return l.Meta.State <= online.StateBuilding })
}

// intact reports whether every lane has its metadata and none is known to be
// lost, and whether any has.
func intact(lanes []online.Lane) (whole, some bool) {
	whole = len(lanes) > 0
	for i := range lanes {
		switch lanes[i].Meta.State {
		case online.StateMissing:
			whole = false
		case online.StateLost:
			whole, some = false, true
		default:
			some = true
		}
	}
	return whole, some
}

// sameBindings reports whether two definitions of one meaning read the same
// fields in the same places.
func sameBindings(a, b *definition.StreamView) bool {
	for i := range a.Bindings {
		if !sameRecords(a.Bindings[i].Source, b.Bindings[i].Source) {
			return false
		}
	}
	return true
}

// ttl is how long an entity is kept after its last write, at least: retention and a day.
func (w *Worker) ttl(v *definition.StreamView) time.Duration {
	retention, bounded := v.Plan.Retention()
	if !bounded || !w.c.PhysicalTTL {
		return 0
	}
	return (retention + featurestore.Day + renewEvery).Std()
}

// partitions lists every partition of every source that a filled view reads. A
// topic that does not exist yet holds up nobody but its own views.
func (w *Worker) partitions(ctx context.Context, a *arrangement, mine share) ([]*partition, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	readings := map[string][]reading{}
	for _, id := range w.sorted() {
		r := w.views[id]
		if !r.full {
			continue
		}
		for _, b := range r.view.view.Bindings {
			readings[b.Source.Name] = addReading(readings[b.Source.Name], a.current, b.Source, r.view)
		}
	}
	var out []*partition
	w.sources, w.topics, w.logs = nil, map[string]int{}, map[string]uint32{}
	for _, name := range slices.Sorted(maps.Keys(readings)) {
		list := readings[name]
		n, err := w.c.Log.Partitions(ctx, list[0].source.Topic)
		if errors.Is(err, featurestore.ErrNotFound) {
			w.c.Logger.Warn("a topic does not exist yet: its views wait for it", "source", name, "topic", list[0].source.Topic)
			n, err = 0, nil
		}
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", name, err)
		}
		w.sources, w.topics[list[0].source.Topic] = append(w.sources, name), n
		parts, err := w.sourcePartitions(ctx, list, registry.Newest(a.logs, name), mine, len(readings))
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", name, err)
		}
		out = append(out, parts...)
	}
	expectChunks(out)
	return out, nil
}

// addReading adds a view to the reading of its definition of a source. The
// newest definition comes first, also where only older views read the source.
func addReading(list []reading, current *definition.Project, s *definition.StreamSource, v *View) []reading {
	if len(list) == 0 {
		first := s
		if newest := current.StreamSource(s.Name); newest != nil {
			first = newest
		}
		list = append(list, reading{source: first})
	}
	for i := range list {
		if sameRecords(list[i].source, s) {
			list[i].views = append(list[i].views, v)
			return list
		}
	}
	return append(list, reading{source: s, views: []*View{v}})
}

func (w *Worker) sorted() []online.Generation {
	ids := make([]online.Generation, 0, len(w.views))
	for id := range w.views {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b online.Generation) int {
		if a.View != b.View {
			if a.View < b.View {
				return -1
			}
			return 1
		}
		return int(a.Number) - int(b.Number)
	})
	return ids
}

// sourcePartitions are the partitions of a source, one of so many, that this process
// reads.
func (w *Worker) sourcePartitions(ctx context.Context, readings []reading, generation uint32, mine share, sources int) ([]*partition, error) {
	s := readings[0].source
	n := w.topics[s.Topic]
	if n == 0 {
		return nil, nil
	}
	replayed, err := w.replayed(ctx, s)
	if err != nil {
		return nil, err
	}
	if replayed {
		generation = offline.FilesGeneration
	}
	w.logs[s.Name] = generation
	shared := &sourceLog{source: s.Name, topic: s.Topic, generation: generation, partitions: n, log: w.c.Log}
	for i := range readings {
		shared.views = append(shared.views, readings[i].views...)
	}
	a, err := w.archive(s)
	if err != nil {
		return nil, err
	}
	shared.rest = atRest{source: s, history: w.c.History, archive: a}
	var own []int32
	for number := range int32(n) {
		if mine.owns(s.Topic, number) {
			own = append(own, number)
		}
	}
	chunk := chunkSizeOf(sources, len(own), readings)
	var out []*partition
	spent, err := w.openSpending(ctx, s, generation, own)
	if err != nil {
		return nil, err
	}
	turn := new(turns)
	spare := make(chan *decodedChunk, 1)
	for _, number := range own {
		id := offline.Partition{Generation: generation, Partition: number}
		p := &partition{
			source: s, generation: generation, number: number, replayed: replayed, shared: shared, log: w.c.Log, history: w.c.History,
			archive: a, letters: w.c.Letters, readings: slices.Clone(readings), progress: w.progress,
			rebuild: w.rebuild, wasAtRest: w.wasAtRest(s.Name, id), noteRemoved: w.noteRemoved(s.Name, id), spent: spent, chunk: chunk, turn: turn, spare: spare, observer: w.c.Observer,
		}
		for i := range p.readings {
			if p.readings[i].decoder, err = decode.New(p.readings[i].source, decode.Options{Replay: replayed, Schemas: w.c.Schemas}); err != nil {
				return nil, err
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// replayed reports whether a topic holds replayed history: its first record says so.
func (w *Worker) replayed(ctx context.Context, s *definition.StreamSource) (bool, error) {
	if w.c.Replayed != nil && w.c.Replayed(s) {
		return true, nil
	}
	bounds, err := w.c.Log.Bounds(ctx, s.Topic, 0)
	if err != nil || bounds.Start >= bounds.End {
		return false, err
	}
	batch, err := w.c.Log.Peek(ctx, s.Topic, 0, bounds.Start)
	if err != nil {
		return false, err
	}
	defer batch.Release()
	if len(batch.Records) == 0 {
		return false, nil
	}
	_, ok := batch.Records[0].Headers.ReplayOf()
	return ok, nil
}
