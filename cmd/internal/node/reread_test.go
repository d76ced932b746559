package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/serving/service"
)

// TestAddedFieldOfAChangeFeed: a field of a table that nobody has read so far is added,
// with aggregates that are taken back: lookups, training sets and verify have it of
// every row that the table ever had, the rows of before included.
func TestAddedFieldOfAChangeFeed(t *testing.T) {
	without := strings.Replace(changeDefinitions, "amount: double, ", "", 1)
	before, rest, _ := strings.Cut(without, "  - {name: total")
	_, services, _ := strings.Cut(rest, "---\nkind: FeatureService")
	without = strings.Replace(before+"---\nkind: FeatureService"+services, ", largest_orders.*", "", 1)
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(without)}}, "project: shop\n")
	changes := randomOrders(rand.New(rand.NewPCG(11, 3)), 200)
	buyers := []featurestore.Value{featurestore.StringValue("a"), featurestore.StringValue("b"), featurestore.StringValue("c"), featurestore.StringValue("d")}
	end := int64(0)
	for _, c := range changes {
		op := "u"
		if c.before == nil {
			op = "c"
		} else if c.after == nil {
			op = "d"
		}
		value := fmt.Sprintf(`{"before":%s,"after":%s,"source":{"ts_ms":%d},"op":%q,"ts_ms":%d}`, c.before.json(), c.after.json(), c.at, op, c.at)
		end = produce(t, n, "db.orders", 0, logrecord.Record{LogTime: featurestore.LogTime(c.at * 1000), Value: []byte(value)})
	}
	waitFor(t, n, "orders", 0, end)
	n.Parts.Clock.Move(featurestore.Instant(changes[len(changes)-1].at*1000 + 1))

	project := applyFiles(t, n.Parts, 1, []definition.File{{Path: "d.yaml", Data: []byte(changeDefinitions)}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ready := func() bool {
		g := n.Backend.Catalog().Generations
		return g["open_orders"].Ready && g["open_orders"].ID.Number == 2 && g["largest_orders"].Ready
	}
	for ; !ready(); runtime.Gosched() {
		if err := n.Backend.Watcher.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
	}
	answer := lookUp(t, n, buyers)
	for row, b := range buyers {
		compareOrders(t, "live", changes, b.Str(), answer.ReadTimes[row], func(name string) featurestore.Cell {
			return answer.Columns[slices.IndexFunc(answer.Columns, func(c service.Column) bool { return c.Name == name })].Cells[row]
		})
	}
	stored := history.New(history.Options{Dir: n.Parts.Settings.Offline.Dir, Files: history.ArchiveOnly, BatchRows: 3})
	trainOrders(t, project, stored, changes, buyers)
	verifyOrders(t, n, project, stored)
}
