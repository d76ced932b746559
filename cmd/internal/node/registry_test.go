package node_test

import (
	"encoding/binary"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
)

const avroDefinitions = `
kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks, key: user}
format: avro
schema: clicks-value
timestamp: {field: at, format: native}
fields: {user: string, price: {type: double, path: item.price}}
---
kind: StreamView
name: spend
entity: user
source: clicks
features: [{name: n, agg: count, window: 1h}, {name: total, agg: sum(price), window: 1h}]
---
kind: FeatureService
name: s
features: [spend.*]
`

const clickAvro = `{"type":"record","name":"Click","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
 {"name":"item","type":["null",{"type":"record","name":"Item","fields":[{"name":"price","type":"double"}]}]}]}`

// TestSchemaRegistry: records name their schemas; one that is not there makes a
// dead letter, a registry that does not answer makes the stream wait.
func TestSchemaRegistry(t *testing.T) {
	fake := srfake.New()
	t.Cleanup(fake.Close)
	var down atomic.Bool
	fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down.Load()
	})
	first, _, err := fake.RegisterSchema("clicks-value", sr.Schema{Schema: clickAvro})
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(clickAvro, `"fields":[{"name":"at"`, `"fields":[{"name":"page","type":"string"},{"name":"at"`, 1)
	second, _, err := fake.RegisterSchema("clicks-value", sr.Schema{Schema: later})
	if err != nil {
		t.Fatal(err)
	}
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(avroDefinitions)}}, "project: shop\nlog: {schema_registry: {url: "+fake.URL()+"}}\ningest: {dead_letters: {topic: true}}\n")
	click := func(id int, schema string, price float64) logrecord.Record {
		value, err := avro.MustParse(schema).Encode(map[string]any{"page": "p", "at": int64(begin), "item": map[string]any{"price": price}})
		if err != nil {
			t.Fatal(err)
		}
		framed := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), value...)
		return logrecord.Record{LogTime: begin * 1000, Key: []byte("ann"), Value: framed}
	}
	end := produce(t, n, "clicks", 0, click(first, clickAvro, 1), click(99, clickAvro, 100), click(first, clickAvro, 2))
	waitFor(t, n, "clicks", 0, end)
	down.Store(true)
	end = produce(t, n, "clicks", 0, click(first, clickAvro, 4), click(second, later, 8))
	trouble := func() string { return n.Backend.Report().Partitions[0].Trouble }
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(trouble(), "does not give schema 2"); {
		runtime.Gosched()
		if time.Now().After(deadline) {
			t.Fatalf("trouble %q", trouble())
		}
	}
	down.Store(false)
	waitFor(t, n, "clicks", 0, end)
	n.Parts.Clock.Move(begin*1000 + 1)
	answer := lookUp(t, n, []featurestore.Value{featurestore.StringValue("ann")})
	if c := answer.Columns; c[0].Cells[0].Value.Int64() != 4 || c[1].Cells[0].Value.Double() != 15 {
		t.Errorf("%+v", c)
	}
	letters := 0
	for letter, err := range deadletter.Read(n.Parts.LettersDir(), deadletter.Filter{}) {
		if letters++; err != nil || letter.Code != "UNKNOWN_SCHEMA" || letter.Offset != 1 {
			t.Errorf("%+v, %v", letter, err)
		}
	}
	if letters != 1 {
		t.Errorf("%d dead letters", letters)
	}
	copied, err := n.Parts.Log.Peek(t.Context(), "clicks.shop.dlq", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Release()
	if code, _ := copied.Records[0].Headers.Get(deadletter.HeaderCode); len(copied.Records) != 1 || string(code) != "UNKNOWN_SCHEMA" || string(copied.Records[0].Key) != "ann" {
		t.Errorf("the topic of dead letters holds %+v", copied.Records)
	}
}
