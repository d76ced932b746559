package worker

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// A schedule is a random run of the protocol: two processes that both believe
// to own every partition (one of them is a zombie, and nobody knows which), three
// partitions of two topics that meet in one view, and a store that loses answers,
// delays batches, fails over to older states, lane by lane, and lets bytes rot. At the end
// everything is applied once more to its end, and then every entity must equal
// the oracle's, and every byte that of an undisturbed run.
type schedule struct {
	t       tester
	n       func(k int) int // the next choice, 0 to k-1
	wrong   mutant
	view    *definition.StreamView
	store   *memoryStore
	parts   []*part
	ends    []int64 // how much of each log is written
	workers [2]*process
	copies  []map[online.LaneID]*memoryLane // what a failover can bring back
	faults  bool
	most    int // records a feed

	committed []int64 // what a consumer group would have committed
}

// process is one worker: a view, and a feeder for each partition.
type process struct {
	view  *View
	feeds []feeder
}

// feeder is what partition.stream does, a step at a time.
type feeder struct {
	next int64
	last *Chunk
}

const lanesOfSchedules = 3

// mutant leaves out one rule of the protocol.
type mutant int

const (
	whole            mutant = iota
	noIdentity              // entities are not compared
	countedIdentity         // only the number of applied partitions is compared
	greaterForEqual         // a mark may be overtaken
	noHeartbeat             // nobody looks at lanes where nothing is written
	keptQueue               // what was queued is applied over a rewind
	startAtCommitted        // reading starts where it was last said to be done
)

func newSchedule(t tester, n func(k int) int, wrong mutant, view *definition.StreamView, parts []*part) *schedule {
	s := &schedule{t: t, n: n, wrong: wrong, view: view, store: newMemoryStore(), parts: parts, ends: make([]int64, len(parts)), faults: true}
	s.store.fate, s.store.wrong = s.fate, wrong
	s.committed = make([]int64, len(parts))
	s.copies = append(s.copies, nil)
	for i := range s.workers {
		s.start(i)
	}
	s.copies[0] = s.store.snapshot()
	return s
}

// fate loses an answer, a batch, or lets it arrive much later, now and then.
func (s *schedule) fate(*online.Batch) fate {
	if !s.faults || s.n(12) > 0 {
		return arrives
	}
	return fate(1 + s.n(4))
}

// start opens a process anew, with a cache that holds everything or almost nothing.
func (s *schedule) start(i int) {
	v, err := OpenView(background(), ViewConfig{View: s.view, ID: generation, Lanes: lanesOfSchedules, Store: s.store, CacheBytes: []int{1 << 20, 2000}[s.n(2)]})
	if err != nil {
		s.t.Fatalf("open: %v", err)
	}
	w := &process{view: v, feeds: make([]feeder, len(s.parts))}
	for k, p := range s.parts {
		w.feeds[k] = feeder{next: v.Lowest(p.id) + 1}
		if s.wrong == startAtCommitted {
			w.feeds[k].next = s.committed[k]
		}
	}
	s.workers[i] = w
}

// outcome does what partition.run does with an error.
func (s *schedule) outcome(w *process, k int, err error) {
	var rewind *rewindError
	var damaged *damagedError
	if errors.As(err, &damaged) {
		err = w.view.rebuild(background(), damaged.found, s.replay)
	}
	switch {
	case err == nil && damaged == nil:
		return
	case err == nil, errors.As(err, &rewind):
	case errors.Is(err, featurestore.ErrUnavailable):
		_ = w.view.Reload(background()) // it may still be down
	default:
		s.t.Fatalf("partition %v: %v", s.parts[k].id, err)
	}
	if s.wrong != keptQueue {
		w.feeds[k] = feeder{next: w.view.Lowest(s.parts[k].id) + 1}
	}
}

// feed gives a process the next records of a partition.
func (s *schedule) feed(w *process, k, most int) {
	f := &w.feeds[k]
	to := min(f.next+int64(most), s.ends[k])
	if to <= f.next {
		return
	}
	c := s.parts[k].chunk(f.next, to)
	if s.wrong == keptQueue || s.wrong == startAtCommitted {
		c.From = 0 // nor does anybody look whether it follows
	}
	if err := w.view.Apply(background(), c); err != nil {
		s.outcome(w, k, err)
		return
	}
	f.next, f.last = to, c
	s.committed[k] = max(s.committed[k], to)
}

