package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestAStateThatIsNotKnown: a view one of whose lanes says a word that this version does
// not know is STALE_BINARY for the ingester, a server beside it and one that starts, with
// lane, word and the next command. Lookups of it are REBUILDING, those of others answer.
func TestAStateThatIsNotKnown(t *testing.T) {
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, server.Stop)
	text := strings.Replace(salesDefinitions, "---\nkind: FeatureService\nname: s\nfeatures: [spend.*]", `---
kind: StreamView
name: count
entity: user
source: sales
features: [{name: m, agg: count, window: 1h}]
---
kind: FeatureService
name: s
features: [spend.*, count.*]`, 1)
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(text)}}, fmt.Sprintf("project: shop\nonline: {redis: {addrs: [%q]}}\n", server.Addr()))
	n.Parts.Clock.Run()
	sale := logrecord.Record{LogTime: begin * 1000, Key: []byte("ann"), Value: fmt.Appendf(nil, `{"at":%d,"amount":1}`, begin)}
	waitFor(t, n, "sales", 0, produce(t, n, "sales", 0, sale, sale))
	view := func(of *node.Node, name string) node.ViewStatus {
		t.Helper()
		if err := of.Backend.Watcher.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, v := range of.Backend.Report().Views {
			if v.View == name {
				return v
			}
		}
		t.Fatalf("there is no view %s", name)
		return node.ViewStatus{}
	}
	for _, name := range []string{"count", "spend"} {
		eventually(t, name+" runs", func() bool { return view(n, name).State == "RUNNING" })
	}
	id := online.LaneID{Generation: online.Generation{Project: "shop", View: "spend", Number: 1}, Lane: 5}
	if err := server.Do(t.Context(), "HSET", string(id.AppendMetaKey(nil)), "state", "PAUSED"); err != nil {
		t.Fatal(err)
	}
	start, err := node.Start(t.Context(), n.Parts, node.Options{Role: node.Serve, Listen: "127.0.0.1:0", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, start.Stop)
	// Beyond the time after which nobody moves it any more, that is not the reason.
	n.Parts.Clock.Move(n.Parts.Clock.Now() + featurestore.Instant((2 * time.Minute).Microseconds()))
	for what, of := range map[string]*node.Node{"the ingester": n, "the server": start} {
		v := view(of, "spend")
		if v.State != "STALE_BINARY" || v.Answers || !strings.Contains(v.Reason, `lane 5 says the state "PAUSED"`) || !strings.Contains(v.Next, "freshet backfill spend") {
			t.Errorf("%s: %+v", what, v)
		}
	}
	waitFor(t, n, "sales", 0, produce(t, n, "sales", 0, sale))
	eventually(t, "the other view runs", func() bool { return view(start, "count").State == "RUNNING" })
	answer := lookUp(t, start, []featurestore.Value{featurestore.StringValue("ann")})
	for i, name := range []string{"spend__n", "spend__total", "count__m"} {
		want := featurestore.Rebuilding
		if name == "count__m" {
			want = featurestore.Present
		}
		if got := answer.Columns[i].Cells[0].Status; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if _, text := ask(t, start.Server.Addr(), "/metrics"); !strings.Contains(text, `freshet_view_state{generation="1",state="STALE_BINARY",view="spend"} 1`) {
		t.Error("the metrics do not say so")
	}
}
