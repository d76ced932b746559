package registry_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
)

const whole = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: at, format: unix_ms}
fields: {user: string}
---
kind: BatchSource
name: people
files: [people.csv]
format: csv
timestamp: {field: at, format: rfc3339}
fields: {at: timestamp, user: string, age: int64}
---
kind: BatchView
name: b
entity: user
source: people
features: [{name: age, type: int64, column: age}]
---
kind: StreamView
name: va
entity: user
source: clicks
features: [{name: n, agg: count, window: A}]
---
kind: StreamView
name: vb
entity: user
source: clicks
features: [{name: n, agg: count, window: B}]
`

// world is a project with revisions; a meaning is that of a revision.
type world struct {
	t         *testing.T
	revisions []*definition.Project
}

// revision adds one, with the windows of the stream views and the batch view's feature.
func (w *world) revision(a, b, feature string) {
	w.t.Helper()
	text := strings.NewReplacer("window: A", "window: "+a, "window: B", "window: "+b, "{name: age, type: int64, column: age}", "{name: "+feature+", type: int64, column: age}").Replace(whole)
	p, problems := definition.Load([]definition.File{{Path: "d.yaml", Data: []byte(text)}})
	if p == nil {
		w.t.Fatalf("%+v", problems)
	}
	w.revisions = append(w.revisions, p)
}

func (w *world) load(n int64) (*definition.Project, error) {
	if n < 1 || int(n) > len(w.revisions) {
		return nil, featurestore.NotFoundf("there is no revision %d", n)
	}
	return w.revisions[n-1], nil
}

func (w *world) newest() int64 { return int64(len(w.revisions)) }

// list reads "va 1 LIVE" as a generation of view va of revision 1's meaning.
func (w *world) list(texts ...string) (out []registry.Generation) {
	w.t.Helper()
	for _, text := range texts {
		g := registry.Generation{Number: uint32(len(out) + 1)}
		if _, err := fmt.Sscan(text, &g.View, &g.Revision, &g.State); err != nil {
			w.t.Fatal(err)
		}
		if g.Hash = plan.Targets(w.revisions[g.Revision-1])[g.View]; g.Hash == (codec.Hash{}) {
			w.t.Fatalf("%s: no such view", text)
		}
		out = append(out, g)
	}
	return out
}

// Whatever is live, the next command leads to where a revision is whole.
func TestWayOut(t *testing.T) {
	w := &world{t: t}
	w.revision("1h", "1h", "age")
	w.revision("2h", "2h", "age")
	for name, c := range map[string]struct {
		list  []string
		to    int64
		next  string
		whole bool
	}{
		"back at the first":             {[]string{"b 1 LIVE", "va 1 LIVE", "va 2 STANDBY", "vb 1 LIVE", "vb 2 STANDBY"}, 2, "freshet switch va vb", true},
		"one of two":                    {[]string{"b 1 LIVE", "va 2 LIVE", "va 1 STANDBY", "vb 1 LIVE", "vb 2 STANDBY"}, 2, "freshet switch vb", false},
		"only back":                     {[]string{"b 1 LIVE", "va 2 LIVE", "va 1 STANDBY", "vb 1 LIVE"}, 1, "freshet switch va", false},
		"nothing is kept":               {[]string{"b 1 LIVE", "va 2 LIVE", "vb 1 LIVE"}, 2, "freshet apply", false},
		"one is being built":            {[]string{"b 1 LIVE", "va 2 LIVE", "vb 1 LIVE", "vb 2 BUILDING"}, 2, "", false},
		"one is broken":                 {[]string{"b 1 LIVE", "va 2 LIVE", "vb 1 LIVE", "vb 2 BROKEN"}, 2, "freshet backfill vb", false},
		"one is built, one is kept":     {[]string{"b 1 LIVE", "va 1 LIVE", "va 2 BUILDING", "vb 1 LIVE", "vb 2 STANDBY"}, 2, "freshet apply", true},
		"none of the older one is kept": {[]string{"b 1 LIVE", "va 1 LIVE", "vb 1 LIVE"}, 2, "freshet apply", true},
	} {
		list := w.list(c.list...)
		out, err := registry.WayOut(w.newest(), list, w.load)
		if err != nil || out.Revision != c.to || out.Next() != c.next {
			t.Errorf("%s: to %d by %q (%v), want %d by %q", name, out.Revision, out.Next(), err, c.to, c.next)
		}
		if _, is, err := registry.Choose(w.newest(), registry.LiveOf(list), w.load); err != nil || is != c.whole {
			t.Errorf("%s: whole is %t (%v)", name, is, err)
		}
	}
}

// A revision before the newest that this version cannot read answers nothing, and
// keeps nobody from answering; what cannot be read for now is an error.
func TestARevisionThatDoesNotLoad(t *testing.T) {
	w := &world{t: t}
	w.revision("1h", "1h", "age")
	w.revision("2h", "2h", "age")
	w.revision("3h", "3h", "age")
	list := w.list("b 1 LIVE", "va 1 LIVE", "vb 1 LIVE", "va 3 BUILDING", "vb 3 STANDBY")
	why := featurestore.Invalidf("it does not load")
	load := func(n int64) (*definition.Project, error) {
		if n == 2 {
			return nil, why
		}
		return w.load(n)
	}
	if n, is, err := registry.Choose(3, registry.LiveOf(list), load); n != 1 || !is || err != nil {
		t.Errorf("revision %d, whole %t, %v", n, is, err)
	}
	if out, err := registry.WayOut(3, list, load); err != nil || out.Revision != 3 || out.Next() != "freshet apply" {
		t.Errorf("%+v, %v", out, err)
	}
	why = featurestore.Unavailablef("it is away")
	if _, _, err := registry.Choose(3, registry.LiveOf(list), load); err == nil {
		t.Error("a registry that is away is no revision that does not load")
	}
	if _, err := registry.WayOut(3, list, load); err == nil {
		t.Error("a registry that is away shows no way out")
	}
}

// What is built becomes live where a revision is whole afterwards, and waits
// otherwise, unless none is whole anyway.
func TestHeld(t *testing.T) {
	w := &world{t: t}
	w.revision("1h", "1h", "age")
	w.revision("2h", "2h", "years")
	for name, c := range map[string]struct {
		list  []string
		words string // of the reason; "" for none
	}{
		"all of a revision but the batch view": {[]string{"b 1 LIVE", "b 2 BUILDING", "va 1 LIVE", "va 2 BUILDING", "vb 1 LIVE", "vb 2 BUILDING"}, "(next: freshet materialize b)"},
		"all of a revision":                    {[]string{"b 2 LIVE", "va 1 LIVE", "va 2 BUILDING", "vb 1 LIVE", "vb 2 BUILDING"}, ""},
		"the meaning that answers":             {[]string{"b 1 LIVE", "va 1 LIVE", "va 1 BUILDING", "vb 1 LIVE"}, ""},
		"the newest alone":                     {[]string{"b 1 LIVE", "va 1 LIVE", "va 2 BUILDING", "vb 1 LIVE", "vb 2 STANDBY", "b 2 BUILDING"}, "(next: freshet apply)"},
		"none is whole":                        {[]string{"b 1 LIVE", "b 2 BUILDING", "va 2 LIVE", "vb 1 LIVE", "vb 2 BUILDING"}, ""},
		"of a meaning before":                  {[]string{"b 2 LIVE", "va 2 LIVE", "va 1 BUILDING", "vb 2 LIVE"}, "(next: freshet backfill va"},
	} {
		list := w.list(c.list...)
		group := slices.DeleteFunc(slices.Clone(list), func(g registry.Generation) bool {
			return g.State != registry.Building || g.View == "b"
		})
		why, err := registry.Held(w.newest(), list, group, w.load)
		if err != nil || (why == "") != (c.words == "") || !strings.Contains(why, c.words) {
			t.Errorf("%s: %q (%v), want %q", name, why, err, c.words)
		}
	}
}
