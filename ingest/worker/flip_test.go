package worker

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// spendingToo is a second view, which changes together with the first one here.
const spendingToo = `---
kind: StreamView
name: spending
entity: user
source: orders
features: [{name: most, agg: max(v), window: 1d}]
`

// changedBoth gives another meaning to both views.
func changedBoth(text string) string {
	return strings.Replace(strings.Replace(text, "window: 10m, offset: 1m", "window: 5m", 1), "max(v)", "min(v)", 1)
}

// A generation that would take over where no revision has the meanings of all views
// then waits, and says why and what to run; it takes over once that is done. One whose
// view means something else by now never does.
func TestAFlipKeepsARevisionWhole(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	first := definitions + spendingToo
	p.apply(first)
	p.some(71, 60)
	p.start()
	p.apply(changedBoth(first))
	both := func(n uint32) func() bool {
		return func() bool { return p.live("activity") == n && p.live("spending") == n }
	}
	p.eventually("the second revision answers", both(2))
	switchTo := func(n uint32) {
		t.Helper()
		to := []registry.Choice{{View: "activity", Number: n}, {View: "spending", Number: n}}
		ok(t, p.registry.Switch(t.Context(), to, "a person", wallClock()))
	}
	switchTo(1)

	// As an earlier release ordered it: the newest revision's meaning, of one view.
	g := p.order(changedBoth(first))
	waits := func(number uint32, words string) func() bool {
		return func() bool {
			why := p.worker.Troubles()[online.Generation{Project: "p", View: "activity", Number: number}]
			return strings.Contains(why, words)
		}
	}
	p.eventually("it waits", waits(g.Number, `behind is generation 1 of view "spending", of revision 1 (next: freshet apply)`))
	if p.live("activity") != 1 || p.live("spending") != 1 {
		t.Fatalf("live are %d and %d", p.live("activity"), p.live("spending"))
	}
	p.apply(changedBoth(first)) // what it says: the one that is kept takes over too
	p.eventually("both take over", func() bool { return p.live("activity") == g.Number && p.live("spending") == 2 })
	p.eventually("nothing waits", func() bool { return len(p.worker.Troubles()) == 0 })

	// One of the older meaning, which answered when it was ordered.
	p.stop()
	switchTo(1)
	revision, err := p.registry.CurrentNumber(t.Context())
	ok(t, err)
	o := registry.Order{
		Target:   registry.Target{View: "activity", Hash: load(t, first).StreamView("activity").Hash},
		Revision: revision, Meaning: 1, Reason: "a test asked for it", At: wallClock(),
	}
	old, err := p.registry.Rebuild(t.Context(), o)
	ok(t, err)
	ok(t, p.registry.Switch(t.Context(), []registry.Choice{{View: "activity", Number: g.Number}, {View: "spending", Number: 2}}, "a person", wallClock()))
	p.start()
	p.eventually("it does not take over", waits(old.Number, "(next: freshet backfill activity"))
	p.settled(load(t, first).StreamView("activity"), old.Number)
	if p.live("activity") != g.Number || p.live("spending") != 2 {
		t.Errorf("live are %d and %d", p.live("activity"), p.live("spending"))
	}
}

// A backfill of the meaning that answers after a switch back takes over alone.
func TestBackfillAfterASwitchBack(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	first := definitions + spendingToo
	project := p.apply(first)
	p.some(72, 60)
	p.start()
	p.apply(changedBoth(first))
	p.eventually("the second revision answers", func() bool { return p.live("activity") == 2 && p.live("spending") == 2 })
	to := []registry.Choice{{View: "activity", Number: 1}, {View: "spending", Number: 1}}
	ok(t, p.registry.Switch(t.Context(), to, "a person", wallClock()))
	g, err := p.registry.Rebuild(t.Context(), registry.Order{
		Target:   registry.Target{View: "activity", Hash: project.StreamView("activity").Hash},
		Revision: 2, Meaning: 1, Reason: "a test asked for it", At: wallClock(),
	})
	ok(t, err)
	p.eventually("it takes over", func() bool { return p.live("activity") == g.Number })
	p.some(73, 40)
	p.right(project.StreamView("activity"), g.Number)
	p.right(project.StreamView("spending"), 1)
	if p.live("spending") != 1 {
		t.Errorf("generation %d of the other view is live", p.live("spending"))
	}
}
