package worker

import (
	"context"
	"errors"
	"log/slog"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
)

// process is one ingester: the product's Worker, whose goroutines are run a step
// at a time, in any order, over a world that fails. What a step does here is what
// arrange, tend, watchStore and partition.stream do in their loops.
type process struct {
	w       *world
	number  int
	worker  *Worker
	streams []*streaming
	skew    int64 // of its clock

	assignment *logrecord.Assignment // that it believes in; nil: everything is its own
	arranged   bool
	cancel     context.CancelFunc // of the fill that is under way
	evicted    int                // evictions that it has seen
	lose       bool               // and not acted on
	inside     int                // calls that are under way, into which nothing else of it may run
}

// streaming is a partition as it is read: partition.stream between two steps.
type streaming struct {
	p        *partition
	reader   logrecord.Reader
	from     int64
	reached  featurestore.LogTime
	queue    []*decodedChunk
	fetching bool             // what comes behind from may be read by now
	fetched  logrecord.Reader // the one that has given something
	ended    error            // of the reader
	halted   error
	run      context.Context // of all partitions of the source: it ends when one finds it in a GAP
}

// crashed unwinds the calls of a process that has died.
type crashed struct{ p *process }

func (w *world) start(number int) *process {
	p := &process{w: w, number: number, skew: int64(w.n(3)-1) * 300 * micros, evicted: w.evicted}
	if w.tainted() && !w.witnessed(number) {
		p.evicted--
	}
	p.worker = New(Config{
		Project: generation.Project, Registry: w.registry, Log: logOf{p: p}, Online: storeOf{w.store, p}, History: historyOf{p},
		Letters: p, Logger: w.logger(number), Budget: w.budget(), CacheBytes: []int{1 << 16, 3000}[w.n(2)], stepwise: w.n(2) == 1,
		Now: func() featurestore.Instant { return featurestore.Instant(w.clock) }, KeepPrevious: w.keep,
		OpenArchive: func(s *definition.StreamSource) (Archive, error) {
			return &archiveOf{p: p, source: s.Name, feeds: map[offline.Partition]*feedOf{}}, p.perhapsAway("archive")
		},
	})
	w.processes[number] = p
	return p
}

// Append keeps dead letters: it says no now and then.
func (p *process) Append(...deadletter.DeadLetter) error { return p.perhapsAway("letters") }

// crash ends a process as kill -9 does, and starts it anew.
func (w *world) crash(p *process) {
	w.trace("process %d dies", p.number)
	for _, rest := range w.history.parts {
		if rest.holder != nil && rest.holder.p == p {
			rest.holder = nil
		}
	}
	w.start(p.number)
}

// run does a step of a process, in which it may die.
func (p *process) run(step func()) {
	p.inside++
	defer func() {
		p.inside--
		r := recover()
		if c, died := r.(crashed); died && c.p == p {
			p.w.crash(p)
		} else if r != nil {
			panic(r)
		}
	}()
	step()
}

// perhapsAway dies, or fails, now and then.
func (p *process) perhapsAway(part string) error {
	w := p.w
	if !w.faults {
		return nil
	}
	switch c := w.n(150); {
	case c == 149 && w.tracing:
		w.trace("process %d meets its end at the %s", p.number, part)
		fallthrough
	case c == 149:
		panic(crashed{p})
	case c == 148:
		w.trace("process %d does not reach the %s", p.number, part)
		return featurestore.Unavailablef("the %s is not there", part)
	}
	return nil
}

// interlude lets others do something, one time in so many, in the midst of a call
// of this process.
func (p *process) interlude(oneIn int) {
	w := p.w
	if !w.faults || w.depth >= 2 || w.n(oneIn) != oneIn-1 {
		return
	}
	w.depth++
	defer func() { w.depth-- }()
	for range 1 + w.n(3) {
		w.step()
	}
}

