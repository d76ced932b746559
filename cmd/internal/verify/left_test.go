//go:build duckdb_arrow

package verify

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/duckdb"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/ingest/materialize"
)

const soldDefinitions = `kind: Entity
name: user
keys: [{name: user_id, type: string}]
---
kind: BatchSource
name: sales
files: [sales.csv]
format: csv
timestamp: {field: at, format: rfc3339}
fields: {user_id: string, spare: int64}
---
kind: BatchView
name: sold
entity: user
source: sales
features: [{name: n, agg: count, window: lifetime}]
---
kind: FeatureService
name: svc
features: [sold.*]
`

// An entity that has left the table is looked at, and an answer that still gives
// its last run's aggregates is a mismatch. A column that no feature uses may hold
// anything.
func TestEntityThatLeftIsVerified(t *testing.T) {
	dir := t.TempDir()
	project, problems := definition.Load([]definition.File{{Path: "sold.yaml", Data: []byte(soldDefinitions)}})
	if project == nil {
		t.Fatal(problems)
	}
	db, err := duckdb.Open(t.Context(), duckdb.Config{TempDir: filepath.Join(dir, "tmp"), Threads: 1, Allow: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	clock := featurestore.Instant(featurestore.Day)
	now := func() featurestore.Instant { return clock }
	store, err := embedded.Open(embedded.Config{Dir: t.TempDir(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range []func() error{store.Close, db.Close} {
			if err := c(); err != nil {
				t.Error(err)
			}
		}
	})
	offline := filepath.Join(dir, "offline")
	view := project.BatchViews[0]
	m := materialize.Materializer{Root: dir, Dir: offline, Reader: db, Writer: db, Store: store, Record: runs.Open(offline), Clock: now}
	run := func(table string) {
		if err := os.WriteFile(filepath.Join(dir, "sales.csv"), []byte("at,user_id,spare\n"+table), 0o600); err != nil {
			t.Fatal(err)
		}
		clock++
		r := materialize.Request{View: view, Cutoff: clock, Generation: online.Generation{Project: "p", View: view.Name, Number: 1}, Lanes: 1}
		if _, err := m.Run(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	run("1970-01-01T00:00:00Z,ann,many\n1970-01-01T00:00:00Z,bob,many\n1970-01-01T00:00:00Z,cem,many\n")
	run("1970-01-01T00:00:00Z,ann,many\n1970-01-01T00:00:00Z,cem,many\n")
	run("1970-01-01T00:00:00Z,ann,many\n")

	gone := featurestore.Cell{Value: featurestore.Int64Value(0), Status: featurestore.NotFound}
	there := featurestore.Cell{Value: featurestore.Int64Value(1), Status: featurestore.Present}
	for mismatches, bob := range []featurestore.Cell{gone, there} {
		asked := map[string]bool{}
		c := Checker{Root: dir, Dir: offline, Runs: runs.Open(offline), Sample: 2, Get: func(_ context.Context, _ string, keys [][]featurestore.Value, _ *featurestore.Instant) (out []Read, err error) {
			answers := map[string]featurestore.Cell{"ann": there, "bob": bob, "cem": gone}
			for _, k := range keys {
				asked[k[0].Str()] = true
				out = append(out, Read{At: clock, Cells: []featurestore.Cell{answers[k[0].Str()]}})
			}
			return out, nil
		}}
		report, err := c.BatchView(t.Context(), view)
		if err != nil {
			t.Fatal(err)
		}
		if report.Entities != 3 || len(asked) != 3 || report.Mismatches != mismatches {
			t.Errorf("bob reads as %v: asked for %v, %+v; want %d mismatches", bob, asked, report, mismatches)
		}
	}

	// Runs that were cleared away are told of, and the rest is looked at.
	recorded, err := runs.Open(offline).List(view.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(offline, filepath.FromSlash(recorded[0].Files[0].Path))); err != nil {
		t.Fatal(err)
	}
	notes := 0
	c := Checker{Root: dir, Dir: offline, Runs: runs.Open(offline), Note: func(string, ...any) { notes++ }, Get: func(_ context.Context, _ string, keys [][]featurestore.Value, _ *featurestore.Instant) (out []Read, err error) {
		for _, k := range keys {
			out = append(out, Read{At: clock, Cells: []featurestore.Cell{map[string]featurestore.Cell{"ann": there, "cem": gone}[k[0].Str()]}})
		}
		return out, nil
	}}
	if report, err := c.BatchView(t.Context(), view); err != nil || report.Entities != 2 || report.Mismatches != 0 || notes != 2 {
		t.Errorf("%+v, %v, %d notes", report, err, notes)
	}

	// Of a table that is not what the newest run was made from, the report says so.
	newest := clock
	clock += featurestore.Instant(featurestore.Day)
	served := Checker{Root: dir, Dir: offline, Runs: runs.Open(offline), Get: func(_ context.Context, _ string, keys [][]featurestore.Value, _ *featurestore.Instant) (out []Read, err error) {
		for range keys {
			out = append(out, Read{At: clock, Cells: []featurestore.Cell{there}})
		}
		return out, nil
	}}
	for _, table := range []string{"", "1970-01-01T00:00:00Z,ann,many\n"} {
		if table != "" {
			if err := os.WriteFile(filepath.Join(dir, "sales.csv"), []byte("at,user_id,spare\n"+table+table), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		report, err := served.BatchView(t.Context(), view)
		if err != nil {
			t.Fatal(err)
		}
		if changed := report.ChangedSince == newest.String(); changed != (table != "") || table == "" && report.ChangedSince != "" {
			t.Errorf("with the table %q: %+v", table, report)
		}
	}
}
