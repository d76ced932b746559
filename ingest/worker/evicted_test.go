package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// An entity that a real server has evicted, and that no cache holds, is not begun
// anew before the eviction is seen: lookups would answer with its newest records
// alone. What the server evicted before anybody looked is nobody's.
func TestEvictedIsNotBegunAnew(t *testing.T) {
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	s, err := redis.Open(redis.Config{Addrs: []string{server.Addr()}})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	ok(t, server.Do(t.Context(), "SET", "foreign", "x", "EX", 1000))
	evict(t, server)
	ok(t, s.Check(t.Context()))

	view := activity(t)
	p := newPart(t, view, partition0("clicks", 0), manyUsers(2)...)
	half := p.end() / 2
	config := ViewConfig{View: view, ID: generation, Lanes: 1, Store: s, CacheBytes: 1 << 20, TTL: time.Hour}
	v, err := OpenView(t.Context(), config)
	ok(t, err)
	ok(t, v.Apply(t.Context(), p.chunk(0, half)))
	ok(t, v.setState(t.Context(), online.StateLive))
	restarted, err := OpenView(t.Context(), config)
	ok(t, err)
	evict(t, server)
	lane := online.LaneID{Generation: generation}
	for range 2 { // also when it is tried again
		err := restarted.Apply(t.Context(), p.chunk(half, p.end()))
		if !errors.Is(err, featurestore.ErrUnavailable) || !errors.Is(err, online.ErrEvicted) {
			t.Fatalf("a chunk of entities that were evicted: %v", err)
		}
	}
	for i := range p.events {
		key := restarted.keyOf(t, &p.events[i])
		parts, err := s.Get(t.Context(), []online.EntityID{{LaneID: lane, Key: key}})
		ok(t, err)
		if parts[0].Open != nil {
			t.Fatalf("entity %q was begun anew", key)
		}
	}
	if err := s.Check(t.Context()); !errors.Is(err, online.ErrEvicted) {
		t.Errorf("the watch is told %v", err)
	}
	ok(t, s.NoteEvicted(t.Context()))
	if evicted, err := s.Evicted(t.Context()); evicted || err != nil {
		t.Errorf("what the watch has dealt with is still said: %v", err)
	}
}

// A generation that was made after a process was arranged is lost with the others
// when that one sees an eviction: whoever fills it may not see it. Lanes that are
// not there are no error, as a batch view has none.
func TestEvictionLosesGenerationsMadeSince(t *testing.T) {
	view, s, listed := activity(t), newMemoryStore(), &modelRegistry{}
	for range 3 {
		listed.add(view, lanesOfTests)
	}
	newer := online.Generation{Project: generation.Project, View: view.Name, Number: 2}
	_, err := OpenView(t.Context(), ViewConfig{View: view, ID: newer, Lanes: lanesOfTests, Store: s})
	ok(t, err)
	w := New(Config{Project: generation.Project, Registry: listed, Online: s})
	ok(t, w.lose(t.Context()))
	lanes, err := s.Lanes(t.Context(), newer, lanesOfTests)
	ok(t, err)
	for i, l := range lanes {
		if l.Meta.State != online.StateLost {
			t.Errorf("lane %d says %v", i, l.Meta.State)
		}
	}
}

// What a server evicts while no ingester runs is seen by the next one, whose caches
// are as empty as its memory; also where the server was started again before that.
func TestEvictedWhileNobodyRan(t *testing.T) {
	for name, again := range map[string]bool{"the same run": false, "another run": true} {
		t.Run(name, func(t *testing.T) {
			p, server := newRedisPlant(t)
			p.physicalTTL = true
			view := p.apply(definitions).StreamView("activity")
			p.some(41, 60)
			p.start()
			p.right(view, 1)
			p.eventually("what was evicted until now is noted", func() bool {
				n, err := server.Ask(t.Context(), "HLEN", "{p.}:evicted")
				return err == nil && n != int64(0)
			})
			p.stop()
			ok(t, p.store.Close())
			if again {
				ok(t, server.Stop())
				ok(t, server.Restart(t.Context()))
			}
			evict(t, server)
			var err error
			p.store, err = redis.Open(redis.Config{Addrs: []string{server.Addr()}, Project: "p"})
			ok(t, err)
			p.some(42, 20)
			p.start()
			p.right(view, 1)
			p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
		})
	}
}

