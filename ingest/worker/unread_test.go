package worker

import (
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// apart is a view of each topic: where there are two ingesters, the one that leads,
// because it has the first partition of clicks, reads nothing of orders.
const apart = `---
kind: StreamView
name: ordered
entity: user
sources: [orders]
features:
  - {name: total, agg: sum(v), window: 1h}
`

// newApart is a plant of two ingesters with a view that the leader does not read.
func newApart(t *testing.T) (p *plant, view *definition.StreamView) {
	t.Helper()
	p, _ = newShared(t)
	text := strings.Replace(definitions, "sources: [clicks, orders]", "sources: [clicks]", 1)
	view = p.apply(text + apart).StreamView("ordered")
	p.worker = p.member()
	t.Cleanup(func() { p.worker = nil })
	second := p.member()
	p.some(1, 60)
	p.eventually("the one that leads reads nothing of orders", func() bool {
		a, b := p.worker.Reading(), second.Reading()
		return len(a)+len(b) == 3 && (slices.Equal(a, []online.Partition{partition0("clicks", 0)}) || slices.Equal(b, []online.Partition{partition0("clicks", 0)}))
	})
	p.right(view, 1)
	return p, view
}

// Lanes of a view that the leader reads nothing of are made anew where they are
// gone, and where they say LOST.
func TestLanesThatTheLeaderDoesNotReadAreMadeAnew(t *testing.T) {
	id := online.Generation{Project: "p", View: "ordered", Number: 1}
	for name, lose := range map[string]func(*plant) error{
		"gone":     func(p *plant) error { return p.store.Drop(p.t.Context(), id, lanesOfTests) },
		"LOST":     func(p *plant) error { return p.store.SetState(p.t.Context(), id, online.StateLost) },
		"BUILDING": func(p *plant) error { return p.store.SetState(p.t.Context(), id, online.StateBuilding) },
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newApart(t)
			ok(t, lose(p))
			p.some(2, 60)
			p.eventually("it is live again", func() bool { return p.state("ordered", 1) == online.StateLive })
			p.right(view, 1)
		})
	}
}

// A generation of such a view is made live, and one in a GAP answers again.
func TestViewsThatTheLeaderDoesNotReadBecomeLive(t *testing.T) {
	p, _ := newApart(t)
	text := strings.Replace(definitions, "sources: [clicks, orders]", "sources: [clicks]", 1)
	changed := p.apply(text + strings.Replace(apart, "1h", "2h", 1)).StreamView("ordered")
	p.eventually("the changed view is live", func() bool { return p.live("ordered") == 2 && p.state("ordered", 2) == online.StateLive })
	p.some(3, 60)
	p.right(changed, 2)
	ok(t, p.store.SetState(t.Context(), online.Generation{Project: "p", View: "ordered", Number: 2}, online.StateGap))
	p.eventually("it answers again", func() bool { return p.state("ordered", 2) == online.StateLive })
}

// A definition that is taken back makes the generation before BUILDING again, whose
// lanes say LIVE: it takes over, also where others read some of its partitions.
func TestTakenBackWithOthers(t *testing.T) {
	p, _ := newShared(t)
	p.worker = p.member()
	t.Cleanup(func() { p.worker = nil })
	second := p.member()
	p.some(1, 60)
	p.eventually("both read", func() bool { return feeds(p.worker) > 0 && feeds(second) > 0 })
	changed := strings.Replace(definitions, "window: 10m, offset: 1m", "window: 5m", 1)
	p.apply(changed)
	p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 })
	view := p.apply(definitions).StreamView("activity")
	p.eventually("the one before is live again", func() bool { return p.live("activity") == 1 })
	p.some(2, 60)
	p.right(view, 1)
}