func (s *schedule) beat(w *process, k int) {
	f := &w.feeds[k]
	if s.wrong == noHeartbeat {
		return
	}
	if f.last == nil {
		f.last = &Chunk{Partition: s.parts[k].id, Through: f.next - 1, LogTime: noLogTime}
	}
	if f.last.Through >= 0 {
		if err := w.view.Advance(background(), f.last); err != nil {
			s.outcome(w, k, err)
			return
		}
	}
	s.outcome(w, k, w.view.Audit(background()))
}

// step is one random thing that happens.
func (s *schedule) step() {
	w, k := s.workers[s.n(2)], s.n(len(s.parts))
	switch s.n(21) {
	case 20:
		s.rot()
	case 0:
		if !s.store.down {
			s.start(s.n(2))
		}
	case 1:
		s.copies = append(s.copies, s.store.snapshot())
	case 2:
		old := s.copies[s.n(len(s.copies))]
		all := s.n(2) == 0
		for _, id := range generation.LaneIDs(lanesOfSchedules) {
			if all || s.n(2) == 0 {
				s.store.failover(old, id)
			}
		}
	case 3:
		s.store.arriveLate()
	case 4:
		s.store.down = !s.store.down
		if s.n(3) > 0 {
			s.store.down = false
		}
	case 5, 6, 7, 8:
		s.ends[k] = min(s.ends[k]+int64(1+s.n(s.most+1)), s.parts[k].end())
	case 9, 10, 11:
		s.beat(w, k)
	default:
		s.feed(w, k, 1+s.n(s.most))
	}
}

// rot damages a stored entity: a flipped bit, a lost end, a part that is missing
// or another's.
func (s *schedule) rot() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	l := s.store.lanes[online.LaneID{Generation: generation, Lane: uint16(s.n(lanesOfSchedules))}]
	keys := slices.Sorted(maps.Keys(l.blobs))
	if len(keys) == 0 {
		return
	}
	key := keys[s.n(len(keys))]
	parts := l.blobs
	if l.closed[key] != nil && s.n(2) == 0 {
		parts = l.closed
	}
	blob := bytes.Clone(parts[key])
	if len(blob) == 0 {
		return // it has lost all there was
	}
	switch s.n(4) {
	case 0:
		blob = blob[:s.n(len(blob))]
	case 1:
		if other := keys[s.n(len(keys))]; other != key && parts[other] != nil {
			blob = parts[other]
		}
	case 2:
		if l.closed[key] != nil {
			delete(parts, key)
			return
		}
	default:
		at := s.n(len(blob))
		blob[at] ^= 1 << s.n(8)
	}
	parts[key] = blob
}

// replay gives what the logs hold up to some offsets; more is not written yet.
func (s *schedule) replay(_ context.Context, binding int, through map[online.Partition]int64, keep func(*featurestore.Event) bool, each func(*Chunk)) error {
	for k, p := range s.parts {
		to, wanted := through[p.id]
		if !wanted || p.id.Source != s.view.Bindings[binding].Source.Name {
			continue
		}
		c := *p.chunk(0, min(to+1, s.ends[k]))
		c.Events = slices.DeleteFunc(slices.Clone(c.Events), func(ev featurestore.Event) bool { return !keep(&ev) })
		each(&c)
	}
	return nil
}

// heal rebuilds what is damaged and was not met since.
func (s *schedule) heal() {
	for _, id := range generation.LaneIDs(lanesOfSchedules) {
		var all []damage
		for key := range s.store.lanes[id].blobs {
			all = append(all, damage{key: key, lane: id.Lane})
		}
		for key := range s.store.lanes[id].closed {
			all = append(all, damage{key: key, lane: id.Lane})
		}
		ok(s.t, s.workers[0].view.rebuild(background(), all, s.replay))
	}
}

// settle ends all faults and lets both processes run to the end, until neither
// finds anything to do. What was sent long ago may still arrive.
func (s *schedule) settle() {
	s.faults, s.store.down = false, false
	for k, p := range s.parts {
		s.ends[k] = p.end()
	}
	for quiet := 0; quiet < 2; quiet++ {
		s.heal()
		s.store.arriveLate()
		if len(s.store.late) > 0 {
			quiet = 0
		}
		for _, w := range s.workers {
			for k := range s.parts {
				before := w.view.Counts()
				s.feed(w, k, 7)
				s.beat(w, k)
				after := w.view.Counts()
				if before.Rewinds != after.Rewinds || w.feeds[k].next < s.ends[k] {
					quiet = 0
				}
			}
		}
		if s.workers[0].view.Counts().Rewinds > 10_000 {
			s.t.Fatalf("the processes never come to rest")
		}
	}
}