// overtaken lets others say something of lanes, between what a state of this
// process was decided on and its being written.
func (p *process) overtaken() {
	w := p.w
	if !w.faults || w.depth >= 2 || w.n(3) != 2 {
		return
	}
	w.depth++
	p.inside++
	defer func() { w.depth--; p.inside-- }()
	if w.mood[moodLoss] && w.n(2) == 1 {
		w.loss()
	}
	if w.n(3) == 2 {
		w.fault()
	}
	if other := w.processes[1-p.number]; other.inside == 0 && other.arranged {
		other.run(other.watch)
	}
	for range w.n(10) {
		w.step()
	}
}

// meanwhile is interlude in a call into which nothing else of the process may run.
func (p *process) meanwhile(oneIn int) {
	p.inside++
	p.interlude(oneIn)
	p.inside--
}

// share is what the process believes to be its own.
func (p *process) share() share {
	if p.assignment == nil {
		return share{}
	}
	return share{assignment: p.assignment, first: p.w.leads}
}

// arrange is Worker.arrange up to where it starts goroutines.
func (p *process) arrange(ctx context.Context) error {
	w := p.worker
	for _, s := range p.streams {
		s.stop()
	}
	if err := w.handOver(w.share); err != nil {
		return err
	}
	p.streams = nil
	p.w.assign(p)
	mine, a := p.share(), p.w.arrangement()
	if err := w.releaseOthers(mine); err != nil {
		return err
	}
	if err := w.open(ctx, a, mine); err != nil {
		return err
	}
	parts, err := w.partitions(ctx, a, mine)
	if err != nil {
		return err
	}
	w.adopt(a, parts, mine)
	w.progress.arrange(parts, a.sources())
	runs := sourceContexts(ctx, parts)
	for _, part := range parts {
		p.streams = append(p.streams, &streaming{p: part, run: runs[part.shared]})
	}
	return nil
}

// arrangedAnew tries to arrange the process where it must be.
func (p *process) arrangedAnew() {
	err := p.arrange(background())
	p.w.trace("process %d is arranged: %v", p.number, err)
	switch {
	case err == nil:
		p.arranged = true
	case errors.Is(err, featurestore.ErrUnavailable), errors.Is(err, featurestore.ErrNotFound), errors.Is(err, errLost):
	default:
		p.w.violation("process %d ends: %v", p.number, err)
	}
}

// rearrange ends the arrangement, and what is being filled.
func (p *process) rearrange() {
	p.arranged = false
	if p.cancel != nil {
		p.cancel()
	}
}

func (s *streaming) stop() {
	s.reader, s.queue, s.ended = nil, nil, nil
	for _, v := range s.p.views() {
		v.Detach(s.p.id())
	}
}

// stream does the next thing of a partition: it begins, reads ahead, applies or beats.
func (p *process) stream(s *streaming) {
	ctx, w := s.run, p.w
	switch {
	case s.halted != nil:
	case ctx.Err() != nil:
		p.outcome(s, ctx.Err())
	case s.reader == nil:
		reader, from, err := s.p.begin(ctx)
		if without("the group's offset is no start") {
			from = max(from, w.committed[s.p.id()])
		}
		w.trace("process %d begins %v at %d: %v", p.number, s.p.id(), from, err)
		if err != nil {
			p.outcome(s, err)
			return
		}
		s.reader, s.from, s.reached, s.ended = reader, from, noLogTime, nil
	default:
		switch c := w.n(6); {
		case c < 2 && len(s.queue) < 2 && s.ended == nil:
			p.fetch(s)
		case c < 5 && (len(s.queue) > 0 || s.ended != nil):
			p.apply(s)
		default:
			err := s.p.beat(ctx)
			w.trace("process %d beats %v: %v", p.number, s.p.id(), err)
			p.outcome(s, err)
		}
	}
}

