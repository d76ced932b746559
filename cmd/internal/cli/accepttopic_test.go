package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// ingester runs an ingester on the project's embedded parts; the function it gives
// stops it and closes them.
func ingester(t *testing.T, dir string) (*node.Node, func()) {
	t.Helper()
	s, err := settings.Load(dir, settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := node.Open(t.Context(), s, node.StoredClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(t.Context(), parts, node.Options{Role: node.Ingest, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return n, func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
		if err := parts.Close(); err != nil {
			t.Error(err)
		}
	}
}

func sendClicks(t *testing.T, n *node.Node, users ...string) {
	t.Helper()
	if err := n.Parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "clicks", Partitions: 1, Retention: logrecord.Forever}); err != nil {
		t.Fatal(err)
	}
	var records []logrecord.Record
	for i, user := range users {
		at := int64(1357000000000 + i)
		records = append(records, logrecord.Record{LogTime: featurestore.LogTime(at * 1000), Value: fmt.Appendf(nil, `{"user": %q, "at": %d}`, user, at)})
	}
	if _, err := n.Parts.Log.Produce(t.Context(), "clicks", 0, records); err != nil {
		t.Fatal(err)
	}
}

// inState waits until the view says so and gives its status.
func inState(t *testing.T, n *node.Node, state string, folded int64) node.ViewStatus {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if err := n.Backend.Watcher.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, v := range n.Backend.Report().Views {
			if v.State == state && (v.Counts == nil || v.Counts.Folded >= folded) {
				return v
			}
		}
	}
	t.Fatalf("it never was %s: %+v", state, n.Backend.Report())
	return node.ViewStatus{}
}

// A log that is gone and another in its place: status says what, where and the
// next command, before and after a restart; the verb shows what it found, asks,
// and leads on.
func TestAcceptNewTopic(t *testing.T) {
	dir, _ := loggedProject(t)
	if err := os.WriteFile(filepath.Join(dir, "d.yaml"), []byte(dlqDefinitions), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, text, err := run(t, dir, "apply", "--yes"); err != nil {
		t.Fatal(text, err)
	}
	n, stop := ingester(t, dir)
	sendClicks(t, n, "ann", "bob", "ann")
	inState(t, n, "RUNNING", 3)
	stop()
	if _, _, err := run(t, dir, "accept-new-topic", "clicks", "--yes"); err == nil || !strings.Contains(err.Error(), "not in a GAP") {
		t.Errorf("nothing is in a GAP: %v", err)
	}
	if _, _, err := run(t, dir, "accept-new-topic", "others", "--yes"); err == nil || !strings.Contains(err.Error(), "no stream source") {
		t.Errorf("an unknown source: %v", err)
	}
	if out, _, err := run(t, dir, "__complete", "accept-new-topic", ""); err != nil || !strings.HasPrefix(out, "clicks\n") {
		t.Errorf("completion: %q, %v", out, err)
	}

	if err := os.RemoveAll(filepath.Join(dir, ".freshet", "log")); err != nil {
		t.Fatal(err)
	}
	n, stop = ingester(t, dir)
	sendClicks(t, n, "eve", "eve")
	v := inState(t, n, "GAP", 0)
	if v.Next != "freshet accept-new-topic clicks" || !strings.HasPrefix(v.Reason, "source clicks, partition 0: the log ends at ") {
		t.Errorf("%+v", v)
	}
	stop()

	if _, text, err := run(t, dir, "accept-new-topic", "clicks"); err == nil || !strings.Contains(text, "the log ends at 2, but 2 was applied") || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("without a yes: %s, %v", text, err)
	}
	out, text, err := run(t, dir, "accept-new-topic", "clicks", "--yes", "--reason", "the cluster was moved", "-o", "json")
	if err != nil {
		t.Fatal(text, err)
	}
	var done acceptedTopic
	if err := json.Unmarshal([]byte(out), &done); err != nil {
		t.Fatal(err)
	}
	if p := done.Partitions; done.Generation != 1 || done.Accepted != 2 || done.Lost != 0 || len(p) != 1 || p[0].Applied != 2 || p[0].AtRest != 2 || p[0].End != 2 || p[0].Records != "unknown" ||
		!strings.HasPrefix(done.Reason, "the cluster was moved; partition 0: the log ends at 2") {
		t.Errorf("%s", out)
	}
	n, stop = ingester(t, dir)
	defer stop()
	inState(t, n, "RUNNING", 2)
	if s := n.Backend.Report().Sources; len(s) != 1 || s[0].Generation != 2 || !strings.Contains(s[0].Reason, "the cluster was moved") {
		t.Errorf("%+v", s)
	}
}
