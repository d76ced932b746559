package node_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
)

const salesDefinitions = `
kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: sales
kafka: {topic: sales, key: user}
format: json
timestamp: {field: at, format: unix_ms}
fields: {user: string, amount: int64}
---
kind: StreamView
name: spend
entity: user
source: sales
features: [{name: n, agg: count, window: 1h}, {name: total, agg: sum(amount), window: 1h}]
---
kind: FeatureService
name: s
features: [spend.*]
`

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestTooManyDeadLetters: a definition that fits no record halts the view before
// the records are passed by; one that fits reads them all.
func TestTooManyDeadLetters(t *testing.T) {
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(salesDefinitions)}}, "project: shop\n")
	sale := func(amount string) logrecord.Record {
		return logrecord.Record{LogTime: begin * 1000, Key: []byte("ann"), Value: []byte(fmt.Sprintf(`{"at":%d,"amount":%s}`, begin, amount))}
	}
	waitFor(t, n, "sales", 0, produce(t, n, "sales", 0, sale("1"), sale("2")))
	state := func() string {
		if err := n.Backend.Watcher.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return n.Backend.Report().Views[0].State
	}
	eventually(t, "RUNNING", func() bool { return state() == "RUNNING" })
	var bad []logrecord.Record
	for range 150 {
		bad = append(bad, sale("0.5"))
	}
	produce(t, n, "sales", 0, bad...)
	eventually(t, "HALTED", func() bool { return state() == "HALTED" })
	trouble := ""
	for _, p := range n.Backend.Report().Partitions {
		trouble += p.Trouble
	}
	for _, want := range []string{"HALTED", "150 of its last 152", "partition 0, offset 151", "DECODE_TYPE", "apply a definition"} {
		if !strings.Contains(trouble, want) {
			t.Errorf("trouble %q does not say %q", trouble, want)
		}
	}
	n.Parts.Clock.Move(begin*1000 + 1)
	ann := []featurestore.Value{featurestore.StringValue("ann")}
	if c := lookUp(t, n, ann).Columns; c[1].Cells[0].Value.Int64() != 3 {
		t.Errorf("a halted view answers with what it has: %+v", c)
	}
	for letter, err := range deadletter.Read(n.Parts.LettersDir(), deadletter.Filter{}) {
		t.Errorf("%+v, %v: a record that broke the budget was passed by", letter, err)
	}
	applyFiles(t, n.Parts, 1, []definition.File{{Path: "d.yaml", Data: []byte(strings.Replace(salesDefinitions, "amount: int64", "amount: double", 1))}})
	eventually(t, "the new generation", func() bool {
		if state() != "RUNNING" {
			return false
		}
		c := lookUp(t, n, ann).Columns
		return c[0].Cells[0].Value.Int64() == 152 && c[1].Cells[0].Value.Double() == 78
	})
}