func (p *process) fetch(s *streaming) {
	if s.ended != nil {
		return
	}
	s.fetching = true
	defer func() { s.fetching = false }()
	batch, err := s.reader.Next(s.run)
	first := s.fetched != s.reader && !without("the log is compared at each beginning")
	if s.fetched = s.reader; err == nil && !(batch.Interrupted && without("a fetch that was interrupted is compared")) {
		err = s.p.sameLog(s.run, batch, first)
	}
	if err == nil {
		err = s.p.removed(s.run, batch)
	}
	if err != nil {
		s.ended = s.p.outOfRange(err)
		return
	}
	if n := len(s.queue); n == 0 || p.w.faults && p.w.n(3) > 0 { // else the chunk grows
		p.w.spare.giveTo(s.p)
		s.queue = append(s.queue, s.p.newChunk(s.from))
	}
	s.reached, err = s.p.decode(s.queue[len(s.queue)-1], batch, s.from, s.reached)
	p.w.trace("process %d reads %v, %d to %d: %v", p.number, s.p.id(), s.from, batch.Next-1, err)
	s.from, s.ended = batch.Next, err
}

// apply is partition.apply, with its goroutines one behind the other.
func (p *process) apply(s *streaming) {
	if len(s.queue) == 0 {
		p.outcome(s, s.ended)
		return
	}
	c := s.queue[0]
	s.queue = s.queue[1:]
	err := error(nil)
	if s.p.empty(c) {
		p.w.spare.take(s.p.source, c)
		return
	}
	if without("the group's offset is no start") || without("queued records are dropped at a rewind") {
		c.first().From = 0 // nor does anybody look whether it follows
	}
	if err = s.p.accept(context.Background(), c); err == nil {
		err = p.spread(s, c)
	}
	p.w.trace("process %d applies %v, %d to %d: %v", p.number, s.p.id(), c.first().From, c.first().Through, err)
	if err == nil {
		s.p.applied(c)
		p.w.committed[s.p.id()] = max(p.w.committed[s.p.id()], c.first().Through+1)
	}
	p.w.spare.take(s.p.source, c)
	p.outcome(s, err)
}

// spareChunks are chunks of one reading each, by their source, with the memory that
// they have grown.
type spareChunks map[*definition.StreamSource][]*decodedChunk

func (s spareChunks) take(source *definition.StreamSource, c *decodedChunk) {
	s[source] = append(s[source], c)
}

func (s spareChunks) giveTo(p *partition) {
	list := s[p.source]
	if n := len(list); n > 0 && len(p.spare) == 0 {
		p.spare <- list[n-1]
		s[p.source] = list[:n-1]
	}
}

func (p *process) spread(s *streaming, c *decodedChunk) error {
	var todo []func() error
	for i := range s.p.readings {
		for _, v := range s.p.readings[i].views {
			todo = append(todo, func() error { return v.Apply(s.run, &c.parts[i].Chunk) })
		}
	}
	todo = append(todo, func() error { return s.p.keep(&c.parts[0]) })
	var first error
	for len(todo) > 0 {
		k := p.w.n(len(todo))
		if err := todo[k](); err != nil && first == nil {
			first = err
		}
		todo = append(todo[:k], todo[k+1:]...)
		if first != nil && p.w.n(2) == 0 {
			break // the others were cancelled before they began
		}
	}
	return first
}

// outcome is the end of a stream by an error; where there is none, it goes on.
func (p *process) outcome(s *streaming, err error) {
	if err == nil {
		return
	}
	if !without("queued records are dropped at a rewind") || s.ended != nil {
		s.reader, s.queue, s.ended = nil, nil, nil
	}
	err = s.p.resume(s.run, err, func(context.Context) error { return nil })
	if s.run.Err() != nil {
		err = haltedBy(s.run)
	}
	if err == nil {
		return
	}
	p.w.trace("process %d stops %v: %v", p.number, s.p.id(), err)
	s.stop()
	if again := p.worker.halted(background(), s.p, err); again != nil {
		p.rearrange()
		return
	}
	s.halted = err
	p.w.noteHalt(s)
}

