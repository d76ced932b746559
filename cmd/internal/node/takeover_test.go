package node_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/registry"
)

const planes = switched + `---
kind: BatchSource
name: planes
files: [planes.csv]
format: csv
timestamp: {field: at, format: rfc3339}
fields: {user: string, seats: int64, at: timestamp}
---
kind: BatchView
name: plane
entity: user
source: planes
features: [{name: seats, type: int64}]
`

// The definitions of the second meaning of either view.
var (
	otherSpend = strings.NewReplacer("sum(price), window: 10m", "sum(price), window: 5m")
	otherPlane = strings.NewReplacer("features: [{name: seats, type: int64}]", "features: [{name: seats, type: double, expr: double(seats)}]")
)

// takeover is a registry alone.
type takeover struct {
	*testing.T
	parts    *node.Parts
	revision int64
}

func newTakeover(t *testing.T) *takeover {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte("project: shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(root, settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	x := &takeover{T: t, parts: node.Closed(s, node.StoredClock(), slog.New(slog.DiscardHandler))}
	if err := x.parts.OpenRegistry(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, x.parts.Close)
	x.apply(planes)
	return x
}

func (x *takeover) apply(text string) {
	x.Helper()
	applyFiles(x.T, x.parts, x.revision, []definition.File{{Path: "d.yaml", Data: []byte(text)}})
	x.revision++
}

// generation is one of a view in a state; it must be there.
func (x *takeover) generation(view string, state registry.GenerationState) registry.Generation {
	x.Helper()
	list, err := x.parts.Registry.Generations(x.Context())
	if err != nil {
		x.Fatal(err)
	}
	for _, g := range list {
		if g.View == view && g.State == state {
			return g
		}
	}
	x.Fatalf("view %q has no generation that is %s: %+v", view, state, list)
	return registry.Generation{}
}

// live makes a generation of a stream view live, as an ingester does.
func (x *takeover) live(g registry.Generation) {
	x.Helper()
	if err := x.parts.Registry.SetState(x.Context(), registry.Step{View: g.View, Number: g.Number, State: registry.Live, Keep: true}); err != nil {
		x.Fatal(err)
	}
}

// answers is the revision that answers; it must be whole.
func (x *takeover) answers() int64 {
	x.Helper()
	list, err := x.parts.Registry.Generations(x.Context())
	if err != nil {
		x.Fatal(err)
	}
	n, whole, err := registry.Choose(x.revision, registry.LiveOf(list), func(n int64) (*definition.Project, error) {
		r, err := x.parts.Registry.Revision(x.Context(), n)
		if err != nil {
			return nil, err
		}
		p, _ := definition.Load(r.Files)
		return p, nil
	})
	if err != nil || !whole {
		x.Fatalf("no revision is whole: %+v (%v)", list, err)
	}
	return n
}

func (x *takeover) wantLostRace(err error, says string) {
	x.Helper()
	if !errors.Is(err, registry.ErrLostRace) || !strings.Contains(err.Error(), says) {
		x.Errorf("error %v, want a lost race that says %q", err, says)
	}
}

// A person goes back to the generation of a stream view before while a run of a batch
// view is under way: the run's generation does not take over, which would leave no
// revision that answers. Once the person has gone on, it does.
func TestARunAmidASwitch(t *testing.T) {
	x := newTakeover(t)
	x.apply(otherSpend.Replace(planes))
	x.live(x.generation("spend", registry.Building))
	x.apply(otherPlane.Replace(otherSpend.Replace(planes)))
	filled := x.generation("plane", registry.Building)
	if n := x.answers(); n != 2 {
		t.Fatalf("revision %d answers", n)
	}
	to := func(g registry.Generation) {
		t.Helper()
		if err := x.parts.Registry.Switch(t.Context(), []registry.Choice{{View: g.View, Number: g.Number}}, "wrong currency", 1); err != nil {
			t.Fatal(err)
		}
	}
	to(x.generation("spend", registry.Standby))
	if n := x.answers(); n != 1 {
		t.Fatalf("revision %d answers", n)
	}
	x.wantLostRace(x.parts.TakeOver(t.Context(), filled), "no revision would have the meanings of all views")
	to(x.generation("spend", registry.Standby))
	raced := &applying{Store: x.parts.Registry, step: true, apply: func() { to(x.generation("spend", registry.Standby)) }}
	x.parts.Registry = raced
	x.wantLostRace(x.parts.TakeOver(t.Context(), filled), "no revision would have the meanings of all views")
	if n := x.answers(); n != 1 {
		t.Errorf("revision %d answers: the switch was overwritten", n)
	}
	to(x.generation("spend", registry.Standby))
	if err := x.parts.TakeOver(t.Context(), filled); err != nil {
		t.Fatal(err)
	}
	if n := x.answers(); n != 3 {
		t.Errorf("revision %d answers", n)
	}
	if err := x.parts.TakeOver(t.Context(), filled); err != nil {
		t.Errorf("again: %v", err)
	}
}

// Changed stream views wait for the run of the batch view of their revision, which
// waits for nobody.
func TestARunIsWaitedFor(t *testing.T) {
	x := newTakeover(t)
	x.apply(otherPlane.Replace(otherSpend.Replace(planes)))
	if err := x.parts.TakeOver(t.Context(), x.generation("plane", registry.Building)); err != nil {
		t.Fatal(err)
	}
	x.live(x.generation("spend", registry.Building))
	if n := x.answers(); n != 2 {
		t.Errorf("revision %d answers", n)
	}
}

// applying is a registry to which somebody applies something, once, just before a call.
type applying struct {
	registry.Store
	apply func()
	step  bool // before a step, not before the list of generations
}

func (r *applying) once() {
	if do := r.apply; do != nil {
		r.apply = nil
		do()
	}
}

func (r *applying) Generations(ctx context.Context) ([]registry.Generation, error) {
	if !r.step {
		r.once()
	}
	return r.Store.Generations(ctx)
}

func (r *applying) SetState(ctx context.Context, steps ...registry.Step) error {
	if r.step {
		r.once()
	}
	return r.Store.SetState(ctx, steps...)
}

// A run's values are those of one meaning: it does not go into a generation of another
// that was made while it began, and its own does not take over once it is replaced.
// What else changes meanwhile is decided on anew.
func TestARunAmidAnApply(t *testing.T) {
	x := newTakeover(t)
	raced := &applying{Store: x.parts.Registry, apply: func() { x.apply(otherPlane.Replace(planes)) }}
	x.parts.Registry = raced
	runs, err := x.parts.RunTargets(t.Context())
	if g := x.generation("plane", registry.Live); err != nil || runs.Revision != 1 || runs.Into["plane"] != g || g.Number != 1 {
		t.Errorf("values of revision 1 go into %+v, %v", runs, err)
	}
	runs, err = x.parts.RunTargets(t.Context())
	if err != nil || runs.Revision != 2 || runs.Into["plane"] != x.generation("plane", registry.Building) {
		t.Fatalf("%+v, %v", runs, err)
	}
	raced.apply = func() {
		x.apply(strings.ReplaceAll(planes, "seats", "chairs"))
		x.live(x.generation("plane", registry.Building))
	}
	_, err = x.parts.RunTargets(t.Context())
	x.wantLostRace(err, "revision 3 was applied meanwhile")
	x.apply(otherPlane.Replace(planes))
	runs, err = x.parts.RunTargets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raced.step, raced.apply = true, func() { x.apply(strings.ReplaceAll(planes, "seats", "chairs")) }
	x.wantLostRace(x.parts.TakeOver(t.Context(), runs.Into["plane"]), "another revision was applied meanwhile")
	if n := x.answers(); n != 5 {
		t.Errorf("revision %d answers", n)
	}
	x.apply(otherPlane.Replace(planes))
	raced.apply = func() {
		x.apply(otherPlane.Replace(planes) + "---\nkind: FeatureService\nname: more\nfeatures: [spend.n]\n")
	}
	if err := x.parts.TakeOver(t.Context(), x.generation("plane", registry.Building)); err != nil {
		t.Fatal(err)
	}
	if n := x.answers(); n != 7 {
		t.Errorf("revision %d answers", n)
	}
}

// A run of a batch view waits for the stream views that changed with it, as long as lookups
// are whole without it, and until their lanes are filled.
func TestARunWaitsForStreamViews(t *testing.T) {
	x := newTakeover(t)
	store, err := embedded.Open(embedded.Config{Dir: t.TempDir(), Now: func() featurestore.Instant { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	x.parts.Online = store
	lanes := func(g registry.Generation, s online.State) {
		t.Helper()
		id := online.Generation{Project: "shop", View: g.View, Number: g.Number}
		err := store.Create(t.Context(), id, online.Meta{Definition: g.Hash, StateVersion: definition.StateVersion, Lanes: g.Lanes, State: online.StateBuilding})
		if err == nil {
			err = store.SetState(t.Context(), id, s)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(views ...string) {
		t.Helper()
		got, err := x.parts.Unready(t.Context())
		if err != nil || !slices.Equal(got, views) {
			t.Errorf("unready are %v (%v), want %v", got, err, views)
		}
	}
	x.apply(otherPlane.Replace(otherSpend.Replace(planes)))
	want("spend") // there are no lanes yet
	spend := x.generation("spend", registry.Building)
	for _, s := range []online.State{online.StateBuilding, online.StateGap} {
		lanes(spend, s)
		want("spend")
	}
	lanes(spend, online.StateCatchingUp)
	want()
	x.apply(planes)
	x.apply(otherPlane.Replace(planes))                     // whole with the stream view as it is
	x.apply(otherPlane.Replace(otherSpend.Replace(planes))) // and then the one before is
	want()
}