// explore runs one schedule and compares what it leaves.
func explore(t tester, n func(k int) int, seed uint64, wrong mutant, view *definition.StreamView) {
	r := rand.New(rand.NewPCG(seed, 1))
	parts := []*part{
		newPart(t, view, partition0("clicks", 0), randomEvents(r, 1+r.IntN(12))...),
		newPart(t, view, partition0("clicks", 1), randomEvents(r, 1+r.IntN(12))...),
		newPart(t, view, partition0("orders", 0), randomEvents(r, 1+r.IntN(12))...),
	}
	exploreParts(t, n, wrong, view, parts, 5)
}

// exploreParts runs one schedule over given logs; a feed takes up to most records.
func exploreParts(t tester, n func(k int) int, wrong mutant, view *definition.StreamView, parts []*part, most int) *schedule {
	s := newSchedule(t, n, wrong, view, parts)
	s.most = most
	for range 20 + n(80) {
		s.step()
	}
	s.settle()
	expect(t, view, parts...).check(t, s.store, generation, lanesOfSchedules)
	if wrong != noHeartbeat { // idle lanes stay behind without one
		sameStates(t, s.store, undisturbed(t, view, lanesOfSchedules, parts...))
	}
	return s
}

// TestSchedules explores thousands of random schedules; rapid prints the way to
// repeat one that fails.
func TestSchedules(t *testing.T) {
	view := activity(t)
	checks := flag.Lookup("rapid.checks").Value.String()
	if checks == "100" { // the default: a test of its own needs more
		ok(t, flag.Set("rapid.checks", fmt.Sprint(4000)))
		defer func() { ok(t, flag.Set("rapid.checks", checks)) }()
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := func(k int) int { return rapid.IntRange(0, k-1).Draw(rt, "") }
		explore(rt, n, rapid.Uint64().Draw(rt, "log"), whole, view)
	})
}

// TestSchedulesOfClosedParts is TestSchedules with few entities of many tiles, so
// that most states have a closed part, which some writes leave and some replace.
func TestSchedulesOfClosedParts(t *testing.T) {
	view := activity(t)
	closed, checks := 0, 150
	for seed := range uint64(checks) {
		r := rand.New(rand.NewPCG(seed, 3))
		var parts []*part
		for _, id := range []online.Partition{partition0("clicks", 0), partition0("orders", 0)} {
			events := randomEvents(r, 150+r.IntN(150))
			for i := range events {
				if events[i].user != "" {
					events[i].user = string(rune('a' + r.IntN(2)))
				}
			}
			parts = append(parts, newPart(t, view, id, events...))
		}
		s := exploreParts(t, r.IntN, whole, view, parts, 40)
		for _, l := range s.store.lanes {
			closed += len(l.closed)
		}
		if t.Failed() {
			t.Fatalf("schedule %d", seed)
		}
	}
	if closed < checks/2 {
		t.Errorf("%d closed parts in %d schedules: too few to show anything", closed, checks)
	}
}

// caught ends a schedule that a mutant has spoiled.
type caught struct{ reason string }

func (c *caught) Helper() {}

func (c *caught) Fatalf(format string, args ...any) {
	c.reason = fmt.Sprintf(format, args...)
	panic(c)
}

// TestMutantsAreCaught: with any one rule left out, the same schedules end wrong.
// So it is the rules that keep them right, and the explorer that would notice.
func TestMutantsAreCaught(t *testing.T) {
	view := activity(t)
	for name, wrong := range map[string]mutant{
		"no identity": noIdentity, "counted identity": countedIdentity, "greater for equal": greaterForEqual,
		"no heartbeat": noHeartbeat, "kept queue": keptQueue, "start at the committed offset": startAtCommitted,
	} {
		t.Run(name, func(t *testing.T) {
			const most = 20_000
			for seed := range uint64(most) {
				if reason := exploreMutant(seed, wrong, view); reason != "" {
					t.Logf("schedule %d: %s", seed, reason)
					return
				}
			}
			t.Errorf("%d schedules went well without the rule", most)
		})
	}
}

func exploreMutant(seed uint64, wrong mutant, view *definition.StreamView) (reason string) {
	c := &caught{}
	defer func() {
		if p := recover(); p != nil {
			if p != c {
				panic(p)
			}
			reason = c.reason
		}
	}()
	r := rand.New(rand.NewPCG(seed, 2))
	explore(c, r.IntN, seed, wrong, view)
	return ""
}
