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

	"github.com/freshet/freshet/cmd/internal/doctor"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
)

// rested is a project on Apache Kafka and redis-server, without an operators' address, of
// which 40 clicks are at rest and applied. The log holds the last ten of them, a backup of
// the folder the first 20. No process runs.
type rested struct {
	*testing.T
	dir, listen, history, backup string
	redis                        *redistest.Server
}

func newRested(t *testing.T) *rested {
	t.Helper()
	broker := kafkatest.StartForTest(t)
	redis, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := redis.Stop(); err != nil {
			t.Error(err)
		}
	})
	r := &rested{T: t, dir: t.TempDir(), listen: nobody(t), backup: filepath.Join(t.TempDir(), "history"), redis: redis}
	r.history = filepath.Join(r.dir, ".freshet", "offline", "history")
	r.write("freshet.yaml", fmt.Sprintf("project: shop\nserve: {listen: %q}\nlog: {kafka: {brokers: [%q]}}\nonline: {redis: {addrs: [%q]}}\n", r.listen, broker.Addr(), redis.Addr()))
	r.apply(dlqDefinitions)
	users := strings.Fields(strings.Repeat("ann bob ", 10))
	for sent := range 2 {
		n, stop := ingester(t, r.dir)
		sendClicks(t, n, users...)
		reported(t, n, "this process has applied 20", func(s node.Status) bool {
			return s.Views[0].State == "RUNNING" && s.Views[0].Counts != nil && s.Views[0].Counts.Folded == 20
		})
		stop()
		if sent == 0 {
			r.do(os.CopyFS(r.backup, os.DirFS(r.history)))
		}
	}
	r.do(kafkatest.DeleteRecords(t.Context(), broker.Addr(), "clicks", 0, 30))
	return r
}

func (r *rested) do(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rested) write(name, text string) {
	r.Helper()
	r.do(os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600))
}

func (r *rested) apply(text string) {
	r.Helper()
	r.write("d.yaml", text)
	if _, text, err := run(r.T, r.dir, "apply", "--yes"); err != nil {
		r.Fatal(text, err)
	}
}

func (r *rested) status() (s node.Status) {
	r.Helper()
	out, notes, err := run(r.T, r.dir, "status", "-o", "json")
	if err != nil {
		r.Fatal(notes, err)
	}
	r.do(json.Unmarshal([]byte(out), &s))
	return s
}

// loses wants a status and doctor to name what is lost, and the way on.
func (r *rested) loses(what string, want archive.Range) {
	r.Helper()
	s := r.status()
	if len(s.Archives) != 1 || len(s.Archives[0].Lost) != 1 || len(s.Archives[0].Lost[0].Offsets) != 1 || s.Archives[0].Lost[0].Offsets[0] != want {
		r.Errorf("%s: %+v", what, s.Archives)
		return
	}
	offsets := fmt.Sprintf("offsets %d to %d", want.From, want.To-1)
	if a := s.Archives[0].Trouble; !strings.Contains(a, offsets) || !strings.Contains(a, "the log has them no longer") || !strings.Contains(a, r.history[:len(r.history)-len("history")-1]) || !strings.Contains(a, "freshet archive accept-loss clicks") {
		r.Errorf("%s: %s", what, a)
	}
	out, _, _ := run(r.T, r.dir, "doctor", "-o", "json")
	var d doctor.Report
	r.do(json.Unmarshal([]byte(out), &d))
	for _, c := range d.Checks {
		if c.Of == "archive of clicks" && c.State == doctor.Failed && strings.Contains(c.Seen, offsets) && strings.Contains(c.Next, "accept-loss") {
			return
		}
	}
	r.Errorf("%s: doctor: %s", what, out)
}

// waits wants a generation to be in a GAP, for what is lost.
func (r *rested) waits(what string, generation uint32) {
	r.Helper()
	s := r.status()
	for _, v := range s.Views {
		if v.Generation == generation && v.State == "GAP" && strings.Contains(v.Reason, "it cannot be built: ") && strings.Contains(v.Reason, "offsets 0 to 29") && v.Next == "freshet archive accept-loss clicks" {
			return
		}
	}
	r.Errorf("%s: %+v", what, s.Views)
}

// serve runs a server that ingests nothing.
func (r *rested) serve() (stop func()) {
	r.Helper()
	s, err := settings.Load(r.dir, settings.Source{})
	r.do(err)
	parts, err := node.Open(r.Context(), s, node.StoredClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	r.do(err)
	n, err := node.Start(r.Context(), parts, node.Options{Role: node.Serve, Listen: r.listen, Version: "test"})
	r.do(err)
	return func() {
		r.Helper()
		r.do(n.Stop())
		r.do(parts.Close())
	}
}

// TestStatusNamesWhatIsLost: where no ingester can be asked, `status` sees itself that the
// folder of events at rest is gone, or is an older backup, with and without a server, and
// that what would be built from less waits.
func TestStatusNamesWhatIsLost(t *testing.T) {
	r := newRested(t)
	if s := r.status(); len(s.Archives) != 1 || s.Archives[0].Trouble != "" || len(s.Archives[0].Lost) > 0 {
		t.Fatalf("nothing is lost: %+v", s.Archives)
	}
	aside := filepath.Join(t.TempDir(), "history")
	r.do(os.Rename(r.history, aside))
	r.loses("the folder is gone", archive.Range{From: 0, To: 30})
	r.apply(strings.Replace(dlqDefinitions, "window: 1h", "window: 2h", 1))
	r.waits("a changed view", 2)
	stop := r.serve()
	r.loses("the folder is gone, a server answers", archive.Range{From: 0, To: 30})
	r.waits("a changed view, a server answers", 2)
	r.do(r.redis.Pause())
	begun := time.Now()
	if s := r.status(); !strings.Contains(s.Store, r.redis.Addr()) || time.Since(begun) > statusSoon {
		t.Errorf("the store is silent: after %s: %+v", time.Since(begun), s)
	}
	r.do(r.redis.Resume())
	stop()

	r.do(os.CopyFS(r.history, os.DirFS(r.backup)))
	r.loses("an older backup", archive.Range{From: 20, To: 30})
	r.do(os.RemoveAll(r.history))
	r.do(r.redis.Do(t.Context(), "EVAL", "for _, k in ipairs(redis.call('keys', '{shop.v.1.*')) do redis.call('del', k) end return 1", "0"))
	r.waits("the store has lost the view", 1)

	r.do(os.Rename(aside, r.history))
	if s := r.status(); len(s.Archives[0].Lost) > 0 || s.Archives[0].Trouble != "" || s.Views[0].State == "GAP" {
		t.Errorf("the folder is back: %+v, %+v", s.Archives, s.Views)
	}
}
