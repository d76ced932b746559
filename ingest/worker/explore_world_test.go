package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/logrecord"
)

// world is one schedule: a log of two topics that meet in one view, a store, what
// is at rest, a registry, and two ingesters. Everything in it fails.
type world struct {
	*tape
	project   *definition.Project
	view      *definition.StreamView
	log       modelLog
	history   modelHistory
	registry  *modelRegistry
	store     *memoryStore
	processes [2]*process

	copies    []map[online.LaneID]*memoryLane // what a failover can bring back
	mood      [moods]bool                     // the kinds of fault that this schedule has
	owners    *ownership                      // nil: each process believes to own everything
	leads     string                          // the topic whose first partition makes its owner lead; the view may not read it
	faults    bool
	revision  int64
	clock     int64
	keep      time.Duration // of what was live before
	depth     int           // of steps within steps
	evicted   int           // keys
	mayGap    bool
	excused   bool // somebody does not get on, for a reason
	spent     bool // bad records have halted a partition
	raised    bool // a person has raised their budget
	committed map[online.Partition]int64
	checked   int // entities

	spare spareChunks // of the explorer: they outlive the world

	tracing bool
	out     io.Writer
	steps   int
}

// The kinds of fault. A schedule has some of them, so that rare ones meet too.
const (
	moodFates = iota
	moodFailover
	moodAway
	moodCrash
	moodRebalance
	moodGrowth
	moodLog
	moodRot
	moodLoss
	moodGeneration
	moodBudget
	moods
)

// violation ends a schedule: something was not as it must be.
type violation struct{ reason string }

func (w *world) violation(format string, args ...any) {
	panic(violation{fmt.Sprintf(format, args...)})
}

func (w *world) trace(format string, args ...any) {
	if w.tracing {
		w.steps++
		fmt.Fprintf(w.out, "%4d  %*s"+format+"\n", append([]any{w.steps, 2 * w.depth, ""}, args...)...)
	}
}

// Write shows what a process logs.
func (w *world) Write(b []byte) (int, error) { return fmt.Fprintf(w.out, "      %s", b) }

// ownership is who has which partition, since the last rebalance.
type ownership struct {
	assignments [2]*logrecord.Assignment
	lost        [2]chan struct{}
}

func newWorld(t *tape, e *explorer, out io.Writer) *world {
	project := e.project
	view := project.StreamViews[0]
	w := &world{
		tape: t, project: project, view: view, store: newMemoryStore(), registry: &modelRegistry{}, faults: true, revision: 1, clock: 1_700_000_000 * micros,
		history: modelHistory{parts: map[online.Partition]*restingPart{}}, committed: map[online.Partition]int64{},
		log: modelLog{topics: map[string][]*modelPart{}, view: view, batch: &e.batch, decoders: e.decoders}, spare: e.spare, out: out, tracing: out != nil,
	}
	e.batch.Reset()
	w.store.fate = w.fate
	w.registry.w = w
	for i := range w.mood {
		w.mood[i] = t.n(2) == 1
	}
	w.keep = time.Duration(t.n(2)) * 5 * time.Minute
	for i, topic := range []string{"clicks", "clicks", "orders"} {
		if i == 1 && t.n(2) == 0 {
			continue
		}
		begin := int64(0)
		if w.mood[moodLog] && t.n(4) == 3 {
			begin = int64(1 + t.n(3))
		}
		m := w.log.addPart(topic, i/2, begin)
		for range t.n(6) {
			w.log.produce(m, t, false)
		}
	}
	w.registry.add(view, lanesOfSchedules)
	w.leads = []string{"clicks", "another"}[t.n(2)]
	if t.n(3) > 0 {
		w.rebalance()
	}
	for i := range w.processes {
		w.start(i)
	}
	return w
}

// budget is how many bad records are too many: few, until a person raises it. Two
// processes that have the same partition for ever would quarrel over them.
func (w *world) budget() Budget {
	if !w.mood[moodBudget] || w.raised || w.owners == nil {
		return Budget{AtLeast: -1}
	}
	return Budget{AtLeast: 1 + w.n(3), Share: 0.001}
}

// rebalance gives the partitions to others. Who had them learns it later.
func (w *world) rebalance() {
	if old := w.owners; old != nil {
		for i := range old.lost {
			close(old.lost[i])
		}
	}
	w.owners = &ownership{}
	for i := range w.owners.lost {
		w.owners.lost[i] = make(chan struct{})
		w.owners.assignments[i] = &logrecord.Assignment{Owned: map[string][]int32{}, Lost: w.owners.lost[i], Release: func() {}}
	}
	for _, m := range w.log.all() {
		owned := w.owners.assignments[w.n(2)].Owned
		owned[m.id.Source] = append(owned[m.id.Source], m.id.Number)
	}
	if w.leads != "clicks" {
		w.owners.assignments[w.n(2)].Owned[w.leads] = []int32{0}
	}
}

// assign gives a process its newest assignment.
func (w *world) assign(p *process) {
	if w.owners != nil {
		p.assignment = w.owners.assignments[p.number]
	}
}

