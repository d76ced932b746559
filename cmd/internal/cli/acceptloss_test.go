package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
)

// reported waits until a node's status is as wanted.
func reported(t *testing.T, n *node.Node, what string, is func(node.Status) bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if err := n.Backend.Watcher.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if is(n.Backend.Report()) {
			return
		}
	}
	t.Fatalf("it never came to this: %s: %+v", what, n.Backend.Report())
}

// Events at rest of a log that is no more, whose folder is lost: status and doctor name
// them and the ways on, a changed view waits, and goes on once a person accepts it.
func TestAcceptLoss(t *testing.T) {
	dir, _ := loggedProject(t)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "d.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(args ...string) string {
		t.Helper()
		out, text, err := run(t, dir, args...)
		if err != nil {
			t.Fatal(text, err)
		}
		return out
	}
	remove := func(path ...string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(append([]string{dir, ".freshet"}, path...)...)); err != nil {
			t.Fatal(err)
		}
	}
	write(dlqDefinitions)
	must("apply", "--yes")
	n, stop := ingester(t, dir)
	sendClicks(t, n, "ann", "bob", "ann")
	inState(t, n, "RUNNING", 3)
	stop()
	remove("log")
	n, stop = ingester(t, dir)
	sendClicks(t, n, "eve", "eve")
	inState(t, n, "GAP", 0)
	stop()
	must("accept-new-topic", "clicks", "--yes")
	n, stop = ingester(t, dir)
	inState(t, n, "RUNNING", 2)
	stop()
	if _, _, err := run(t, dir, "archive", "accept-loss", "clicks", "--yes"); err == nil || !strings.Contains(err.Error(), "nothing that was at rest") {
		t.Errorf("nothing is lost: %v", err)
	}

	remove("offline", "history")
	write(strings.Replace(dlqDefinitions, "window: 1h", "window: 2h", 1))
	must("apply", "--yes")
	n, stop = ingester(t, dir)
	reported(t, n, "status says what is lost", func(s node.Status) bool {
		return len(s.Archives) == 1 && len(s.Archives[0].Lost) == 1 && s.Archives[0].Lost[0].Generation == 1 && strings.Contains(s.Archives[0].Trouble, "offsets 0 to 2")
	})
	reported(t, n, "the new generation waits", func(s node.Status) bool {
		for _, v := range s.Views {
			if v.Generation == 2 {
				return v.State == "GAP" && v.Next == "freshet archive accept-loss clicks" && strings.Contains(v.Reason, "offsets 0 to 2")
			}
		}
		return false
	})
	inState(t, n, "RUNNING", 0) // the one before
	stop()

	if out, _, err := run(t, dir, "doctor", "-o", "json"); err == nil && !strings.Contains(out, "archive of clicks") || !strings.Contains(out, "accept-loss clicks") {
		t.Errorf("doctor: %s, %v", out, err)
	}
	if _, text, err := run(t, dir, "archive", "accept-loss", "clicks"); err == nil || !strings.Contains(text, "offsets 0 to 2") || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("without a yes: %s, %v", text, err)
	}
	var done acceptedLoss
	if err := json.Unmarshal([]byte(must("archive", "accept-loss", "clicks", "--yes", "--reason", "no backup", "-o", "json")), &done); err != nil {
		t.Fatal(err)
	}
	if done.Offsets != 3 || done.Reason != "no backup" || len(done.Lost) != 1 {
		t.Errorf("%+v", done)
	}
	n, stop = ingester(t, dir)
	defer stop()
	reported(t, n, "the new generation answers", func(s node.Status) bool {
		for _, v := range s.Views {
			if v.Generation == 2 && v.Answers {
				return v.State == "RUNNING" && len(s.Archives[0].Lost) == 0
			}
		}
		return false
	})
}

// Who accepts a new topic accepts with it what of the log before is nowhere any more: no
// generation waits for what the log had as long as it was that one.
func TestAcceptNewTopicWithoutTheFolder(t *testing.T) {
	dir, _ := loggedProject(t)
	must := func(args ...string) string {
		t.Helper()
		out, text, err := run(t, dir, args...)
		if err != nil {
			t.Fatal(text, err)
		}
		return out
	}
	define := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "d.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		must("apply", "--yes")
	}
	define(dlqDefinitions)
	n, stop := ingester(t, dir)
	sendClicks(t, n, "ann", "bob", "ann")
	inState(t, n, "RUNNING", 3)
	stop()
	for _, path := range []string{"log", "offline/history"} {
		if err := os.RemoveAll(filepath.Join(dir, ".freshet", filepath.FromSlash(path))); err != nil {
			t.Fatal(err)
		}
	}
	n, stop = ingester(t, dir)
	sendClicks(t, n, "eve", "eve")
	inState(t, n, "GAP", 0)
	stop()
	var done acceptedTopic
	if err := json.Unmarshal([]byte(must("accept-new-topic", "clicks", "--yes", "-o", "json")), &done); err != nil {
		t.Fatal(err)
	}
	if l := done.LostAtRest; len(l) != 1 || l[0].Generation != 1 || len(l[0].Offsets) != 1 || l[0].Offsets[0].To != 3 {
		t.Errorf("accepted with it: %+v", l)
	}
	define(strings.Replace(dlqDefinitions, "window: 1h", "window: 2h", 1))
	n, stop = ingester(t, dir)
	defer stop()
	reported(t, n, "the new generation answers, and nothing is said to be lost", func(s node.Status) bool {
		for _, v := range s.Views {
			if v.Generation == 2 && v.Answers {
				return len(s.Archives) == 1 && len(s.Archives[0].Lost) == 0
			}
		}
		return false
	})
}
