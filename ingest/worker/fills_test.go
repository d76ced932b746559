package worker

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/history"
)

// A fill that waits for a part keeps no other from its turn, and no partition from going
// on.
func TestAFillThatWaitsLetsOthersGo(t *testing.T) {
	for name, away := range map[string]error{"a part is away": featurestore.Unavailablef("the schema registry is away"), "the archive is being put in order": history.ErrBusy} {
		t.Run(name, func(t *testing.T) { testFillThatWaits(t, away) })
	}
}

func testFillThatWaits(t *testing.T, away error) {
	spy := &spyWidener{}
	var back atomic.Bool
	p := newRich(t, func(c *Config) { spy.Widener, c.Widener = c.Widener, spy })
	spy.fail = func() error {
		if back.Load() {
			return nil
		}
		return away
	}
	const other = "---\nkind: StreamView\nname: zeta\nentity: user\nsource: clicks\nfeatures:\n  - {name: n, agg: count, window: 10m}\n"
	second := p.apply(moreRead() + other).StreamView("activity")
	p.eventually("the other is filled", func() bool { return p.state("zeta", 1) == online.StateCatchingUp })
	parts := func() []*partition {
		p.worker.mu.Lock()
		defer p.worker.mu.Unlock()
		return slices.Clone(p.worker.parts)
	}
	tries := func() int {
		p.worker.mu.Lock()
		defer p.worker.mu.Unlock()
		return p.worker.views[online.Generation{Project: "p", View: "activity", Number: 2}].tries
	}
	var before []*partition
	for range 2 { // the other's end has arranged them anew once
		n := tries()
		before = parts()
		p.eventually("the fill was tried again", func() bool { return tries() > n })
	}
	if !slices.Equal(before, parts()) {
		t.Error("partitions were arranged anew meanwhile")
	}
	back.Store(true)
	p.eventually("both are live", func() bool { return p.live("activity") == 2 && p.live("zeta") == 1 })
	p.right(second, 2)
}

// Fills go by who waits for them; those that have found a part away come last.
func TestOrderOfFills(t *testing.T) {
	w := &Worker{views: map[online.Generation]*running{}}
	for _, r := range []struct {
		view  string
		state registry.GenerationState
		tries int
		full  bool
	}{{"a", registry.Building, 0, false}, {"b", registry.Standby, 0, false}, {"c", registry.Live, 1, false}, {"d", registry.Live, 0, false}, {"e", registry.Live, 0, true}} {
		id := online.Generation{View: r.view, Number: 1}
		w.views[id] = &running{view: &View{id: id}, state: r.state, tries: r.tries, full: r.full}
	}
	got := ""
	for _, v := range w.unfilled() {
		got += v.id.View
	}
	if got != "dbac" {
		t.Errorf("%q, want d, which answers, b, which is kept, a, and c, which was tried", got)
	}
}

// A fill that has found a part away waits longer each time, and ends no arrangement; any
// other end does.
func TestFillsWait(t *testing.T) {
	now := featurestore.Instant(base)
	f := newFills(&Worker{c: Config{Now: func() featurestore.Instant { return now }, Logger: silent}})
	var waits []time.Duration
	for range 7 {
		if !f.ended(t.Context(), featurestore.Unavailablef("away")) {
			t.Error("it ends the arrangement")
		}
		waits = append(waits, f.wait)
	}
	if want := []time.Duration{2e8, 4e8, 8e8, 16e8, 32e8, 5e9, 5e9}; !slices.Equal(waits, want) || f.since != now {
		t.Errorf("it waits %v, want %v", waits, want)
	}
	if f.ended(t.Context(), nil) || f.ended(t.Context(), errors.New("other")) {
		t.Error("it goes on as it was")
	}
}