// arrangement is what the registry wants.
func (w *world) arrangement() *arrangement {
	a := &arrangement{changes: w.revision, revision: 1, current: w.project}
	for _, g := range w.registry.list {
		switch g.State {
		case registry.Retired:
		case registry.Broken:
			a.broken = append(a.broken, g)
		default:
			a.views = append(a.views, wantedView{w.view, g})
		}
	}
	return a
}

// wanted are the generations that somebody writes.
func (w *world) wanted() []online.Generation {
	var out []online.Generation
	for _, g := range w.registry.list {
		if g.State != registry.Retired && g.State != registry.Broken {
			out = append(out, online.Generation{Project: generation.Project, View: g.View, Number: g.Number})
		}
	}
	return out
}

// modelRegistry holds the generations of the one view.
type modelRegistry struct {
	registry.Store // what is not called
	w              *world
	list           []registry.Generation
	broken         string // why one is
}

func (r *modelRegistry) add(v *definition.StreamView, lanes uint16) {
	g := registry.Generation{View: v.Name, Number: uint32(len(r.list) + 1), Hash: v.Hash, State: registry.Building, Lanes: lanes, Revision: 1}
	if len(r.list) == 0 {
		g.State = registry.Live
	}
	r.list = append(r.list, g)
}

// Generations are those that somebody writes, or may again.
func (r *modelRegistry) Generations(context.Context) ([]registry.Generation, error) {
	return slices.DeleteFunc(slices.Clone(r.list), func(g registry.Generation) bool { return g.State == registry.Retired }), nil
}

// Changes counts what was changed.
func (r *modelRegistry) Changes(context.Context) (int64, error) { return r.w.revision, nil }

// SetState makes one step of a generation's life: there is one view.
func (r *modelRegistry) SetState(_ context.Context, steps ...registry.Step) error {
	s := steps[0]
	g := &r.list[s.Number-1]
	from := map[registry.GenerationState]registry.GenerationState{registry.Live: registry.Building, registry.Retired: registry.Standby, registry.Broken: registry.Building}
	switch {
	case g.State == s.State:
		return nil
	case s.Changes != 0 && s.Changes != r.w.revision, g.State != from[s.State], s.Since != 0 && s.Since != g.Since:
		return registry.ErrLostRace
	case s.State == registry.Live:
		for i := range r.list {
			switch o := &r.list[i]; {
			case o.State == registry.Live && s.Keep:
				o.State, o.Since = registry.Standby, s.At
			case o.State == registry.Live, o.State == registry.Standby:
				o.State = registry.Retired
			}
		}
	case s.State == registry.Broken:
		r.broken = s.Reason
	}
	g.State, g.Since = s.State, s.At
	r.w.revision++
	return nil
}

// goBack makes the generation live that was live before.
func (r *modelRegistry) goBack() {
	for i := range r.list {
		if r.list[i].State != registry.Standby {
			continue
		}
		for j := range r.list {
			if r.list[j].State == registry.Live {
				r.list[j].State, r.list[j].Since = registry.Standby, featurestore.Instant(r.w.clock)
			}
		}
		r.list[i].State = registry.Live
		r.w.revision++
		r.w.trace("generation %d answers again", r.list[i].Number)
		return
	}
}

// takeBack wants the meaning of the generation before again, which takes over anew.
func (r *modelRegistry) takeBack() bool {
	standby := slices.IndexFunc(r.list, func(g registry.Generation) bool { return g.State == registry.Standby })
	if standby < 0 || r.building() {
		return false
	}
	r.list[standby].State, r.list[standby].Since = registry.Building, featurestore.Instant(r.w.clock)
	r.w.revision++
	r.w.trace("generation %d is wanted again", r.list[standby].Number)
	return true
}

// building reports whether a generation has still to take over.
func (r *modelRegistry) building() bool {
	return slices.ContainsFunc(r.list, func(g registry.Generation) bool { return g.State == registry.Building })
}

// live is the number of the generation that answers.
func (r *modelRegistry) live() uint32 {
	for _, g := range r.list {
		if g.State == registry.Live {
			return g.Number
		}
	}
	return 0
}

// fate loses an answer, a batch, or lets it arrive much later, now and then.
func (w *world) fate(b *online.Batch) fate {
	if !w.faults || !w.mood[moodFates] || w.n(10) > 0 {
		return arrives
	}
	f := fate(1 + w.n(4))
	w.trace("lane %d, %v from %d to %d: %s", b.Lane.Lane, b.Partition, b.From, b.To.Offset, [...]string{"", "the answer is lost", "it is lost", "it will arrive late", "refused"}[f])
	return f
}

// step is one thing that happens, to the log, to the store, or in a process into
// which it may run.
func (w *world) step() {
	w.mayGap = w.mayGap || w.expired()
	switch c := w.n(30); {
	case c == 0:
		w.clock += int64(w.n(3)) * micros
	case c < 5:
		w.produce()
	case c < 6:
		w.look()
	case c < 8:
		w.fault()
	case c < 11:
		w.inProcess((*process).tend)
	default:
		w.inProcess(func(p *process) {
			if len(p.streams) > 0 {
				p.stream(p.streams[w.n(len(p.streams))])
			}
		})
	}
}