// tend does one of the things that the process does beside reading.
func (p *process) tend() {
	w := p.w
	switch w.n(8) {
	case 0:
		p.notice()
	case 4:
		p.recheck()
	case 5:
		p.chores()
	case 1:
		p.watch()
	case 2:
		p.flip()
	case 3:
		if err := p.worker.Flush(); err != nil {
			w.trace("process %d does not seal: %v", p.number, err)
			p.rearrange()
		}
	default:
		p.fill()
	}
}

func (p *process) leads() bool { return p.worker.share.leads() }

// fill fills a new generation, while others go on.
func (p *process) fill() {
	views := p.worker.unfilled()
	if len(views) == 0 || p.cancel != nil {
		return
	}
	v := views[0]
	if !p.leads() {
		if again, err := p.worker.filledElsewhere(background()); again || err != nil {
			p.rearrange()
		}
		return
	}
	ctx := &fillContext{Context: background()}
	p.cancel = func() { ctx.err = context.Canceled }
	defer func() { p.cancel = nil }()
	p.w.trace("process %d fills generation %d", p.number, v.ID().Number)
	p.inside-- // its partitions go on meanwhile
	err := p.worker.fill(ctx, v)
	p.inside++
	p.w.trace("process %d has filled generation %d: %v", p.number, v.ID().Number, err)
	if r := p.worker.views[v.ID()]; r != nil && r.broken {
		p.w.noteUnfilled(r.why)
	}
	p.rearrange()
}

func (p *process) flip() {
	if !p.leads() {
		return
	}
	before := p.w.registry.live()
	err := p.worker.lookAtUnread(background())
	if errors.Is(err, errLost) {
		p.w.trace("process %d, which leads, sees that others have lost lanes", p.number)
		p.rearrange()
		return
	}
	err = p.worker.flip(background())
	if live := p.w.registry.live(); live != before || err != nil {
		p.w.trace("process %d flips from generation %d to %d: %v", p.number, before, live, err)
	}
}

// fillContext ends a fill, which reads ahead in goroutines of its own, where it
// looks, and nowhere else: so what it reads does not depend on how they run.
type fillContext struct {
	context.Context
	err error
}

func (c *fillContext) Err() error { return c.err }

// recheck is what watchLogs does now and then.
func (p *process) recheck() {
	own := map[*sourceLog][]int32{}
	for _, s := range p.streams {
		own[s.p.shared] = append(own[s.p.shared], s.p.number)
	}
	for _, s := range p.streams {
		numbers := own[s.p.shared]
		if delete(own, s.p.shared); numbers == nil {
			continue
		}
		again, err := s.p.shared.look(background(), numbers)
		p.w.trace("process %d looks at the log of %s: it is there again: %t, %v", p.number, s.p.source.Name, again, err)
		if again {
			p.rearrange()
			return
		}
	}
}

// chores checks what is to take over, and retires what was kept. A world of
// damage has no check: it would find that, and wait for the stream to mend it.
func (p *process) chores() {
	if !p.leads() {
		return
	}
	if r := p.worker.unchecked(); r != nil {
		if p.w.mood[moodRot] || p.w.mood[moodLoss] {
			p.worker.mu.Lock()
			r.checked = true
			p.worker.mu.Unlock()
		} else {
			p.worker.check(background(), r)
		}
		p.w.trace("process %d checks generation %d: %t %s", p.number, r.view.ID().Number, r.checked, r.why)
	} else if step := p.worker.keptLongEnough(); step != nil {
		p.worker.retire(background(), step)
		p.w.trace("process %d retires generation %d", p.number, step.Number)
	}
}

// notice is what a process sees when it looks around.
func (p *process) notice() {
	for topic, n := range p.worker.topics {
		if len(p.w.log.topics[topic]) != n {
			p.rearrange()
		}
	}
	if p.worker.changes != p.w.revision || p.assignment != nil && ended(p.assignment) {
		p.rearrange()
	}
}

