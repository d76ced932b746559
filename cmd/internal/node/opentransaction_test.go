package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/torture/plant"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// wantLate wants a view to be late, to say some words and not to say others.
func wantLate(t *testing.T, what string, v node.ViewStatus, next string, says, not []string) {
	t.Helper()
	if v.State != "CATCHING_UP" || !strings.HasPrefix(v.Next, next) {
		t.Errorf("%s: %+v", what, v)
	}
	for _, w := range says {
		if !strings.Contains(v.Reason, w) {
			t.Errorf("%s: %q does not say %q", what, v.Reason, w)
		}
	}
	for _, w := range not {
		if strings.Contains(v.Reason+v.Next, w) {
			t.Errorf("%s: %q, next %q says %q", what, v.Reason, v.Next, w)
		}
	}
}

// TestWhatHoldsUpAView: a transaction that is open on Apache Kafka holds up a view, and is
// named where there is one, by a server and by the ingester. Where there is none, it is
// the ingester that is missing, whether something waits in the log or nothing does.
func TestWhatHoldsUpAView(t *testing.T) {
	kafka, err := plant.StartKafka(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, kafka.Stop)
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(salesDefinitions)}},
		fmt.Sprintf("project: shop\nlog: {kafka: {brokers: [%q]}}\n", kafka.Broker.Addr()))
	clock := n.Parts.Clock
	clock.Run()
	server := open(t, n.Parts, node.Serve)
	view := func(of *node.Node) node.ViewStatus {
		t.Helper()
		if err := of.Backend.Watcher.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return of.Backend.Report().Views[0]
	}
	is := func(state string) func() bool { return func() bool { return view(server).State == state } }
	later := func() { clock.Move(clock.Now() + featurestore.Instant((2 * time.Minute).Microseconds())) }
	start, ownNext := "start an ingester: freshetd ingest", "its producer ends the transaction"

	sale := logrecord.Record{LogTime: begin * 1000, Key: []byte("ann"), Value: fmt.Appendf(nil, `{"at":%d,"amount":1}`, begin)}
	waitFor(t, n, "sales", 0, produce(t, n, "sales", 0, sale))
	eventually(t, "RUNNING", is("RUNNING"))
	producer, err := kafka.Transactional(t.Context(), "sales", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := producer.Write(t.Context(), []logrecord.Record{sale, sale, sale}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a view that is late", is("CATCHING_UP"))
	const held = "a transaction is open in it: the 3 offsets from 1 on wait for its end"
	wantLate(t, "open, of a server", view(server), ownNext, []string{"partition 0 of sales: all that is committed in its log is applied; " + held}, []string{"no ingester has"})
	wantLate(t, "open, of the ingester", view(n), ownNext, []string{"this process reads partition 0 of sales", held}, []string{"no ingester has"})
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	wantLate(t, "open, and no ingester", view(server), ownNext, []string{held}, nil)
	if err := producer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	later()
	eventually(t, "what was committed", func() bool { return strings.Contains(view(server).Reason, "of the log wait") })
	wantLate(t, "committed, and no ingester", view(server), start, []string{"no ingester has moved partition 0 of sales for 2m", "4 offsets of the log wait"}, []string{"transaction"})

	again := open(t, n.Parts, node.Ingest)
	eventually(t, "RUNNING again", is("RUNNING"))
	if err := again.Stop(); err != nil {
		t.Fatal(err)
	}
	later()
	wantLate(t, "nothing waits, and no ingester", view(server), start, []string{"no ingester has moved partition ", " of sales for 2m", "; nothing waits in the log"}, []string{"transaction"})
}