func (w *world) produce() {
	all := w.log.all()
	m := all[w.n(len(all))]
	before := m.end()
	for range 1 + w.n(4) {
		w.log.produce(m, w.tape, m.broken && m.end() <= int64(len(m.truth)))
	}
	w.trace("%v: %d to %d are written", m.id, before, m.end()-1)
}

// inProcess does something in a process, after it was arranged.
func (w *world) inProcess(do func(*process)) {
	p := w.processes[w.n(2)]
	switch {
	case p.inside > 0:
	case p.arranged:
		p.run(func() { do(p) })
	case p.cancel == nil:
		p.run(p.arrangedAnew)
	}
}

// settle ends all faults and lets everything run until nobody finds anything to
// do. What was sent long ago may still arrive.
func (w *world) settle() {
	w.trace("all faults end")
	w.faults, w.store.down = false, false
	restarted := w.n(2) == 1
	if restarted {
		w.mayGap, w.raised = false, true
		for _, p := range w.processes {
			w.crash(p)
		}
	}
	tookBack, brought := false, false
	for round, quiet := 0, 0; quiet < 2 || quiet < 8 && !w.live(); round++ {
		before := w.store.moved
		w.clock += 20 * micros
		if len(w.store.late) > 0 {
			w.store.arriveLate()
			before--
		}
		rest := true
		for _, p := range w.processes {
			rest = p.settle() && rest
		}
		if w.mood[moodRot] {
			w.heal()
		}
		if quiet++; !rest || w.store.moved != before {
			quiet = 0
		}
		if quiet == 2 && !tookBack && w.live() { // a person does so once all is in order
			if tookBack = true; w.n(2) == 1 && w.registry.takeBack() {
				quiet = 0
			}
		}
		if quiet == 2 && !brought {
			if brought = true; w.n(2) == 1 && w.bringBack() {
				quiet = 0
			}
		}
		w.excused = w.excused || w.quarrels()
		if round > 60 && w.excused {
			return // others wait for a process that has halted, until a person starts it again
		}
		if round > 60 {
			w.violation("the processes never come to rest")
		}
	}
}

// quarrels reports whether two processes believe for ever that a partition is
// theirs, which a group forbids: one says GAP, because its archive lacks what has
// expired, and the other has applied that, and says LIVE.
func (w *world) quarrels() bool {
	if w.owners != nil || !w.expired() {
		return false
	}
	return slices.ContainsFunc(w.processes[:], func(p *process) bool {
		return slices.ContainsFunc(p.streams, func(s *streaming) bool { return errors.As(s.halted, new(*GapError)) })
	})
}

// live reports whether all generations that are wanted answer, or would.
func (w *world) live() bool {
	if w.registry.building() {
		return false
	}
	for _, g := range w.wanted() {
		if w.stateOf(g) != online.StateLive {
			return false
		}
	}
	return true
}

// settle does everything that there is to do, once; it reports whether the
// process is at rest.
func (p *process) settle() bool {
	if p.notice(); p.arranged {
		p.watch()
	}
	if !p.arranged {
		p.arrangedAnew()
		return false
	}
	rest := true
	for _, s := range p.streams {
		for range 100 {
			if s.halted != nil || s.reader == nil && !p.arranged {
				break
			}
			if s.reader == nil {
				rest = rest && p.w.haltedElsewhere(s)
				if p.stream(s); s.reader == nil {
					break // it waits
				}
			} else if p.fetch(s); s.from == p.w.log.topics[s.p.source.Topic][s.p.number].end() && len(s.queue) == 1 && s.ended == nil {
				p.apply(s)
				break
			}
			for len(s.queue) > 0 || s.ended != nil {
				p.apply(s)
			}
		}
		if s.reader != nil {
			p.outcome(s, s.p.beat(s.run))
		}
		rest = rest && (s.halted != nil || s.reader != nil || p.w.haltedElsewhere(s))
	}
	if err := p.worker.Flush(); err != nil {
		p.w.violation("process %d cannot seal: %v", p.number, err)
	}
	if p.arranged {
		p.fill()
	}
	if p.recheck(); p.arranged {
		p.chores()
		p.flip()
	}
	return rest && p.arranged
}

// haltedElsewhere reports whether a partition has halted in a process: another
// that believes to have it too may wait for its archive.
func (w *world) haltedElsewhere(s *streaming) bool {
	for _, p := range w.processes {
		for _, other := range p.streams {
			if other.halted != nil && other.p.id() == s.p.id() {
				return true
			}
		}
	}
	return false
}

// heal rebuilds what is damaged and was not met since.
func (w *world) heal() {
	for _, g := range w.wanted() {
		for _, p := range w.processes {
			r := p.worker.views[g]
			if r == nil {
				continue
			}
			var found []damage
			for _, id := range g.LaneIDs(lanesOfSchedules) {
				for _, key := range w.keys(id) {
					found = append(found, damage{key: key, lane: id.Lane})
				}
			}
			if err := r.view.rebuild(background(), found, p.worker.replayOf(r.view)); err != nil {
				w.noteUnhealed(err)
			}
			break
		}
	}
}
