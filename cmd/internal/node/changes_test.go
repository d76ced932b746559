package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/cmd/internal/verify"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/serving/service"
)

// A table of orders as a change feed gives it; one view whose aggregates can be
// subtracted, one that must be rebuilt from raw rows.
const changeDefinitions = `
kind: Entity
name: buyer
keys: [{name: buyer, type: string}]
---
kind: StreamSource
name: orders
kafka: {topic: db.orders}
format: debezium
timestamp: {field: created_at, format: unix_ms}
fields: {id: int64, buyer: string, amount: double, state: string}
where: state != "DRAFT"
---
kind: StreamView
name: open_orders
entity: buyer
source: orders
features:
  - {name: n, agg: count, windows: [10m, 2h]}
  - {name: total, agg: sum(amount), window: 2h}
  - {name: mean, agg: avg(amount), window: 2h}
---
kind: StreamView
name: largest_orders
entity: buyer
source: orders
features:
  - {name: most, agg: max(amount), window: 2h}
  - {name: newest, agg: last(amount), window: 2h}
---
kind: FeatureService
name: s
features: [open_orders.*, largest_orders.*]
`

// order is a row of the table, and change what happened to it.
type order struct {
	id, created int64 // milliseconds
	buyer       string
	amount      float64
	state       string
}

func (o *order) json() string {
	if o == nil {
		return "null"
	}
	return fmt.Sprintf(`{"id":%d,"buyer":%q,"amount":%g,"state":%q,"created_at":%d}`, o.id, o.buyer, o.amount, o.state, o.created)
}

type orderChange struct {
	at            int64
	before, after *order
}

// begin is where the test's time begins, in milliseconds.
const begin = 1_767_600_000_000

