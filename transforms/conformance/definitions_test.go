package conformance_test

import (
	"os"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
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
		want, err := window.Compile(c.Config)
		if err != nil {
			t.Fatal(err)
		}
		view := project.StreamViews[0]
		got := view.Plan.Features()
		for i, w := range want.Features() {
			g := got[i]
			same := g.Name == w.Name && g.Kind == w.Kind && g.Call == w.Call && g.Type.Equal(w.Type) && g.Width == w.Width &&
				g.Offset == w.Offset && g.Tile == w.Tile && g.Default.Equal(w.Default) && g.EmptyNull == w.EmptyNull
			if !same {
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
