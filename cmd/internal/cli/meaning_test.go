package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// twoViews change together in these tests.
const twoViews = dlqDefinitions + `---
kind: StreamView
name: w
entity: user
source: clicks
features: [{name: n, agg: count, window: 1h}]
`

// switchedBack is a project of two views, whose second revision was gone back from.
type switchedBack struct {
	t   *testing.T
	dir string
}

// do runs a verb and gives what it prints.
func (s *switchedBack) do(args ...string) string {
	s.t.Helper()
	out, text, err := run(s.t, s.dir, args...)
	if err != nil {
		s.t.Fatal(args, text, err)
	}
	return out + text
}

func (s *switchedBack) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// says wants a verb's words.
func (s *switchedBack) says(words string, args ...string) {
	s.t.Helper()
	if got := s.do(args...); !strings.Contains(got, words) {
		s.t.Errorf("%v does not say %q:\n%s", args, words, got)
	}
}

// registry does something with the registry.
func (s *switchedBack) registry(do func(r *sqlite.Store) error) {
	s.t.Helper()
	r, err := sqlite.Open(s.t.Context(), filepath.Join(s.dir, ".freshet", "registry.db"), online.DefaultLanes)
	if err == nil {
		defer closing(r.Close, &err)
		err = do(r)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// live wants these generations of v and w to be live.
func (s *switchedBack) live(v, w uint32) {
	s.t.Helper()
	got := [2]uint32{}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); got != [2]uint32{v, w}; <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("live are %v, want %d and %d", got, v, w)
		}
		s.registry(func(r *sqlite.Store) error {
			list, err := r.Generations(s.t.Context())
			live := registry.LiveOf(list)
			got = [2]uint32{live["v"].Number, live["w"].Number}
			return err
		})
	}
}

func newSwitchedBack(t *testing.T) *switchedBack {
	t.Helper()
	s := &switchedBack{t: t, dir: t.TempDir()}
	s.write("freshet.yaml", fmt.Sprintf("project: shop\nserve: {listen: %q}\nadmin: {listen: %q}\n", nobody(t), nobody(t)))
	s.write("d.yaml", twoViews)
	s.do("apply", "--yes")
	n, stop := ingester(t, s.dir)
	defer stop()
	sendClicks(t, n, "ann", "bob", "ann")
	inState(t, n, "RUNNING", 3)
	s.write("d.yaml", strings.ReplaceAll(twoViews, "1h", "2h"))
	s.do("apply", "--yes")
	s.live(2, 2)
	s.do("switch", "v", "w", "--force")
	s.live(1, 1)
	return s
}

// After a switch back, plan and apply say what answers and how to go on; a backfill
// builds the meaning that answers, takes over alone, and every view goes on to answer.
func TestBackfillAfterASwitchBack(t *testing.T) {
	s := newSwitchedBack(t)
	for _, verb := range [][]string{{"plan", "-o", "table"}, {"apply", "--yes"}} {
		s.says(`revision 1 answers, not 2: behind revision 2 is generation 1 of view "v", of revision 1; generation 1 of view "w", of revision 1. To go on to revision 2: freshet switch v w`, verb...)
	}
	s.says("generation 1 of view \"v\", of revision 1, answers, and that is the meaning which is built, not the newest; once it takes over, generation 2 of the newest is not kept any more: `freshet apply`", "backfill", "v")
	s.live(3, 1)
	table := strings.Join(strings.Fields(s.do("status", "-o", "table")), " ")
	const state = " (RUNNING|CATCHING_UP) " // nobody reads on, and the machine may be slow
	for _, words := range []string{"revision 1 ", "v 3" + state, "w 1" + state, "VIEW GENERATION STATE SINCE REVISION", "v 1 STANDBY", "v 3 LIVE", "w 1 LIVE", "w 2 STANDBY"} {
		if !regexp.MustCompile(words).MatchString(table) {
			t.Errorf("status lacks %q: %s", words, table)
		}
	}
	if got := s.do("get", "v.n,w.n", "user=ann"); strings.Contains(got, "REBUILDING") {
		t.Errorf("a lookup: %s", got)
	}
	if _, _, err := run(t, s.dir, "switch", "w"); err == nil || !strings.Contains(err.Error(), "(to go on to revision 2: freshet apply)") {
		t.Errorf("forward, where one is not kept: %v", err)
	}
	// The newest meaning of v is not kept any more: an apply builds it, and both take over.
	if out, _, err := run(t, s.dir, "plan", "-o", "table"); !errors.Is(err, ErrDifference) || !strings.Contains(out, "generation 3, of revision 1, answers: this meaning takes over from it") {
		t.Errorf("%s, %v", out, err)
	}
	s.do("apply", "--yes")
	_, stop := ingester(t, s.dir)
	defer stop()
	s.live(4, 2)
	if got := s.do("plan"); strings.Contains(got, "behind") {
		t.Errorf("once the newest answers: %s", got)
	}
}

