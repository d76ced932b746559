package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// A generation that is BROKEN and wanted has the command that leads on, with the dead
// letters that it would lack sent before; one that nobody wants any more has none.
func TestBrokenHasANext(t *testing.T) {
	s := newSwitchedBack(t) // generation 1 answers
	s.write("d.yaml", strings.ReplaceAll(twoViews, "1h", "3h"))
	s.do("apply", "--yes")
	broken := func(view, reason string) {
		s.registry(func(r *sqlite.Store) error {
			return r.SetState(t.Context(), registry.Step{View: view, Number: 3, State: registry.Broken, Reason: reason, At: featurestore.InstantOf(time.Now())})
		})
	}
	broken("v", "2 of 9 compared entities differ")
	broken("w", "2 of 9 compared entities differ; (7 dead letters are records that it reads: `freshet dlq replay --source clicks`, before it is built anew, brings them to rest)")
	next := func() map[string]string {
		var status node.Status
		if err := json.Unmarshal([]byte(s.do("status", "-o", "json")), &status); err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, g := range status.Generations {
			if g.State == string(registry.Broken) {
				out[g.View] = g.Next
			} else if g.Next != "" {
				t.Errorf("%+v", g)
			}
		}
		return out
	}
	const replayed = "freshet dlq replay --source clicks && freshet backfill w"
	if got := next(); len(got) != 2 || got["v"] != "freshet backfill v" || got["w"] != replayed {
		t.Errorf("%v", got)
	}
	s.says(replayed, "status", "-o", "table")
	if out, _, err := run(t, s.dir, "doctor", "-o", "table"); err == nil || !strings.Contains(out, replayed) {
		t.Errorf("doctor: %s, %v", out, err)
	}
	s.write("d.yaml", twoViews)
	s.do("apply", "--yes")
	if got := next(); got["v"] != "" || got["w"] != "" {
		t.Errorf("nobody wants them: %v", got)
	}
}
