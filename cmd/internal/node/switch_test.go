package node_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/serving/service"
)

// The two meanings of a view differ in every value: what a lookup reads of the
// one cannot pass for the other.
const switched = `
kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: at, format: unix_ms}
fields: {user: string, at: int64, price: double}
---
kind: StreamView
name: spend
entity: user
source: clicks
features: [{name: n, agg: count, window: 10m}, {name: total, agg: sum(price), window: 10m}]
---
kind: FeatureService
name: s
features: [spend.*]
`

// live is the number of the view's generation that answers; 0 for none.
func live(t *testing.T, n *node.Node) uint32 {
	t.Helper()
	list, err := n.Parts.Registry.Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range list {
		if g.State == registry.Live {
			return g.Number
		}
	}
	return 0
}

// TestNoMixedReads: while a changed view takes over, and while a person goes back
// and forth, every lookup reads one generation whole: the values of its revision's
// meaning, never an error, never the bytes of the one by the definition of the other.
func TestNoMixedReads(t *testing.T) {
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(switched)}}, "project: shop\n")
	var records []logrecord.Record
	for i := range 4 { // every 20 minutes one: the window of 10 minutes holds one, that of 2 hours all
		at := int64(begin) + int64(i)*20*60_000
		records = append(records, logrecord.Record{LogTime: featurestore.LogTime(at * 1000), Value: fmt.Appendf(nil, `{"user": "ann", "at": %d, "price": 2.5}`, at)})
	}
	waitFor(t, n, "clicks", 0, produce(t, n, "clicks", 0, records...))
	n.Parts.Clock.Move(featurestore.Instant(records[3].LogTime) + 60_000_000)
	eventually(t, "it answers", func() bool {
		return lookUp(t, n, []featurestore.Value{featurestore.StringValue("ann")}).Columns[0].Cells[0].Status == featurestore.Present
	})

	var stop atomic.Bool
	var reads [3]atomic.Int64 // by generation
	var readers errgroup.Group
	for range 2 {
		readers.Go(func() error {
			for !stop.Load() {
				if err := readOne(t, n, &reads); err != nil {
					stop.Store(true)
					return err
				}
			}
			return nil
		})
	}
	readers.Go(func() error {
		for !stop.Load() {
			if err := n.Backend.Watcher.Refresh(t.Context()); err != nil {
				return err
			}
		}
		return nil
	})
	applyFiles(t, n.Parts, 1, []definition.File{{Path: "d.yaml", Data: []byte(strings.ReplaceAll(switched, "10m", "2h"))}})
	eventually(t, "the changed view takes over", func() bool { return live(t, n) == 2 || stop.Load() })
	for i := range 16 {
		choice := []registry.Choice{{View: "spend", Number: uint32(1 + i%2)}}
		if err := n.Parts.Registry.Switch(t.Context(), choice, "a test", featurestore.InstantOf(time.Now())); err != nil {
			t.Fatal(err)
		}
		before := reads[1+i%2].Load()
		eventually(t, "the other one is read", func() bool { return reads[1+i%2].Load() > before || stop.Load() })
	}
	stop.Store(true)
	if err := readers.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d lookups of the first, %d of the second", reads[1].Load(), reads[2].Load())
}

// readOne looks up between two looks at the catalog, as the API does.
func readOne(t *testing.T, n *node.Node, reads *[3]atomic.Int64) error {
	plan, err := n.Backend.Catalog().Service("s")
	if err != nil {
		return err
	}
	answer, err := n.Backend.Get(t.Context(), plan, &service.Request{Rows: 1, Entities: [][]featurestore.Value{{featurestore.StringValue("ann")}}})
	if err != nil {
		return err
	}
	number := answer.Roles[0].Generation
	count, total := answer.Columns[0].Cells[0], answer.Columns[1].Cells[0]
	want := map[uint32]int64{1: 1, 2: 4}[number]
	if count.Status != featurestore.Present || count.Value.Int64() != want || total.Value.Double() != 2.5*float64(want) || int64(number) != answer.Revision {
		return fmt.Errorf("revision %d, generation %d: n is %d (%s), total %g; want %d", answer.Revision, number, count.Value.Int64(), count.Status, total.Value.Double(), want)
	}
	reads[number].Add(1)
	return nil
}

// TestStatusOfAGeneration: a generation that is being built says how far it is.
func TestStatusOfAGeneration(t *testing.T) {
	n, project := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(switched)}}, "project: shop\ningest: {audit: {every: 1s}}\n")
	var records []logrecord.Record
	for i := range 500 {
		at := int64(begin) + int64(i)*1000
		records = append(records, logrecord.Record{LogTime: featurestore.LogTime(at * 1000), Value: fmt.Appendf(nil, `{"user": "u%d", "at": %d, "price": 1}`, i%50, at)})
	}
	waitFor(t, n, "clicks", 0, produce(t, n, "clicks", 0, records...))
	if err := n.Worker.Flush(); err != nil {
		t.Fatal(err)
	}
	status := func() (s node.Status) {
		t.Helper()
		out, err := n.Backend.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if list := status().Generations; len(list) != 1 || list[0].State != "LIVE" || list[0].Fill != nil {
		t.Fatalf("%+v", list)
	}
	o := registry.Order{Target: registry.Target{View: "spend", Hash: project.StreamView("spend").Hash}, Revision: 1, Reason: "a test", At: featurestore.InstantOf(time.Now())}
	if _, err := n.Parts.Registry.Rebuild(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	var fills []node.FillStatus
	eventually(t, "it has taken over", func() bool {
		for _, g := range status().Generations {
			if g.Fill != nil {
				fills = append(fills, *g.Fill)
			}
			if g.Generation == 2 && g.State == "LIVE" {
				return true
			}
		}
		return false
	})
	last := fills[len(fills)-1]
	if last.Of != 500 || last.Records != 500 || last.Phase != node.PhaseCatchingUp {
		t.Errorf("%+v", fills)
	}
	eventually(t, "it was audited", func() bool { a := status().Audit; return a != nil && a.Runs > 0 && a.Entities == 50 })
	if a := status().Audit; a.Findings != 0 || a.Trouble != "" {
		t.Errorf("%+v", a)
	}
}
