package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/load"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
)

// sampler looks up entities all the time, as clients do, also while things
// break. What it was told is judged afterwards: a value must be the oracle's at
// the positions that came with it, whatever happened.
type sampler struct {
	world *world
	r     *rand.Rand
	end   context.CancelFunc
	done  chan struct{}

	mu     sync.Mutex
	kept   []sample
	asked  int64
	fault  time.Time // the last fault; zero for none
	said   time.Time // when something was first said after it
	reach  map[string]map[featurestore.PartitionID]int64
	behind struct{ first, last time.Time } // answers older than earlier ones, which said nothing
}

type sample struct {
	view *definition.StreamView
	key  []featurestore.Value
	answer
}

const (
	sampleEvery = 20 * time.Millisecond
	sampledRows = 8
	keptSamples = 600
)

// watch begins to sample; it goes on until the world closes.
func (w *world) watch() {
	ctx, cancel := context.WithCancel(w.ctx)
	s := &sampler{world: w, r: rand.New(rand.NewPCG(w.r.Uint64(), 3)), end: cancel, done: make(chan struct{}), reach: map[string]map[featurestore.PartitionID]int64{}}
	w.seen = s
	defs, gen := w.defs, w.gen.Mix
	go func() {
		defer close(s.done)
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			view := defs.StreamViews[s.r.IntN(len(defs.StreamViews))]
			s.look(ctx, view, s.keys(view, gen.Users, gen.Pages))
		}
	}()
}

func (s *sampler) stop() {
	s.end()
	<-s.done
}

func (s *sampler) keys(view *definition.StreamView, users, pages int) [][]featurestore.Value {
	var keys [][]featurestore.Value
	for range sampledRows {
		if view.Name == "pages" {
			kind := []string{"view", "cart", "buy", "läse", "back", "x"}[s.r.IntN(6)]
			keys = append(keys, []featurestore.Value{featurestore.Int64Value(s.r.Int64N(int64(pages))), featurestore.StringValue(kind)})
			continue
		}
		keys = append(keys, []featurestore.Value{featurestore.StringValue(fmt.Sprintf("u%d", s.r.IntN(users)))})
	}
	return keys
}

func (s *sampler) look(ctx context.Context, view *definition.StreamView, keys [][]featurestore.Value) {
	at := s.world.ledger.Newest() + featurestore.Instant(s.r.Int64N(int64(20*featurestore.Minute)))
	answers, err := s.world.api.get(ctx, view, keys, at)
	status, statusErr := s.world.status()
	troubled := s.world.troubled(ctx)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	speaks := err != nil || statusErr != nil
	if statusErr == nil {
		speaks = speaks || status.states[view.Name] != running || troubled
	}
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errRefused) {
			s.world.say("a lookup failed: %v", err)
		}
		s.speak(now)
		return
	}
	for i := range answers {
		first := answers[i].cells[0].Status
		if first == featurestore.Rebuilding || first == featurestore.StatusError {
			speaks = true
			continue
		}
		s.note(view, keys[i], &answers[i], now, speaks)
	}
	if speaks {
		s.speak(now)
	}
}

func (s *sampler) speak(now time.Time) {
	if !s.fault.IsZero() && s.said.IsZero() {
		s.said = now
	}
}

// note keeps a part of the answers, and sees whether one is older than an
// earlier one of the same entity.
func (s *sampler) note(view *definition.StreamView, key []featurestore.Value, a *answer, now time.Time, speaks bool) {
	if len(s.kept) < keptSamples {
		s.kept = append(s.kept, sample{view, key, *a})
	} else if i := s.r.Int64N(s.asked * sampledRows); i < keptSamples {
		s.kept[i] = sample{view, key, *a}
	}
	name := view.Name + "/" + keyText(key)
	reach := s.reach[name]
	if reach == nil {
		reach = map[featurestore.PartitionID]int64{}
		s.reach[name] = reach
	}
	for p, offset := range reach {
		if e := a.applied.Find(p); (e == nil || e.Offset < offset) && !speaks {
			if s.behind.first.IsZero() {
				s.behind.first = now
			}
			s.behind.last = now
			break
		}
	}
	for _, e := range a.applied {
		reach[e.PartitionID] = max(reach[e.PartitionID], e.Offset)
	}
}

// struck says that a fault was injected now.
func (w *world) struck() {
	w.result.Injected++
	if w.seen == nil {
		return
	}
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	w.seen.fault, w.seen.said = time.Now(), time.Time{}
	w.seen.behind.first, w.seen.behind.last = time.Time{}, time.Time{}
}

// mended takes the times since the last fault: until something was said, until
// now, and for how long answers were older than earlier ones and did not say so.
func (w *world) mended() {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	s := w.seen
	if s.fault.IsZero() {
		return
	}
	w.result.repaired(time.Since(s.fault))
	if !s.said.IsZero() {
		w.result.detected(s.said.Sub(s.fault))
	}
	if !s.behind.first.IsZero() {
		w.result.silent(s.behind.last.Sub(s.fault))
	}
	s.fault = time.Time{}
}

// verifySeen judges what the sampler was told, and begins anew.
func (w *world) verifySeen() error {
	if w.seen == nil {
		return nil
	}
	s := w.seen
	s.mu.Lock()
	kept := s.kept
	s.kept = nil
	w.result.Lookups += s.asked
	s.asked = 0
	s.mu.Unlock()
	return w.judgeSamples(kept)
}

func (w *world) judgeSamples(kept []sample) error {
	byView := map[*definition.StreamView]map[string]*load.Entity{}
	for i := range kept {
		x := &kept[i]
		x.view = w.meaning(x.view, x.made)
		entities := byView[x.view]
		if entities == nil {
			var err error
			if entities, err = w.ledger.Rows(x.view); err != nil {
				return err
			}
			byView[x.view] = entities
		}
		var types []featurestore.Type
		for _, k := range x.view.Entity.Keys {
			types = append(types, k.Type)
		}
		key, err := codec.AppendKey(nil, types, x.key)
		if err != nil {
			return err
		}
		e := entities[string(key)]
		if e == nil {
			e = &load.Entity{Key: x.key, Bytes: key}
		}
		w.result.Sampled++
		if err := w.judge(x.view, e, &x.answer); err != nil {
			return err
		}
	}
	return nil
}
