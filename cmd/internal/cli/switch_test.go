package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// A generation whose log is gone is no way back: the switch says why, what lookups
// would get and what to run, asks no running process in vain, and goes on with
// --force only.
func TestSwitchToAGap(t *testing.T) {
	dir, admin := t.TempDir(), nobody(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	do := func(args ...string) string {
		t.Helper()
		out, text, err := run(t, dir, args...)
		if err != nil {
			t.Fatal(args, text, err)
		}
		return out + text
	}
	live := func() (number uint32) {
		t.Helper()
		r, err := sqlite.Open(t.Context(), filepath.Join(dir, ".freshet", "registry.db"), online.DefaultLanes)
		if err != nil {
			t.Fatal(err)
		}
		defer closing(r.Close, &err)
		list, err := r.Generations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range list {
			if g.State == registry.Live {
				number = g.Number
			}
		}
		return number
	}
	refused := func(how string, words ...string) {
		t.Helper()
		_, _, err := run(t, dir, "switch", "v")
		for _, w := range append(words, "nothing was switched: ", "generation 1 of view \"v\"", "--force") {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", how, err, w)
			}
		}
		if live() != 2 {
			t.Errorf("%s: it was switched", how)
		}
	}
	write("freshet.yaml", fmt.Sprintf("project: shop\nserve: {listen: %q}\nadmin: {listen: %q}\n", nobody(t), admin))
	write("d.yaml", dlqDefinitions)
	do("apply", "--yes")
	n, stop := ingester(t, dir)
	sendClicks(t, n, "ann", "bob", "ann")
	inState(t, n, "RUNNING", 3)
	write("d.yaml", strings.Replace(dlqDefinitions, "1h", "2h", 1))
	do("apply", "--yes")
	for deadline := time.Now().Add(time.Minute); live() != 2; inState(t, n, "RUNNING", 3) {
		if time.Now().After(deadline) {
			t.Fatal("generation 2 never took over")
		}
	}
	if out := do("switch", "v", "-o", "table"); !strings.Contains(out, "v     1           2") {
		t.Errorf("while all is well, and another process has the store: %s", out)
	}
	do("switch", "v@2")
	stop()

	if err := os.RemoveAll(filepath.Join(dir, ".freshet", "log")); err != nil {
		t.Fatal(err)
	}
	n, stop = ingester(t, dir)
	sendClicks(t, n, "eve", "eve")
	inState(t, n, "GAP", 0)
	refused("the ingester says", "is GAP: source clicks, partition 0: the log ends at ", "lookups would get REBUILDING", "(next: freshet accept-new-topic clicks)")
	stop()
	refused("the log says", "is GAP: source clicks, partition 0: the log ends at ", "(next: freshet accept-new-topic clicks)")
	held, err := os.ReadFile(filepath.Join(dir, "freshet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write("freshet.yaml", fmt.Sprintf("project: shop\nserve: {listen: %q}\nonline: {redis: {addrs: [%q]}}\n", nobody(t), nobody(t)))
	if _, _, err := run(t, dir, "switch", "v"); err == nil || !strings.Contains(err.Error(), "cannot be seen") || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "freshet doctor") {
		t.Errorf("without a store: %v", err)
	}
	write("freshet.yaml", string(held))
	if out := do("switch", "v", "--force"); !strings.Contains(out, "warning: generation 1 of view \"v\" is GAP") {
		t.Errorf("by force: %s", out)
	}
	do("accept-new-topic", "clicks", "--yes")
	n, stop = ingester(t, dir)
	defer stop()
	inState(t, n, "RUNNING", 2)
	for deadline := time.Now().Add(time.Minute); ; { // generation 2 leaves its GAP a moment later than the one that answers
		if _, _, err := run(t, dir, "switch", "v@2"); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
