package conformance_test

import (
	"os"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/conformance"
	"github.com/freshet/freshet/transforms/window"
)

// The documents that a case writes for executors that start from files must say
// the same as its Config, which the fold runs.
func TestDefinitionsSayTheSame(t *testing.T) {
	cases, err := conformance.Load(os.DirFS(conformance.Dir()))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if len(c.Config.Features) == 0 {
			continue
		}
		project, problems := definition.Load([]definition.File{{Path: "vector.yaml", Data: c.Definitions()}})
		if project == nil {
			t.Errorf("%s: %+v\n%s", c.Name, problems, c.Definitions())
			continue
		}
		if c.Kind == conformance.KindBatch {
			checkBatchView(t, c, project.BatchViews[0])
			continue
		}
		want, err := window.Compile(c.Config)
		if err != nil {
			t.Fatal(err)
		}
		view := project.StreamViews[0]
		got := view.Plan.Features()
		for i, w := range want.Features() {
			g := got[i]
			if !sameFeature(&g, &w) {
				t.Errorf("%s: the documents give %+v, the case %+v", c.Name, g, w)
			}
		}
		for i, s := range c.Sources {
			b := view.Bindings[i].Source
			if b.Name != s.Name || b.AllowedLateness != s.AllowedLateness || (b.EventID >= 0) != (s.EventID != "") || (b.Sequence >= 0) != (s.Sequence != "") {
				t.Errorf("%s: the documents give source %+v, the case %+v", c.Name, b, s)
			}
		}
		if view.TTL != c.Config.TTL {
			t.Errorf("%s: ttl %s, want %s", c.Name, view.TTL, c.Config.TTL)
		}
	}
}

// checkBatchView compares the aggregates with the case's, and the rest by name
// and type.
func checkBatchView(t *testing.T, c *conformance.Case, v *definition.BatchView) {
	t.Helper()
	config := window.Config{Sources: c.Config.Sources}
	for i, w := range c.Config.Features {
		g := v.Features[i]
		if g.Name != w.Name || !g.Type.Equal(w.Type) || (g.Expr != nil) != (w.Kind == window.Latest) || !g.Default.Equal(w.Default) {
			t.Errorf("%s: the documents give %+v, the case %+v", c.Name, g, w)
		}
		if w.Kind != window.Latest {
			w.Default = featurestore.Null
			config.Features = append(config.Features, w)
		}
	}
	if v.TTL != c.Config.TTL || v.Schedule.Text != c.View.Schedule || (v.Plan != nil) != (len(config.Features) > 0) {
		t.Errorf("%s: ttl %s, schedule %q, a plan %t", c.Name, v.TTL, v.Schedule.Text, v.Plan != nil)
	}
	if v.Plan == nil {
		return
	}
	want, err := window.Compile(config)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range v.Plan.Features() {
		if w := want.Features()[i]; !sameFeature(&g, &w) {
			t.Errorf("%s: the documents give %+v, the case %+v", c.Name, g, w)
		}
	}
}

// sameFeature compares all but the places of inputs, which a view numbers as it
// likes.
func sameFeature(g, w *window.Feature) bool {
	zone := func(f *window.Feature) string {
		if f.Zone == nil {
			return ""
		}
		return f.Zone.String()
	}
	return g.Name == w.Name && g.Kind == w.Kind && sameCall(g.Call, w.Call) && g.Type.Equal(w.Type) && g.Tile == w.Tile &&
		g.Width == w.Width && g.Offset == w.Offset && g.Step == w.Step && g.Count == w.Count && g.Exact == w.Exact && g.MaxRows == w.MaxRows &&
		g.Unit == w.Unit && zone(g) == zone(w) && g.Complete == w.Complete && g.Default.Equal(w.Default) && g.EmptyNull == w.EmptyNull &&
		(g.Where < 0) == (w.Where < 0) && (g.By < 0) == (w.By < 0) && (g.Second < 0) == (w.Second < 0)
}

func sameCall(g, w agg.Call) bool {
	none := featurestore.Type{}
	same := g.Input.Equal(w.Input) && g.Second.Equal(w.Second) && g.By.Equal(w.By)
	g.Input, g.Second, g.By = none, none, none
	w.Input, w.Second, w.By = none, none, none
	return same && g == w
}
