package cli

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/canary"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/ingest/worker"
)

// process is one that says something of itself, at the paths of both addresses.
func process(t *testing.T, s node.Status) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(s); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // only its port was wanted
	return l.Addr().String()
}

// Where server and ingester are apart, the status is what both say: why a view is
// HALTED, counts, partitions and the canary are the ingester's. Where none answers,
// it says where to ask.
func TestStatusAsksTheIngester(t *testing.T) {
	halted := func(reason string) []node.ViewStatus {
		return []node.ViewStatus{
			{View: "spend", Generation: 1, Answers: true, Condition: worker.Condition{State: "HALTED", Reason: reason, Next: "freshet dlq ls"}},
			{View: "other", Generation: 1, Answers: true, Condition: worker.Condition{State: "RUNNING"}},
		}
	}
	server := process(t, node.Status{Project: "shop", Revision: 1, Views: halted("too many records")})
	known := halted("150 of its last 152 records do not decode, the newest at partition 0, offset 151")
	known[0].Counts, known[1].Counts = &worker.Counts{Folded: 42}, &worker.Counts{Folded: 7}
	known[1].Condition = worker.Condition{State: "LOST", Reason: "as another process saw it"}
	ingester := process(t, node.Status{
		Project: "shop", Views: known, Canary: &canary.Status{State: canary.StateRunning},
		Partitions: []node.PartitionStatus{{Source: "sales", Applied: 150, Lag: 2, Dead: 3}},
	})
	status := func(admin string, args ...string) (s node.Status, table string) {
		t.Helper()
		dir := t.TempDir()
		text := fmt.Sprintf("project: shop\nserve: {listen: %q}\n", server)
		if admin != "" {
			text += fmt.Sprintf("admin: {listen: %q}\n", admin)
		}
		if err := os.WriteFile(filepath.Join(dir, "freshet.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"json", "table"} {
			out, _, err := run(t, dir, append([]string{"status", "-o", form}, args...)...)
			if err != nil {
				t.Fatal(err)
			}
			if table = out; form == "json" {
				if err := json.Unmarshal([]byte(out), &s); err != nil {
					t.Fatal(err)
				}
			}
		}
		return s, strings.Join(strings.Fields(table), " ")
	}
	s, table := status(ingester)
	if v := s.Views[0]; v.Reason != known[0].Reason || v.Counts.Folded != 42 || len(s.Partitions) != 1 || s.Canary == nil || s.Revision != 1 {
		t.Errorf("%+v", s)
	}
	if v := s.Views[1]; v.State != "RUNNING" || v.Reason != "" || v.Counts.Folded != 7 {
		t.Errorf("the server says how a view is that answers: %+v", v)
	}
	if !strings.Contains(table, "sales 0 150 2 3") || !strings.Contains(table, "150 of its last 152") {
		t.Errorf("%s", table)
	}
	for admin, want := range map[string]string{
		"":                                       "are shown by an ingester: freshet status --addr <its admin.listen>",
		nobody(t):                                "none answers at admin.listen",
		process(t, node.Status{Project: "else"}): `project "else" answers at admin.listen`,
		process(t, node.Status{Project: "shop"}): "reads no partition; ask the others",
	} {
		if s, table := status(admin); !strings.Contains(table, want) || s.Views[0].Reason != "too many records" {
			t.Errorf("admin.listen %q: %s", admin, table)
		}
	}
	if s, _ := status("", "--addr", ingester); len(s.Partitions) != 1 || s.Revision != 0 {
		t.Errorf("--addr of an ingester: %+v", s)
	}
}

// What the ingester of a view knows to stand still does so, whatever the lanes say to a
// server: a partition may end for a reason that no lane has.
func TestStatusOfWhatStandsStill(t *testing.T) {
	halted := worker.Condition{State: "HALTED", Reason: "source sales, partition 0: archived file \"f\" is listed and not there: restore it", Next: "restart the ingester once that is mended"}
	gap := worker.Condition{State: "GAP", Reason: "it cannot be built", Next: "freshet archive accept-loss sales"}
	late := worker.Condition{State: "CATCHING_UP", Reason: "no ingester has moved it", Next: "freshet doctor"}
	for name, c := range map[string]struct{ server, ingester, want worker.Condition }{
		"at once":                        {worker.Condition{State: "RUNNING"}, halted, halted},
		"after a while":                  {late, halted, halted},
		"what may pass is the server's":  {worker.Condition{State: "RUNNING"}, late, worker.Condition{State: "RUNNING"}},
		"the lanes are lost, or another": {worker.Condition{State: "LOST"}, halted, worker.Condition{State: "LOST"}},
		"it waits to be built":           {worker.Condition{State: "BUILDING"}, gap, gap},
	} {
		s, said := &node.Status{Views: []node.ViewStatus{{View: "spend", Condition: c.server}}}, &node.Status{Views: []node.ViewStatus{{View: "spend", Condition: c.ingester}}}
		if join(s, said); s.Views[0].Condition != c.want {
			t.Errorf("%s: %+v", name, s.Views[0].Condition)
		}
	}
}

// What was at rest and is lost, an ingester knows.
func TestStatusOfWhatIsLost(t *testing.T) {
	lost := node.ArchiveStatus{Source: "orders", Lost: []node.LostRest{{Generation: 1}}}
	said := &node.Status{Archives: []node.ArchiveStatus{{Source: "clicks", Files: 3}, lost}}
	for name, has := range map[string][]node.ArchiveStatus{"with it": {{Source: "clicks", Files: 2}, {Source: "orders"}}, "without": {{Source: "clicks", Files: 2}}} {
		s := &node.Status{Archives: has}
		if join(s, said); len(s.Archives) != 2 || s.Archives[0].Files != 2 || len(s.Archives[1].Lost) != 1 {
			t.Errorf("%s: %+v", name, s.Archives)
		}
	}
}

// A generation that waits for what is lost is shown as its ingester says it is, and so is
// a view of which none answers yet; one that is only kept is not.
func TestStatusOfAGenerationThatWaits(t *testing.T) {
	gap := worker.Condition{State: "GAP", Reason: "it cannot be built", Next: "freshet archive accept-loss orders"}
	s := &node.Status{
		Views: []node.ViewStatus{{View: "spend", Generation: 2, Condition: worker.Condition{State: "RUNNING"}}, {View: "total", Condition: worker.Condition{State: "BUILDING"}}},
		Generations: []node.GenerationStatus{
			{View: "spend", Generation: 1, State: "STANDBY"}, {View: "spend", Generation: 2, State: "LIVE"}, {View: "spend", Generation: 3, State: "BUILDING"}, {View: "total", Generation: 1, State: "BUILDING"},
		},
	}
	said := &node.Status{Views: []node.ViewStatus{
		{View: "spend", Generation: 1, Condition: worker.Condition{State: "HALTED"}}, {View: "spend", Generation: 3, Condition: gap}, {View: "total", Generation: 1, Condition: gap},
	}}
	join(s, said)
	if len(s.Views) != 3 || s.Views[0].State != "RUNNING" || s.Views[1].Generation != 3 || s.Views[1].Condition != gap || s.Views[2].Condition != gap {
		t.Errorf("%+v", s.Views)
	}
}

// How far a fill is, says who fills; of a generation that nobody builds it says nothing.
func TestJoinFills(t *testing.T) {
	far := &node.FillStatus{Phase: node.PhaseRereading, Of: 9, Reread: &node.RereadStatus{Rows: 2, Of: 5}}
	s := &node.Status{Generations: []node.GenerationStatus{{View: "spend", Generation: 2, Fill: &node.FillStatus{Phase: node.PhaseFilling, Of: 9}}, {View: "spend", Generation: 1}}}
	said := &node.Status{Generations: []node.GenerationStatus{{View: "spend", Generation: 1, Fill: far}, {View: "spend", Generation: 2, Fill: far, Trouble: "it waits"}}}
	if join(s, said); s.Generations[0].Fill != far || s.Generations[0].Trouble != "it waits" || s.Generations[1].Fill != nil {
		t.Errorf("%+v", s.Generations)
	}
}

// Who waits for a generation that does not get on is told so once that has lasted, as where
// its view waits for a person; not while the generation moves, nor where the view waits for
// it, nor where a part was away for a moment.
func TestWaitingForAPerson(t *testing.T) {
	begin := time.Unix(1_767_000_000, 0)
	s := stillness{since: begin}
	g := &node.GenerationStatus{View: "spend", Generation: 2, Fill: &node.FillStatus{Phase: node.PhaseFilling, Of: 9}}
	gap := worker.Condition{State: "GAP", Reason: "records have expired", Next: "freshet accept-new-topic sales"}
	halted, running := worker.Condition{State: "HALTED", Reason: "bad records"}, worker.Condition{State: "RUNNING"}
	of := func(view string, c worker.Condition) *node.Status {
		return &node.Status{Views: []node.ViewStatus{{View: view, Generation: 1, Condition: c}}}
	}
	step := func(after time.Duration, status *node.Status, want string) {
		t.Helper()
		s.look(g, begin.Add(after))
		if got := s.stuck(status, g, begin.Add(after)); got != want {
			t.Errorf("after %s: %q, want %q", after, got, want)
		}
	}
	const told = "generation 1 is GAP: records have expired (next: freshet accept-new-topic sales)"
	step(0, of("spend", gap), "")
	step(time.Minute, of("other", gap), "")
	step(time.Minute, of("spend", gap), "") // it has just become so
	step(time.Minute+9*time.Second, of("spend", gap), "")
	step(2*time.Minute, of("spend", gap), told)
	g.Fill = &node.FillStatus{Phase: node.PhaseFilling, Records: 1, Of: 9}
	step(3*time.Minute, of("spend", gap), "")
	step(4*time.Minute, of("spend", running), "")
	step(5*time.Minute, of("spend", worker.Condition{State: worker.ConditionMixed}), "")
	step(6*time.Minute, of("spend", worker.Condition{State: worker.ConditionMixed}), "")
	step(7*time.Minute, of("spend", halted), "")
	step(8*time.Minute, of("spend", halted), "generation 1 is HALTED: bad records")
	step(8*time.Minute, of("spend", running), "")
	g.Trouble = "the store is away"
	step(9*time.Minute, of("spend", running), "")
	step(9*time.Minute+3*time.Second, of("spend", running), "")
	step(10*time.Minute, of("spend", running), "the store is away")
}

// A generation that does not get on says why: as the view that answers is, what
// the partitions say, or that nobody says anything.
func TestWhyAGenerationStandsStill(t *testing.T) {
	begin := time.Unix(1_767_000_000, 0)
	s := stillness{since: begin}
	g := &node.GenerationStatus{View: "spend", Generation: 2, Fill: &node.FillStatus{Phase: node.PhaseFilling, Of: 9}}
	status := &node.Status{}
	step := func(after time.Duration, want string) {
		t.Helper()
		s.look(g, begin.Add(after))
		if got := s.text(status, g, begin.Add(after)); got != want {
			t.Errorf("after %s: %q, want %q", after, got, want)
		}
	}
	step(time.Second, "")
	step(20*time.Second, "; it has not moved for 19s; see that an ingester runs: freshet doctor")
	status.Views = []node.ViewStatus{
		{View: "spend", Generation: 1, Condition: worker.Condition{State: "GAP", Reason: "records have expired", Next: "freshet accept-new-topic sales"}},
		{View: "other", Generation: 1, Condition: worker.Condition{State: "GAP", Reason: "of another"}},
	}
	step(20*time.Second, "; it has not moved for 19s; generation 1 is GAP: records have expired (next: freshet accept-new-topic sales)")
	status.Partitions, status.Store = []node.PartitionStatus{{Source: "sales", Partition: 3, Trouble: "no broker"}}, "no memory"
	status.Views = nil
	step(20*time.Second, "; it has not moved for 19s; source sales, partition 3: no broker; the online store: no memory")
	g.Fill = &node.FillStatus{Phase: node.PhaseFilling, Records: 1, Of: 9}
	step(21*time.Second, "")
	reread := func(rows int64) {
		g.Fill = &node.FillStatus{Phase: node.PhaseRereading, Records: 1, Of: 9, Reread: &node.RereadStatus{Rows: rows, Of: 5}}
	}
	reread(0)
	step(60*time.Second, "")
	reread(2)
	step(90*time.Second, "")
	reread(2)
	step(110*time.Second, "; it has not moved for 20s; source sales, partition 3: no broker; the online store: no memory")
	if text := fillText(g.Fill); text != "2 of 5 rows at rest were given fields that they lacked, read again from the log" {
		t.Error(text)
	}
}
