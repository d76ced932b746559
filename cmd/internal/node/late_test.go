package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestAnIngesterThatEnds: a view is RUNNING while an ingester keeps it at the end
// of its log, also where nothing comes. Once none does, it is CATCHING_UP, and says
// which partition, for how long, what waits and what to do; lookups go on.
func TestAnIngesterThatEnds(t *testing.T) {
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(salesDefinitions)}}, "project: shop\n")
	clock := n.Parts.Clock
	clock.Run()
	view := func(of *node.Node) node.ViewStatus {
		t.Helper()
		if err := of.Backend.Watcher.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return of.Backend.Report().Views[0]
	}
	later := func(d time.Duration) { clock.Move(clock.Now() + featurestore.Instant(d.Microseconds())) }
	isRunning := func(of *node.Node) func() bool {
		return func() bool { return view(of).State == "RUNNING" }
	}
	eventually(t, "RUNNING with an empty topic", isRunning(n))
	later(time.Minute)
	eventually(t, "RUNNING where nothing comes", isRunning(n))
	sale := logrecord.Record{LogTime: begin * 1000, Key: []byte("ann"), Value: fmt.Appendf(nil, `{"at":%d,"amount":1}`, begin)}
	waitFor(t, n, "sales", 0, produce(t, n, "sales", 0, sale, sale))
	later(time.Minute)
	eventually(t, "RUNNING after records", isRunning(n))
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}

	for p := range int32(2) {
		produce(t, n, "sales", p, sale, sale, sale)
	}
	server, err := node.Start(t.Context(), n.Parts, node.Options{Role: node.Serve, Listen: "127.0.0.1:0", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, server.Stop)
	later(2 * time.Minute)
	v := view(server)
	if v.State != "CATCHING_UP" || !v.Answers || !strings.HasPrefix(v.Reason, "no ingester has moved partition ") || !strings.Contains(v.Reason, " of sales for 2m") ||
		!strings.HasSuffix(v.Reason, "; 3 offsets of the log wait") || !strings.HasPrefix(v.Next, "start an ingester: freshetd ingest") {
		t.Errorf("without an ingester: %+v", v)
	}
	if _, text := ask(t, server.Server.Addr(), "/metrics"); !strings.Contains(text, `freshet_view_state{generation="1",state="CATCHING_UP",view="spend"} 1`) {
		t.Error("the metrics do not say so")
	}

	again, err := node.Start(t.Context(), n.Parts, node.Options{Role: node.Ingest, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, again.Stop)
	eventually(t, "RUNNING once an ingester is back", isRunning(server))
	if v := view(server); v.Reason != "" || v.Next != "" {
		t.Errorf("%+v", v)
	}
	answer := lookUp(t, server, []featurestore.Value{featurestore.StringValue("ann")})
	if got := answer.Columns[1].Cells[0].Value.Int64(); got != 8 {
		t.Errorf("RUNNING, and the total is %d of 8", got)
	}
}

// silent is a log that does not answer; until are the ends of the waits for it.
type silent struct {
	logrecord.Log
	until []time.Time
}

func (l *silent) Bounds(ctx context.Context, _ string, _ int32) (logrecord.Bounds, error) {
	end, _ := ctx.Deadline()
	l.until = append(l.until, end)
	<-ctx.Done()
	return logrecord.Bounds{}, ctx.Err()
}

// TestASilentLogIsWaitedForOnce: a status of many views asks a log that does not answer
// once, and each of them names it.
func TestASilentLogIsWaitedForOnce(t *testing.T) {
	text := salesDefinitions
	for _, name := range []string{"second", "third"} {
		text += fmt.Sprintf("---\nkind: StreamView\nname: %s\nentity: user\nsource: sales\nfeatures: [{name: n, agg: count, window: 1h}]\n", name)
	}
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(text)}}, "project: shop\n")
	clock := n.Parts.Clock
	clock.Run()
	report := func(of *node.Node) []node.ViewStatus {
		t.Helper()
		if err := of.Backend.Watcher.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return of.Backend.Report().Views
	}
	eventually(t, "RUNNING", func() bool {
		return !slices.ContainsFunc(report(n), func(v node.ViewStatus) bool { return v.State != "RUNNING" })
	})
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	server, err := node.Start(t.Context(), n.Parts, node.Options{Role: node.Serve, Listen: "127.0.0.1:0", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, server.Stop)
	clock.Move(clock.Now() + featurestore.Instant(2*time.Minute.Microseconds()))
	log := &silent{Log: n.Parts.Log}
	n.Parts.Log = log
	defer func() { n.Parts.Log = log.Log }()
	for _, v := range report(server) {
		if v.State != "CATCHING_UP" || !strings.Contains(v.Reason, "the log does not answer: nothing within") || strings.Contains(v.Reason, "no ingester") || !strings.Contains(v.Next, "log.kafka") {
			t.Errorf("%+v", v)
		}
	}
	if len(log.until) != 1 {
		t.Errorf("it was asked %d times for three views", len(log.until))
	}
}

// TestStatusAtTheOperatorsAddress: it answers what `freshet status` asks for, and
// a stream view that is live has no reason.
func TestStatusAtTheOperatorsAddress(t *testing.T) {
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(salesDefinitions)}}, "project: shop\nadmin: {listen: \"127.0.0.1:0\"}\n")
	for _, path := range []string{"/status", "/v1/status"} {
		code, text := ask(t, n.Admin.Addr(), path)
		var s node.Status
		if err := json.Unmarshal([]byte(text), &s); err != nil || code != 200 || s.Project != "shop" || len(s.Generations) != 1 {
			t.Fatalf("%s: %d %s (%v)", path, code, text, err)
		}
		if g := s.Generations[0]; g.State != "LIVE" || strings.Contains(g.Reason, "materialize") {
			t.Errorf("%s: %+v", path, g)
		}
	}
}
