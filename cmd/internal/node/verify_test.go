package node_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/verify"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/ingest/logrecord"
)

const seenDefinitions = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: t.clicks}
format: json
timestamp: {field: at, format: unix_ms}
fields: {user: string}
---
kind: StreamView
name: seen
entity: user
source: clicks
features: [{name: n, agg: count, window: lifetime}]
`

// restAt reads events at rest below a folder.
func restAt(dir string) *history.Reader {
	return history.New(history.Options{Dir: dir, Files: history.ArchiveOnly})
}

// click applies one more event of a user and returns where the log ends then.
func click(t *testing.T, n *node.Node, i int64, user string) {
	t.Helper()
	at := begin + i
	end := produce(t, n, "t.clicks", 0, logrecord.Record{LogTime: featurestore.LogTime(at * 1000), Value: fmt.Appendf(nil, `{"user":%q,"at":%d}`, user, at)})
	waitFor(t, n, "clicks", 0, end)
	n.Parts.Clock.Move(featurestore.Instant(at*1000 + 1))
}

func check(t *testing.T, n *node.Node, c *verify.Checker, project *definition.Project) verify.Report {
	t.Helper()
	if err := n.Backend.Watcher.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := c.StreamView(t.Context(), project.StreamViews[0])
	if err != nil {
		t.Fatal(err)
	}
	if (r.Nothing == "") != (r.Compared > 0) {
		t.Errorf("%d compared, and it says %q", r.Compared, r.Nothing)
	}
	r.Nothing = ""
	return *r
}

// TestVerifyOfWhatIsNotAtRest: events that are applied and not at rest yet are no
// mismatch, what lies with them is compared all the same, and waiting compares all.
func TestVerifyOfWhatIsNotAtRest(t *testing.T) {
	n, project := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(seenDefinitions)}}, "project: shop\n")
	if got, want := check(t, n, checker(t, n, restAt(t.TempDir())), project), (verify.Report{View: "seen"}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("with nothing at rest: %+v", got)
	}
	click(t, n, 0, "a")
	click(t, n, 1, "b")
	if err := n.Worker.Flush(); err != nil {
		t.Fatal(err)
	}
	// The ingester goes on to seal: what was at rest at this moment is kept aside.
	dir, before := n.Parts.Settings.Offline.Dir, filepath.Join(t.TempDir(), "offline")
	if err := os.CopyFS(before, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	click(t, n, 2, "a")

	c := checker(t, n, restAt(before))
	if got, want := check(t, n, c, project), (verify.Report{View: "seen", Entities: 2, Compared: 1, Values: 1, Ahead: 1}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("with one event that is not at rest: %+v, want %+v", got, want)
	}
	c.Wait = time.Minute
	c.History = restAt(dir)
	want := verify.Report{View: "seen", Entities: 2, Compared: 2, Values: 2}
	if got := check(t, n, c, project); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after waiting: %+v, want %+v", got, want)
	}

	lost(t, n, project, c)
	get := c.Get
	c.Get = func(ctx context.Context, view string, keys [][]featurestore.Value, asOf *featurestore.Instant) ([]verify.Read, error) {
		reads, err := get(ctx, view, keys, asOf)
		reads[0].Cells[0] = featurestore.Cell{Status: featurestore.Rebuilding}
		reads[1].Cells[0].Value = featurestore.Int64Value(7)
		return reads, err
	}
	got := check(t, n, c, project)
	if got.Examples = nil; fmt.Sprint(got) != fmt.Sprint(verify.Report{View: "seen", Entities: 2, Compared: 1, Values: 1, Mismatches: 1, Rebuilding: 1}) {
		t.Errorf("with an answer that is none and one that is wrong: %+v", got)
	}
}

// lost checks that an entity whose state has gone counts as one whose events are not
// applied yet only as long as that may be.
func lost(t *testing.T, n *node.Node, project *definition.Project, c *verify.Checker) {
	t.Helper()
	get, caught, asked := c.Get, false, 0
	defer func() { c.Get, c.CaughtUp = get, nil }()
	c.Get = func(ctx context.Context, view string, keys [][]featurestore.Value, asOf *featurestore.Instant) ([]verify.Read, error) {
		reads, err := get(ctx, view, keys, asOf)
		reads[0].Cells[0], reads[0].Applied = featurestore.Cell{Status: featurestore.NotFound, Value: featurestore.Int64Value(0)}, nil
		return reads, err
	}
	c.CaughtUp = func(context.Context, string) (bool, error) { asked++; return caught, nil }
	if got := check(t, n, c, project); got.Behind != 1 || got.Mismatches != 0 || got.Compared != 2 || asked != 1 {
		t.Errorf("a state that has gone, while the view has not caught up: %+v", got)
	}
	caught = true
	if got := check(t, n, c, project); got.Behind != 0 || got.Mismatches != 1 || got.Compared != 2 || len(got.Examples) != 1 || asked != 2 {
		t.Errorf("a state that has gone: %+v", got)
	}
	// One that catches up was behind.
	reads := 0
	missing := c.Get
	c.Get = func(ctx context.Context, view string, keys [][]featurestore.Value, asOf *featurestore.Instant) ([]verify.Read, error) {
		if reads++; reads == 1 {
			return missing(ctx, view, keys, asOf)
		}
		return get(ctx, view, keys, asOf)
	}
	if got := check(t, n, c, project); got.Behind != 1 || got.Mismatches != 0 {
		t.Errorf("a state that catches up: %+v", got)
	}
}