// randomOrders plays a table: orders are placed, changed, moved to another buyer
// or another time, and deleted.
func randomOrders(rng *rand.Rand, n int) (changes []orderChange) {
	rows := map[int64]order{}
	at, next := int64(begin), int64(1)
	for range n {
		at += 1 + rng.Int64N(60_000)
		var ids []int64
		for id := range rows {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		o := order{
			id: next, created: at - rng.Int64N(20*60_000), buyer: string(rune('a' + rng.IntN(4))), amount: float64(rng.IntN(1000)) / 10,
			state: []string{"NEW", "PAID", "DRAFT"}[rng.IntN(3)],
		}
		if what := rng.IntN(10); what < 4 || len(ids) == 0 {
			next++
			rows[o.id] = o
			changes = append(changes, orderChange{at: at, after: &o})
		} else {
			was := rows[ids[rng.IntN(len(ids))]]
			if what < 8 {
				o.id = was.id
				if rng.IntN(2) == 0 {
					o.created = was.created
				}
				rows[o.id] = o
				changes = append(changes, orderChange{at: at, before: &was, after: &o})
			} else {
				delete(rows, was.id)
				changes = append(changes, orderChange{at: at, before: &was})
			}
		}
	}
	return changes
}

// expected computes the features of a buyer at t from the table as it was before
// t: with no help of ours.
func expected(changes []orderChange, buyer string, t featurestore.Instant) (n10, n120 int64, total float64, newest *order, most float64) {
	rows := map[int64]order{}
	for _, c := range changes {
		if c.at*1000 >= int64(t) {
			break
		}
		if c.before != nil {
			delete(rows, c.before.id)
		}
		if c.after != nil {
			rows[c.after.id] = *c.after
		}
	}
	start := func(width, tile int64) int64 { from := int64(t) - width; return from - from%tile }
	second := int64(1_000_000)
	cents := 0
	for _, o := range rows {
		e := o.created * 1000
		if o.buyer != buyer || o.state == "DRAFT" || e >= int64(t) {
			continue
		}
		if e >= start(600*second, 10*second) {
			n10++
		}
		if e >= start(7200*second, 300*second) {
			n120++
			cents += int(o.amount*10 + 0.5)
			most = max(most, o.amount)
			if newest == nil || o.created > newest.created {
				newest = &o
			}
		}
	}
	return n10, n120, float64(cents) / 10, newest, most
}

// openNode starts a node over definitions on embedded parts, with an idle clock.
func openNode(t *testing.T, files []definition.File, settingsText string) (*node.Node, *definition.Project) {
	t.Helper()
	ctx, root := context.Background(), t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte(settingsText), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(root, settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := node.Open(ctx, s, node.ReplayClock(begin*1000), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, parts.Close)
	project := applyFiles(t, parts, 0, files)
	for _, source := range project.StreamSources {
		if err := parts.Log.CreateTopic(ctx, logrecord.TopicSpec{Name: source.Topic, Partitions: 2, Retention: logrecord.Forever}); err != nil {
			t.Fatal(err)
		}
	}
	n, err := node.Start(ctx, parts, node.Options{Role: node.Ingest, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, n.Stop)
	return n, project
}

func applyFiles(t *testing.T, parts *node.Parts, revision int64, files []definition.File) *definition.Project {
	t.Helper()
	project, problems := definition.Load(files)
	if project == nil {
		t.Fatal(problems)
	}
	var targets []registry.Target
	for view, hash := range plan.Targets(project) {
		targets = append(targets, registry.Target{View: view, Hash: hash})
	}
	if _, err := parts.Registry.Apply(context.Background(), revision, registry.Revision{Files: files}, targets); err != nil {
		t.Fatal(err)
	}
	return project
}

// lookUp reads all features of a service for the buyers.
func lookUp(t *testing.T, n *node.Node, buyers []featurestore.Value) *service.Answer {
	t.Helper()
	if err := n.Backend.Watcher.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := n.Backend.Catalog().Service("s")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := n.Backend.Get(t.Context(), p, &service.Request{Rows: len(buyers), Entities: [][]featurestore.Value{buyers}})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// compareOrders compares the columns of the service at one instant.
func compareOrders(t *testing.T, what string, changes []orderChange, buyer string, at featurestore.Instant, cell func(column string) featurestore.Cell) {
	t.Helper()
	n10, n120, total, newest, most := expected(changes, buyer, at)
	want := map[string]featurestore.Value{
		"open_orders__n_10m": featurestore.Int64Value(n10), "open_orders__n_2h": featurestore.Int64Value(n120), "open_orders__total": featurestore.DoubleValue(total),
		"open_orders__mean": featurestore.Null, "largest_orders__most": featurestore.Null, "largest_orders__newest": featurestore.Null,
	}
	if n120 > 0 {
		want["largest_orders__most"], want["largest_orders__newest"] = featurestore.DoubleValue(most), featurestore.DoubleValue(newest.amount)
	}
	for name, w := range want {
		got := cell(name)
		if name == "open_orders__mean" {
			if (n120 > 0) != !got.Value.IsNull() || n120 > 0 && !near(got.Value.Double(), total/float64(n120)) {
				t.Errorf("%s: %s of %s at %s: %s, want %g", what, name, buyer, at, got.Value.Text(featurestore.Double), total/float64(max(1, n120)))
			}
			continue
		}
		same := got.Value.Equal(w) || w.Kind() == featurestore.KindDouble && got.Value.Kind() == featurestore.KindDouble && near(got.Value.Double(), w.Double())
		if !same {
			t.Errorf("%s: %s of %s at %s: %+v, want %+v", what, name, buyer, at, got, w)
		}
	}
}

// near allows for the rounding of the comparison, not of the product: tenths are
// no doubles, and the test adds integers.
func near(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }

func produce(t *testing.T, n *node.Node, topic string, partition int32, records ...logrecord.Record) int64 {
	t.Helper()
	base, err := n.Parts.Log.Produce(t.Context(), topic, partition, records)
	if err != nil {
		t.Fatal(err)
	}
	return base + int64(len(records))
}

func waitFor(t *testing.T, n *node.Node, source string, partition int32, end int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := n.Worker.Progress().Wait(ctx, online.Partition{Source: source, Generation: 1, Number: partition}, end); err != nil {
		t.Fatal(err)
	}
}

// TestChangeFeed: a table's changes, live, in training sets, as the oracle has
// them and in a generation that is filled from history, are the table.
func TestChangeFeed(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	n, project := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(changeDefinitions)}}, "project: shop\n")
	changes := randomOrders(rng, 250)
	buyers := []featurestore.Value{featurestore.StringValue("a"), featurestore.StringValue("b"), featurestore.StringValue("c"), featurestore.StringValue("d")}
	end := int64(0)
	for i, c := range changes {
		op := "u"
		if c.before == nil {
			op = "c"
		} else if c.after == nil {
			op = "d"
		}
		key := []byte(fmt.Sprintf(`{"n":%d}`, i))
		value := fmt.Sprintf(`{"before":%s,"after":%s,"source":{"ts_ms":%d},"op":%q,"ts_ms":%d}`, c.before.json(), c.after.json(), c.at, op, c.at)
		records := []logrecord.Record{{LogTime: featurestore.LogTime(c.at * 1000), Key: key, Value: []byte(value)}}
		if op == "d" {
			records = append(records, logrecord.Record{LogTime: featurestore.LogTime(c.at * 1000), Key: key})
		}
		if i == 100 { // what cannot be taken back stops nothing
			bad := fmt.Sprintf(`{"before":null,"after":%s,"source":{"ts_ms":%d},"op":"u"}`, (&order{id: 1}).json(), c.at)
			records = append(records, logrecord.Record{LogTime: featurestore.LogTime(c.at * 1000), Value: []byte(bad)})
		}
		end = produce(t, n, "db.orders", 0, records...)
		if i%50 == 49 {
			waitFor(t, n, "orders", 0, end)
			n.Parts.Clock.Move(featurestore.Instant(c.at*1000 + 1))
			answer := lookUp(t, n, buyers)
			for row, b := range buyers {
				compareOrders(t, "live", changes, b.Str(), answer.ReadTimes[row], func(name string) featurestore.Cell {
					return answer.Columns[slices.IndexFunc(answer.Columns, func(c service.Column) bool { return c.Name == name })].Cells[row]
				})
			}
		}
	}
	for _, p := range n.Backend.Report().Partitions {
		if p.Partition == 0 && (p.Dead != 1 || p.Tombstones == 0) {
			t.Errorf("status %+v", p)
		}
	}
	if err := n.Worker.Flush(); err != nil {
		t.Fatal(err)
	}
	stored := history.New(history.Options{Dir: n.Parts.Settings.Offline.Dir, Files: history.ArchiveOnly, BatchRows: 3})
	trainOrders(t, project, stored, changes, buyers)
	verifyOrders(t, n, project, stored)

	// Another window makes a new generation, which history fills.
	renewed := definition.File{Path: "d.yaml", Data: []byte(changeDefinitions + "\n---\nkind: StreamView\nname: spread\nentity: buyer\nsource: orders\nfeatures: [{name: least, agg: min(amount), window: 2h}, {name: n, agg: count, window: 2h}]\n")}
	project = applyFiles(t, n.Parts, 1, []definition.File{renewed})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if err := n.Backend.Watcher.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		if g := n.Backend.Catalog().Generations["spread"]; g.Ready {
			break
		}
		runtime.Gosched()
	}
	verifyOrders(t, n, project, stored)
}

