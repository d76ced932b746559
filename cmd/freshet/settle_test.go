package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

const settling = `kind: Entity
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
features: [{name: age, type: int64}]
---
kind: StreamView
name: v
entity: user
source: clicks
features: [{name: n, agg: count, window: 1h}]
`

// A session does not wait for a generation that waits for a batch view which nobody
// runs: it says so.
func TestSettleDoesNotWaitInVain(t *testing.T) {
	r, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"), online.DefaultLanes)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }() // what it holds was looked at
	x := &session{parts: &node.Parts{Registry: r, Settings: &settings.Settings{Project: "shop"}}}
	apply := func(base int64, text string) {
		t.Helper()
		files := []definition.File{{Path: "d.yaml", Data: []byte(text)}}
		p, problems := definition.Load(files)
		if p == nil {
			t.Fatal(problems)
		}
		x.project = p
		var targets []registry.Target
		for view, hash := range plan.Targets(p) {
			targets = append(targets, registry.Target{View: view, Hash: hash})
		}
		if _, err := r.Apply(t.Context(), base, registry.Revision{Files: files}, targets); err != nil {
			t.Fatal(err)
		}
	}
	apply(0, settling)
	changed := strings.Replace(strings.Replace(settling, "1h", "2h", 1), "{name: age, type: int64}", "{name: years, type: int64, column: age}", 1)
	apply(1, changed)
	if _, err := x.building(t.Context()); err == nil || !strings.Contains(err.Error(), "next: freshet materialize b") {
		t.Errorf("while the batch view waits for a run: %v", err)
	}
	if err := r.SetState(t.Context(), registry.Step{View: "b", Number: 2, State: registry.Live, At: 1}); err != nil {
		t.Fatal(err)
	}
	if waiting, err := x.building(t.Context()); err != nil || len(waiting) != 1 || waiting[0].View != "v" {
		t.Errorf("then it waits for %v, %v", waiting, err)
	}
}
