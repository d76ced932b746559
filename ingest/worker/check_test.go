package worker

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/transforms/window"
)

// order asks for a new generation of the activity view's meaning.
func (p *plant) order(text string) registry.Generation {
	p.t.Helper()
	revision, err := p.registry.CurrentNumber(p.t.Context())
	ok(p.t, err)
	o := registry.Order{
		Target:   registry.Target{View: "activity", Hash: load(p.t, text).StreamView("activity").Hash},
		Revision: revision, Reason: "a test asked for it", At: wallClock(),
	}
	g, err := p.registry.Rebuild(p.t.Context(), o)
	ok(p.t, err)
	return g
}

// registered is what the registry says of a generation; RETIRED where it is not listed.
func (p *plant) registered(view string, number uint32) registry.Generation {
	p.t.Helper()
	list, err := p.registry.Generations(p.t.Context())
	ok(p.t, err)
	for _, g := range list {
		if g.View == view && g.Number == number {
			return g
		}
	}
	return registry.Generation{View: view, Number: number, State: registry.Retired}
}

// corrupting is a store that changes what is written of some entities of one
// generation.
type corrupting struct {
	online.Store
	number atomic.Uint32
	how    func(w *online.Write) (keep bool)
	done   atomic.Int64
}

func (c *corrupting) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	changed := slices.Clone(batches) // the worker reads its own again
	for i := range changed {
		if changed[i].Lane.Number != c.number.Load() {
			continue
		}
		changed[i].Writes = nil
		for _, w := range batches[i].Writes {
			if w.Key[len(w.Key)-1]%2 == 0 {
				c.done.Add(1)
				if !c.how(&w) {
					continue
				}
			}
			changed[i].Writes = append(changed[i].Writes, w)
		}
	}
	return c.Store.Apply(ctx, changed)
}

// otherValues makes a whole blob with the same applied list and other values in it.
func otherValues(view *definition.StreamView, w *online.Write) bool {
	h, s := codec.Header{Definition: view.Hash, Key: w.Key}, new(window.State)
	if codec.DecodeEntity(w.Blob, w.Closed, h, view.Plan, s) != nil {
		panic("the test's view splits its states")
	}
	other := new(window.State)
	for _, a := range s.Applied {
		row := window.Row{Time: featurestore.EventTime(a.MaxLogTime), LogTime: a.MaxLogTime, Inputs: make([]featurestore.Value, len(view.Bindings[a.Source].Inputs))}
		row.PartitionID, row.Offset = a.PartitionID, a.Offset
		view.Plan.Apply(other, &row)
	}
	view.Plan.Settle(other)
	w.Blob, _ = codec.AppendEntity(nil, nil, h, view.Plan, other)
	return true
}

// A generation of the same meaning is filled beside the live one, checked, and
// takes over; the one before is kept and written on.
func TestBackfill(t *testing.T) {
	p, view := newActivity(t)
	p.some(61, 60)
	p.start()
	p.right(view, 1)
	g := p.order(definitions)
	if g.Number != 2 {
		t.Fatalf("ordered %+v", g)
	}
	p.some(62, 40)
	p.eventually("the new generation is live", func() bool { return p.live("activity") == 2 && p.state("activity", 2) == online.StateLive })
	if got := p.registered("activity", 1); got.State != registry.Standby || got.Since == 0 {
		t.Fatalf("the one before is %+v", got)
	}
	p.some(63, 40)
	p.right(view, 2)
	p.right(view, 1)
	ok(t, p.registry.Switch(t.Context(), []registry.Choice{{View: "activity", Number: 1}}, "a person", wallClock()))
	p.some(64, 40)
	p.right(view, 1)
	p.right(view, 2)
	if p.live("activity") != 1 || p.state("activity", 1) != online.StateLive || p.state("activity", 2) != online.StateLive {
		t.Error("after the switch it is not the first that answers, or the second is no longer ready")
	}
}