// trainOrders joins the service to instants all over the table's life.
func trainOrders(t *testing.T, project *definition.Project, stored *history.Reader, changes []orderChange, buyers []featurestore.Value) {
	t.Helper()
	buyerColumn := frame.New([]frame.Field{{Name: "buyer", Type: featurestore.String}})
	spine := &pit.Spine{Keys: map[string]*frame.Column{"buyer": &buyerColumn.Columns[0]}}
	var names []string
	for i := 5; i < len(changes); i += 9 {
		spine.Time = append(spine.Time, featurestore.Instant(changes[i].at*1000+1))
		b := buyers[i%len(buyers)]
		spine.Keys["buyer"].Append(b)
		names = append(names, b.Str())
	}
	j := &pit.Joiner{Events: scanned{stored}, Sorter: frame.Memory{}}
	result, err := j.Join(t.Context(), &pit.Request{Project: project, Service: project.Service("s"), Spine: spine})
	if err != nil {
		t.Fatal(err)
	}
	for row, buyer := range names {
		compareOrders(t, "training", changes, buyer, spine.Time[row], func(name string) featurestore.Cell {
			c := &result.Columns[slices.IndexFunc(result.Columns, func(c pit.Column) bool { return c.Name == name })]
			return featurestore.Cell{Value: c.Value(row), Status: c.Status[row]}
		})
	}
}

// scanned reads events for the join.
type scanned struct{ history offline.History }

func (s scanned) Scan(ctx context.Context, source *definition.StreamSource, index uint16, fields []int, each func([]featurestore.Event) error) (err error) {
	stream, err := s.history.Scan(ctx, offline.Spec{Source: source, Index: index, Fields: fields})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for {
		batch, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = each(batch.Events)
		}
		if err != nil {
			return err
		}
	}
}

// checker compares what a node answers with what is at rest.
func checker(t *testing.T, n *node.Node, stored *history.Reader) *verify.Checker {
	t.Helper()
	return &verify.Checker{
		History: stored, Note: t.Logf,
		Get: func(ctx context.Context, view string, keys [][]featurestore.Value, asOf *featurestore.Instant) ([]verify.Read, error) {
			p, err := n.Backend.Catalog().Features([]string{view + ".*"})
			if err != nil {
				return nil, err
			}
			req := &service.Request{Rows: len(keys), Entities: [][]featurestore.Value{{}}, AsOf: asOf}
			for _, k := range keys {
				req.Entities[0] = append(req.Entities[0], k[0])
			}
			answer, err := n.Backend.Get(ctx, p, req)
			if err != nil {
				return nil, err
			}
			out := make([]verify.Read, len(keys))
			for i := range out {
				out[i] = verify.Read{At: answer.ReadTimes[i], Applied: answer.Roles[0].Rows[i].Applied}
				for _, column := range answer.Columns {
					out[i].Cells = append(out[i].Cells, column.Cells[i])
				}
			}
			return out, nil
		},
	}
}

// verifyOrders holds every view to the oracle.
func verifyOrders(t *testing.T, n *node.Node, project *definition.Project, stored *history.Reader) {
	t.Helper()
	c := checker(t, n, stored)
	for _, v := range project.StreamViews {
		report, err := c.StreamView(t.Context(), v)
		if err != nil || report.Mismatches != 0 || report.Values == 0 || report.Behind != 0 || report.Ahead != 0 || report.Compared != report.Entities {
			t.Errorf("view %s: %+v, %v", v.Name, report, err)
		}
	}
}
