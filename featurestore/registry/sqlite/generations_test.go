package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// lifeOf is a registry with one view at revision 1.
type lifeOf struct {
	t        *testing.T
	s        *sqlite.Store
	revision int64
}

func newLife(t *testing.T) *lifeOf {
	t.Helper()
	l := &lifeOf{t: t, s: open(t, filepath.Join(t.TempDir(), "registry.db"))}
	l.apply(1)
	return l
}

func (l *lifeOf) apply(h byte) {
	l.t.Helper()
	if _, err := l.s.Apply(l.t.Context(), l.revision, revision("x"), []registry.Target{{View: "v", Hash: hash(h)}}); err != nil {
		l.t.Fatal(err)
	}
	l.revision++
}

func (l *lifeOf) step(number uint32, state registry.GenerationState) error {
	return l.s.SetState(l.t.Context(), registry.Step{View: "v", Number: number, State: state, Reason: "test", At: 9, Keep: true})
}

func (l *lifeOf) order(h byte) (registry.Generation, error) {
	o := registry.Order{Target: registry.Target{View: "v", Hash: hash(h)}, Revision: l.revision, Reason: "asked for", At: 8}
	return l.s.Rebuild(l.t.Context(), o)
}

func (l *lifeOf) text() string {
	l.t.Helper()
	list, err := l.s.Generations(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	out := ""
	for _, g := range list {
		out += fmt.Sprintf("%d:%s ", g.Number, g.State)
	}
	return out
}

func (l *lifeOf) want(text string) {
	l.t.Helper()
	if got := l.text(); got != text {
		l.t.Fatalf("generations are %q, want %q", got, text)
	}
}

func (l *lifeOf) ok(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lifeOf) lost(err error) {
	l.t.Helper()
	if !errors.Is(err, registry.ErrLostRace) {
		l.t.Fatalf("got %v, want a lost race", err)
	}
}

// A generation of the same meaning is built, takes over, and can be gone back
// from; what was asked for twice is one.
func TestRebuildAndSwitch(t *testing.T) {
	l := newLife(t)
	before, err := l.s.Changes(t.Context())
	l.ok(err)
	g, err := l.order(1)
	l.ok(err)
	if g.Number != 2 || g.State != registry.Building || g.Hash != hash(1) || g.Since != 8 || g.Reason != "asked for" {
		t.Fatalf("ordered %+v", g)
	}
	again, err := l.order(1)
	l.ok(err)
	if again != g {
		t.Fatalf("ordered again: %+v", again)
	}
	_, err = l.order(7)
	l.lost(err)
	if after, err := l.s.Changes(t.Context()); err != nil || after != before+1 {
		t.Fatalf("%d changes after %d, %v", after, before, err)
	}
	l.ok(l.step(2, registry.Live))
	l.want("1:STANDBY 2:LIVE ")
	choice := []registry.Choice{{View: "v", Number: 1}}
	l.ok(l.s.Switch(t.Context(), choice, "a person", 10))
	l.ok(l.s.Switch(t.Context(), choice, "a person", 10)) // it is so already
	l.want("1:LIVE 2:STANDBY ")
	l.apply(1) // the same meaning: nothing to do
	l.want("1:LIVE 2:STANDBY ")
	_, err = l.order(1)
	l.ok(err)
	l.ok(l.step(3, registry.Live))
	l.want("1:STANDBY 3:LIVE ") // one is kept
	l.lost(l.s.Switch(t.Context(), []registry.Choice{{View: "v", Number: 1}, {View: "v", Number: 2}}, "", 1))
	l.want("1:STANDBY 3:LIVE ") // all of a switch, or nothing
	if err := l.s.Switch(t.Context(), []registry.Choice{{View: "v", Number: 9}}, "", 1); !errors.Is(err, featurestore.ErrNotFound) {
		t.Fatalf("an unknown generation: %v", err)
	}
	stale := registry.Order{Target: registry.Target{View: "v", Hash: hash(1)}, Revision: l.revision - 1}
	_, err = l.s.Rebuild(t.Context(), stale)
	l.lost(err)
}

// Going back to a meaning that is still written needs no new generation: it is
// checked and takes over again. One that is building under another one has no use.
func TestMeaningComesBack(t *testing.T) {
	l := newLife(t)
	l.apply(2)
	l.ok(l.step(2, registry.Live))
	l.apply(1)
	l.want("1:BUILDING 2:LIVE ")
	l.apply(2)
	l.want("2:LIVE ")
	l.apply(3)
	l.want("2:LIVE 3:BUILDING ")
	l.ok(l.step(3, registry.Broken))
	l.want("2:LIVE 3:BROKEN ")
	l.lost(l.step(3, registry.Live))
	_, err := l.order(3) // tried again
	l.ok(err)
	l.want("2:LIVE 4:BUILDING ")
}

// What is retired stays so until it is dropped, and its number is never given again.
func TestRetiredIsTheEnd(t *testing.T) {
	l := newLife(t)
	_, err := l.order(1)
	l.ok(err)
	l.ok(l.step(2, registry.Live))
	l.lost(l.step(2, registry.Retired))
	l.lost(l.step(2, registry.Dropped))
	l.ok(l.step(1, registry.Retired))
	for _, s := range []registry.GenerationState{registry.Live, registry.Building, registry.Standby, registry.Broken} {
		l.lost(l.step(1, s))
	}
	l.lost(l.s.Switch(t.Context(), []registry.Choice{{View: "v", Number: 1}}, "", 1))
	gone, err := l.s.Retired(t.Context())
	l.ok(err)
	if len(gone) != 1 || gone[0].Number != 1 || gone[0].Since != 9 {
		t.Fatalf("retired are %+v", gone)
	}
	l.ok(l.step(1, registry.Dropped))
	if gone, err = l.s.Retired(t.Context()); err != nil || len(gone) != 0 {
		t.Fatalf("retired are %+v, %v", gone, err)
	}
	g, err := l.order(1)
	l.ok(err)
	if g.Number != 3 {
		t.Fatalf("the next one has number %d", g.Number)
	}
}

// Who decided to retire what was kept is late: it was gone back to, and left again, so
// that it is kept anew.
func TestRetiredOfItsOwnTime(t *testing.T) {
	l := newLife(t)
	_, err := l.order(1)
	l.ok(err)
	l.ok(l.step(2, registry.Live)) // 1 is STANDBY since 9
	late := registry.Step{View: "v", Number: 1, State: registry.Retired, Since: 9, At: 30}
	for i, back := range []uint32{1, 2} {
		l.ok(l.s.Switch(t.Context(), []registry.Choice{{View: "v", Number: back}}, "a person", featurestore.Instant(20+i)))
	}
	l.lost(l.s.SetState(t.Context(), late))
	l.want("1:STANDBY 2:LIVE ")
	late.Since = 21
	l.ok(l.s.SetState(t.Context(), late))
	l.ok(l.s.SetState(t.Context(), late)) // it is so already
	l.want("2:LIVE ")
}

// Whatever is asked in whatever order, a view has at most one generation that is
// LIVE, BUILDING or STANDBY each, and none comes back from the dead.
func TestAnyLife(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	l := newLife(t)
	dead := map[uint32]bool{}
	states := []registry.GenerationState{registry.Live, registry.Broken, registry.Retired, registry.Dropped, registry.Standby, registry.Building}
	for range 300 {
		var err error
		number := 1 + r.Uint32N(12)
		switch r.IntN(4) {
		case 0:
			l.apply(byte(r.IntN(3)))
		case 1:
			_, err = l.order(byte(r.IntN(3)))
		case 2:
			err = l.step(number, states[r.IntN(len(states))])
		case 3:
			err = l.s.Switch(t.Context(), []registry.Choice{{View: "v", Number: number}}, "", 1)
		}
		if err != nil && !errors.Is(err, registry.ErrLostRace) && !errors.Is(err, featurestore.ErrNotFound) {
			t.Fatal(err)
		}
		list, err := l.s.Generations(context.Background())
		l.ok(err)
		count := map[registry.GenerationState]int{}
		for _, g := range list {
			if count[g.State]++; count[g.State] > 1 || dead[g.Number] {
				t.Fatalf("%s (dead: %v)", l.text(), dead)
			}
		}
		if count[registry.Live] != 1 {
			t.Fatalf("%s: nothing answers", l.text())
		}
		gone, err := l.s.Retired(context.Background())
		l.ok(err)
		for _, g := range gone {
			dead[g.Number] = true
		}
	}
}

// An order may be of the meaning of an older revision, which its generation then names,
// and may replace one that is being built, if that is the one that it names.
func TestOrderOfAnOlderMeaning(t *testing.T) {
	l := newLife(t)
	l.apply(2)
	order := func(h byte, meaning int64, replaces uint32) (registry.Generation, error) {
		return l.s.Rebuild(t.Context(), registry.Order{
			Target: registry.Target{View: "v", Hash: hash(h)}, Revision: l.revision, Meaning: meaning, Replaces: replaces, Reason: "asked for", At: 8,
		})
	}
	_, err := order(1, 1, 1)
	l.lost(err) // it is not the one that is being built
	l.want("1:LIVE 2:BUILDING ")
	g, err := order(1, 1, 2)
	l.ok(err)
	if g.Number != 3 || g.Revision != 1 || g.Hash != hash(1) {
		t.Fatalf("ordered %+v", g)
	}
	l.want("1:LIVE 3:BUILDING ")
	again, err := order(1, 1, 2)
	l.ok(err)
	if again != g {
		t.Fatalf("ordered again: %+v", again)
	}
	if g, err = order(2, 0, 3); err != nil || g.Revision != 2 {
		t.Fatalf("of the newest: %+v, %v", g, err)
	}
}

// A step that was decided on before something else changed is late.
func TestStepOfItsOwnTime(t *testing.T) {
	l := newLife(t)
	_, err := l.order(1)
	l.ok(err)
	at, err := l.s.Changes(t.Context())
	l.ok(err)
	step := registry.Step{View: "v", Number: 2, State: registry.Live, At: 9, Keep: true, Changes: at}
	l.apply(1)
	l.lost(l.s.SetState(t.Context(), step))
	l.want("1:LIVE 2:BUILDING ")
	step.Changes++
	l.ok(l.s.SetState(t.Context(), step))
	l.want("1:STANDBY 2:LIVE ")
}

// Steps of several generations are one change: all of them, or none.
func TestStepsTogether(t *testing.T) {
	l := newLife(t)
	both := func(h byte) {
		targets := []registry.Target{{View: "v", Hash: hash(h)}, {View: "w", Hash: hash(h)}}
		_, err := l.s.Apply(t.Context(), l.revision, revision("x"), targets)
		l.ok(err)
		l.revision++
	}
	both(1)
	both(2)
	l.want("1:LIVE 2:BUILDING 1:LIVE 2:BUILDING ")
	at, err := l.s.Changes(t.Context())
	l.ok(err)
	steps := []registry.Step{
		{View: "v", Number: 2, State: registry.Live, Keep: true, Changes: at, At: 9},
		{View: "w", Number: 1, State: registry.Retired, Changes: at, At: 9}, // it is LIVE
	}
	l.lost(l.s.SetState(t.Context(), steps...))
	l.want("1:LIVE 2:BUILDING 1:LIVE 2:BUILDING ")
	steps[1].Number, steps[1].State = 2, registry.Live
	l.ok(l.s.SetState(t.Context(), steps...))
	l.want("1:STANDBY 2:LIVE 2:LIVE ") // what was not to be kept is retired
	if now, err := l.s.Changes(t.Context()); err != nil || now != at+1 {
		t.Errorf("%d changes after %d, %v", now, at, err)
	}
	l.lost(l.s.SetState(t.Context(), registry.Step{View: "v", Number: 1, State: registry.Retired, Changes: at}))
}