// Mutants: a generation whose values are not those of history never answers, in
// whatever way it is wrong, and the one before goes on.
func TestCorruptedGenerationNeverAnswers(t *testing.T) {
	for name, mutant := range map[string]struct {
		how    func(view *definition.StreamView, w *online.Write) bool
		reason string
	}{
		"an entity is missing": {func(*definition.StreamView, *online.Write) bool { return false }, "not stored"},
		"other values":         {otherValues, "not those that its records give"},
		"a flipped bit": {func(_ *definition.StreamView, w *online.Write) bool {
			w.Blob = bytes.Clone(w.Blob)
			w.Blob[len(w.Blob)-1] ^= 1
			return true
		}, "checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			c := &corrupting{how: func(w *online.Write) bool { return mutant.how(view, w) }}
			c.number.Store(2)
			p.configure = func(config *Config) { c.Store, config.Online = config.Online, c }
			p.some(65, 60)
			p.start()
			p.right(view, 1)
			p.order(definitions)
			p.eventually("it is broken", func() bool { return p.registered("activity", 2).State == registry.Broken })
			if c.done.Load() == 0 {
				t.Fatal("nothing was corrupted")
			}
			if g := p.registered("activity", 2); !strings.Contains(g.Reason, mutant.reason) {
				t.Errorf("the reason is %q, want it to say %q", g.Reason, mutant.reason)
			}
			if p.live("activity") != 1 || p.state("activity", 2) == online.StateLive {
				t.Error("the broken generation answers")
			}
			p.some(66, 20)
			p.right(view, 1)
			c.number.Store(0) // the fault is mended: the next attempt succeeds
			p.order(definitions)
			p.eventually("a sound one is live", func() bool { return p.live("activity") == 3 })
			p.right(view, 3)
		})
	}
}

// A changed view whose generation is broken holds back the others of its
// revision: the revision before goes on answering, whole.
func TestBrokenHoldsBackItsRevision(t *testing.T) {
	const second = `---
kind: StreamView
name: spending
entity: user
source: orders
features: [{name: most, agg: max(v), window: 1d}]
`
	p, view := newActivity(t)
	both := p.apply(definitions + second)
	c := &corrupting{how: func(w *online.Write) bool { w.Blob = append(bytes.Clone(w.Blob), 0); return true }}
	c.number.Store(2)
	p.configure = func(config *Config) { c.Store, config.Online = config.Online, onlyOf{c, "activity"} }
	p.some(67, 60)
	p.start()
	p.right(view, 1)
	p.right(both.StreamView("spending"), 1)
	changed := strings.Replace(strings.Replace(definitions+second, "window: 10m, offset: 1m", "window: 5m", 1), "max(v)", "min(v)", 1)
	p.apply(changed)
	p.eventually("it is broken", func() bool { return p.registered("activity", 2).State == registry.Broken })
	p.eventually("the other is filled", func() bool { return p.state("spending", 2) == online.StateCatchingUp })
	p.settled(both.StreamView("spending"), 2)
	if p.live("activity") != 1 || p.live("spending") != 1 {
		t.Errorf("live are %d and %d", p.live("activity"), p.live("spending"))
	}
	c.number.Store(0)
	p.order(changed)
	p.eventually("both take over", func() bool { return p.live("activity") == 3 && p.live("spending") == 2 })
}

// onlyOf corrupts one view alone.
type onlyOf struct {
	*corrupting
	view string
}

func (o onlyOf) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	if len(batches) > 0 && batches[0].Lane.View != o.view {
		return o.Store.Apply(ctx, batches)
	}
	return o.corrupting.Apply(ctx, batches)
}

// A sample is the same whatever the order of the events, and complete: an entity
// that was passed over is not taken up again.
func TestSampleIsComplete(t *testing.T) {
	view := activity(t)
	r := rand.New(rand.NewPCG(68, 1))
	var events []event
	for i := range 3000 {
		e := user(string(rune(0x61+r.IntN(26)))+string(rune(0x61+r.IntN(8))), int64(i), int64(i))
		events = append(events, e)
	}
	whole := newPart(t, view, partition0("orders", 0), events...)
	count := map[string]int{}
	s := newSample(view, lanesOfTests, sampling{rank: func(h uint64) uint64 { return h }, least: 20, most: 20, rowLimit: 200})
	for from := int64(0); from < whole.end(); from += 100 {
		s.take(whole.chunk(from, from+100), 1)
	}
	for i := range whole.events {
		if s.keyOf(&view.Bindings[1], &whole.events[i]) {
			count[string(s.key)]++
		}
	}
	if len(s.byKey) == 0 || len(s.byKey) > 20 || s.rows > 200 {
		t.Fatalf("%d entities with %d rows", len(s.byKey), s.rows)
	}
	for key, e := range s.byKey {
		if len(e.rows) != count[key] {
			t.Errorf("of %q there are %d rows, want %d", key, len(e.rows), count[key])
		}
		for other := range count {
			if rank := xxh3.HashString(other); rank < e.rank && s.byKey[other] == nil {
				t.Errorf("%q was passed over", other)
			}
		}
	}
}