// evicting is a store that has evicted keys, until that is noted, and is away while
// the first LOST is to be stored.
type evicting struct {
	*memoryStore
	away  func()
	lost  bool
	noted chan bool // whether LOST was stored before
}

func (s *evicting) Check(context.Context) error { return online.ErrEvicted }

func (s *evicting) SetState(ctx context.Context, g online.Generation, state online.State, from ...online.State) error {
	if s.away != nil {
		s.away()
		s.away = nil
		return errDown
	}
	s.lost = true
	return s.memoryStore.SetState(ctx, g, state, from...)
}

func (s *evicting) NoteEvicted(context.Context) error {
	s.noted <- s.lost
	return nil
}

// That keys were evicted is not forgotten where the arrangement ends before every
// view could be said to be LOST.
func TestEvictionOutlivesTheArrangement(t *testing.T) {
	view, listed := activity(t), &modelRegistry{}
	listed.add(view, lanesOfTests)
	ctx, cancel := context.WithCancel(t.Context())
	s := &evicting{memoryStore: newMemoryStore(), away: cancel, noted: make(chan bool, 1)}
	_, err := OpenView(ctx, ViewConfig{View: view, ID: generation, Lanes: lanesOfTests, Store: s})
	ok(t, err)
	w := New(Config{Project: generation.Project, Registry: listed, Online: s, Logger: silent, Heartbeat: time.Millisecond})
	ok(t, w.watchStore(ctx, t.Context(), cancel))
	if len(s.noted) > 0 {
		t.Fatal("it is noted, and nothing is LOST")
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	ok(t, w.watchStore(ctx, t.Context(), cancel))
	if !<-s.noted {
		t.Error("it is noted before the views are LOST")
	}
	lanes, err := s.Lanes(t.Context(), generation, lanesOfTests)
	ok(t, err)
	if got := online.Worst(lanes); got != online.StateLost {
		t.Errorf("the lanes say %v", got)
	}
}

// ending is a store that has evicted keys, and whose first LOST ends the arrangement,
// as partitions of that view do.
type ending struct {
	*memoryStore
	end   func()
	noted int
}

func (s *ending) Check(context.Context) error { return online.ErrEvicted }

func (s *ending) SetState(ctx context.Context, g online.Generation, state online.State, from ...online.State) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer s.end()
	return s.memoryStore.SetState(ctx, g, state, from...)
}

func (s *ending) NoteEvicted(ctx context.Context) error {
	s.noted++
	return ctx.Err()
}

// Views that are LOST end the arrangement before every view is said to be: the others
// are said all the same, else the next arrangement would lose the first ones again.
func TestEvictionIsSaidToTheEnd(t *testing.T) {
	view, listed := activity(t), &modelRegistry{}
	ctx, cancel := context.WithCancel(t.Context())
	s := &ending{memoryStore: newMemoryStore(), end: cancel}
	var ids []online.Generation
	for n := range uint32(3) {
		listed.add(view, lanesOfTests)
		ids = append(ids, online.Generation{Project: generation.Project, View: view.Name, Number: n + 1})
		_, err := OpenView(ctx, ViewConfig{View: view, ID: ids[n], Lanes: lanesOfTests, Store: s})
		ok(t, err)
	}
	w := New(Config{Project: generation.Project, Registry: listed, Online: s, Logger: silent, Heartbeat: time.Millisecond})
	ok(t, w.watchStore(ctx, t.Context(), cancel))
	for _, id := range ids {
		lanes, err := s.Lanes(t.Context(), id, lanesOfTests)
		ok(t, err)
		if got := online.Worst(lanes); got != online.StateLost {
			t.Errorf("generation %d says %v", id.Number, got)
		}
	}
	if s.noted != 1 {
		t.Errorf("it was noted %d times", s.noted)
	}
}

// evict lets a server evict whatever has a time to live.
func evict(t *testing.T, server *redistest.Server) {
	t.Helper()
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "volatile-random"))
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "1"))
	for range 60 { // each makes room
		_ = server.Do(t.Context(), "SET", "other", "x") // refused once there is nothing left to evict
	}
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "0"))
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "noeviction"))
}

// keyOf is the key of an event's entity.
func (v *View) keyOf(t *testing.T, ev *featurestore.Event) []byte {
	t.Helper()
	if !v.entityKey(&v.view.Bindings[0], ev) {
		t.Fatalf("event %+v has no key", ev)
	}
	return v.fold.key
}
