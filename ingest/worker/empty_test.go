package worker

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// A registry that went back to an older copy gives a number that the store knows
// under another definition. That generation is broken, its lanes are left alone, the
// live one goes on, and the next number takes over.
func TestANumberThatTheStoreKnowsOtherwise(t *testing.T) {
	p, view := newActivity(t)
	p.start()
	p.some(1, 60)
	p.right(view, 1)
	second := online.Generation{Project: "p", View: "activity", Number: 2}
	meta := online.Meta{Definition: [16]byte{1}, StateVersion: definition.StateVersion, Lanes: lanesOfTests, State: online.StateLive}
	ok(t, p.store.Create(t.Context(), second, meta))

	order := registry.Order{Target: registry.Target{View: "activity", Hash: view.Hash}, Revision: 1, Reason: "test"}
	g, err := p.registry.Rebuild(t.Context(), order)
	ok(t, err)
	if g.Number != 2 {
		t.Fatalf("the generation is %d", g.Number)
	}
	p.eventually("it is broken", func() bool { return p.registered("activity", 2).State == registry.Broken })
	if why := p.registered("activity", 2).Reason; !strings.Contains(why, "freshet backfill activity") {
		t.Errorf("the reason is %q", why)
	}
	p.some(2, 60)
	p.right(view, 1)
	lanes, err := p.store.Lanes(t.Context(), second, lanesOfTests)
	ok(t, err)
	if lanes[0].Meta != meta {
		t.Errorf("its lanes are %+v now", lanes[0].Meta)
	}

	_, err = p.registry.Rebuild(t.Context(), order)
	ok(t, err)
	p.eventually("the next is live", func() bool { return p.live("activity") == 3 })
	p.right(view, 3)
}