// Where no revision has all live meanings, as an earlier release left it, status, get,
// doctor and apply name it and the command that leads out, and that does.
func TestLiveMeaningsThatDoNotGoTogether(t *testing.T) {
	s := newSwitchedBack(t)
	s.registry(func(r *sqlite.Store) error {
		return r.Switch(t.Context(), []registry.Choice{{View: "v", Number: 2}}, "an earlier release", featurestore.InstantOf(time.Now()))
	})
	const why = `no revision has the meanings of all live generations`
	const behind = `behind revision 2 is generation 1 of view "w", of revision 1`
	table := strings.Join(strings.Fields(s.do("status", "-o", "table")), " ")
	if want := "w 0 MIXED freshet switch w " + why + ": " + behind; !strings.Contains(table, want) {
		t.Errorf("status lacks %q: %s", want, table)
	}
	if out, _, err := run(t, s.dir, "doctor", "-o", "table"); err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "), "views failed w generation 0: MIXED: "+why) || !strings.Contains(out, "next: freshet switch w") {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	s.says(`note: view "w" is MIXED: `+why+`: `+behind+` (next: freshet switch w)`, "get", "v.n,w.n", "user=ann")
	s.says(why+", so that some views answer REBUILDING: "+behind+". To go on to revision 2: freshet switch w", "apply", "--yes")
	s.do("switch", "w", "--force")
	s.live(2, 2)
	if got := s.do("get", "v.n,w.n", "user=ann"); strings.Contains(got, "REBUILDING") {
		t.Errorf("a lookup: %s", got)
	}
}

// A generation of the newest meaning that is built while an older revision answers, as
// an earlier release ordered it, waits: status and apply say for what, and apply is it.
func TestAGenerationThatWaits(t *testing.T) {
	s := newSwitchedBack(t)
	newest, problems := definition.Load([]definition.File{{Path: "d.yaml", Data: []byte(strings.ReplaceAll(twoViews, "1h", "2h"))}})
	if newest == nil {
		t.Fatal(problems)
	}
	s.registry(func(r *sqlite.Store) error {
		o := registry.Order{Target: registry.Target{View: "v", Hash: newest.StreamView("v").Hash}, Revision: 2, At: 1}
		_, err := r.Rebuild(t.Context(), o)
		return err
	})
	n, stop := ingester(t, s.dir)
	why := func() string {
		t.Helper()
		list, err := n.Backend.Generations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return find(list, registry.Generation{View: "v", Number: 3}).Trouble
	}
	const wait, next = `behind is generation 1 of view "w", of revision 1`, "(next: freshet apply)"
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(why(), wait); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it says %q", why())
		}
	}
	stop()
	if table := s.do("status", "-o", "table"); !strings.Contains(table, wait) || !strings.Contains(table, next) || strings.Contains(table, "MIXED") {
		t.Errorf("status, of the stores alone: %s", table)
	}
	s.live(1, 1)
	s.do("apply", "--yes")
	_, stop = ingester(t, s.dir)
	defer stop()
	s.live(3, 2)
}

// A meaning that cannot be read, or that this version does not give, is not built: the
// error says why, and what goes on to the newest.
func TestBackfillOfAMeaningThatCannotBeBuilt(t *testing.T) {
	for name, c := range map[string]struct {
		files string
		hash  byte // of the first generation; 0 is what its definition gives
		keep  bool
		words []string
	}{
		"it does not load":   {"kind: Nothing\n", 7, false, []string{"generation 1 of view \"v\", of revision 1, answers", "this version of freshet cannot read that revision", "freshet apply goes on to the newest"}},
		"another version's":  {dlqDefinitions, 7, false, []string{"computes or stores otherwise", "freshet apply goes on to the newest"}},
		"the newest is kept": {dlqDefinitions, 7, true, []string{"computes or stores otherwise", "freshet switch v, with the views that changed together with it, goes on to the newest"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"), online.DefaultLanes)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Close() }() // what it holds was looked at
			first := registry.Target{View: "v"}
			first.Hash[0] = c.hash
			if _, err := r.Apply(t.Context(), 0, registry.Revision{Files: []definition.File{{Path: "d.yaml", Data: []byte(c.files)}}}, []registry.Target{first}); err != nil {
				t.Fatal(err)
			}
			files := []definition.File{{Path: "d.yaml", Data: []byte(dlqDefinitions)}}
			newest, problems := definition.Load(files)
			if newest == nil {
				t.Fatal(problems)
			}
			v := newest.StreamView("v")
			if _, err := r.Apply(t.Context(), 1, registry.Revision{Files: files}, []registry.Target{{View: "v", Hash: v.Hash}}); err != nil {
				t.Fatal(err)
			}
			if m, err := meaningOf(t.Context(), r, v, 2); err != nil || m.view.Hash != v.Hash || m.revision != 2 {
				t.Errorf("while it is being built: %+v, %v", m, err)
			}
			if err := r.SetState(t.Context(), registry.Step{View: "v", Number: 2, State: registry.Live, Keep: true, At: 1}); err != nil {
				t.Fatal(err)
			}
			if err := r.Switch(t.Context(), []registry.Choice{{View: "v", Number: 1}}, "a person", 2); err != nil {
				t.Fatal(err)
			}
			if !c.keep {
				if err := r.SetState(t.Context(), registry.Step{View: "v", Number: 2, State: registry.Retired, At: 3}); err != nil {
					t.Fatal(err)
				}
			}
			_, err = meaningOf(t.Context(), r, v, 2)
			for _, w := range c.words {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("%v does not say %q", err, w)
				}
			}
		})
	}
}