// watch sees whether lanes still say that what has halted has, and whether the
// store has evicted keys.
func (p *process) watch() {
	if err := p.worker.sayHalted(background()); err != nil {
		p.w.trace("process %d looks at what has halted: %v", p.number, err)
		if errors.Is(err, errLost) {
			p.rearrange()
			return
		}
	}
	if p.evicted < p.w.evicted {
		p.evicted, p.lose = p.w.evicted, true
	}
	if !p.lose {
		return
	}
	err := p.worker.lose(background())
	p.w.trace("process %d says LOST: %v", p.number, err)
	if err == nil {
		p.lose = false
		p.rearrange()
	}
}

// storeOf is the store as one process reaches it.
type storeOf struct {
	*memoryStore
	p *process
}

func (s storeOf) Get(ctx context.Context, ids []online.EntityID) ([]online.Parts, error) {
	s.p.meanwhile(40)
	if err := s.p.perhapsAway("store"); err != nil {
		return nil, err
	}
	return s.memoryStore.Get(ctx, ids)
}

func (s storeOf) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	s.p.meanwhile(20)
	out := s.memoryStore.Apply(ctx, batches)
	if s.p.w.faults && s.p.w.n(100) == 99 {
		s.p.w.trace("process %d dies between the store's write and its answer", s.p.number)
		panic(crashed{s.p})
	}
	s.p.meanwhile(40)
	return out
}

// Evicted is what the process will see when it looks (watch).
func (s storeOf) Evicted(context.Context) (bool, error) {
	if err := s.p.perhapsAway("store"); err != nil {
		return false, err
	}
	return s.p.evicted < s.p.w.evicted, nil
}

func (s storeOf) Create(ctx context.Context, g online.Generation, m online.Meta) error {
	if err := s.p.perhapsAway("store"); err != nil {
		return err
	}
	return s.memoryStore.Create(ctx, g, m)
}

func (s storeOf) SetState(ctx context.Context, g online.Generation, state online.State, from ...online.State) error {
	s.p.overtaken()
	if err := s.p.perhapsAway("store"); err != nil {
		return err
	}
	return s.memoryStore.SetState(ctx, g, state, from...)
}

func (s storeOf) Filled(ctx context.Context, g online.Generation, through []map[online.Partition]int64) error {
	s.p.overtaken()
	if err := s.p.perhapsAway("store"); err != nil {
		return err
	}
	return s.memoryStore.Filled(ctx, g, through)
}

func (s storeOf) Lanes(ctx context.Context, g online.Generation, lanes uint16) ([]online.Lane, error) {
	s.p.meanwhile(40)
	if err := s.p.perhapsAway("store"); err != nil {
		return nil, err
	}
	return s.memoryStore.Lanes(ctx, g, lanes)
}

func (s storeOf) Notes(ctx context.Context, project, name string) (map[string][]byte, error) {
	if err := s.perhapsAwayWithNotes(); err != nil {
		return nil, err
	}
	return s.memoryStore.Notes(ctx, project, name)
}

func (s storeOf) SetNotes(ctx context.Context, project, name string, fields map[string][]byte) error {
	if err := s.perhapsAwayWithNotes(); err != nil {
		return err
	}
	return s.memoryStore.SetNotes(ctx, project, name, fields)
}

// perhapsAwayWithNotes is for schedules in which bad records count.
func (s storeOf) perhapsAwayWithNotes() error {
	if !s.p.w.mood[moodBudget] {
		return nil
	}
	return s.p.perhapsAway("store")
}

func (s storeOf) Drop(_ context.Context, g online.Generation, lanes uint16) error {
	if err := s.p.perhapsAway("store"); err != nil {
		return err
	}
	drop := s.beginDrop(g, lanes)
	s.p.overtaken()
	if err := s.p.perhapsAway("store"); err != nil {
		return err
	}
	return s.endDrop(g, lanes, drop)
}

// logger is silent, but where a schedule is told.
func (w *world) logger(process int) *slog.Logger {
	if !w.tracing {
		return silent
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})).With("process", process)
}

var silent = slog.New(slog.DiscardHandler)
