//go:build duckdb_arrow

package duckdb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/dataset"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/pit"
)

const shopDefinitions = `kind: Entity
name: user
keys: [{name: user_id, type: int64}]
---
kind: StreamSource
name: orders
kafka: {topic: orders}
format: json
timestamp: {field: at, format: rfc3339}
fields: {at: timestamp, user: int64, amount: double}
history: {files: [orders.jsonl], format: jsonl}
---
kind: StreamView
name: spend
entity: user
source: orders
keys: {user_id: user}
features:
  - {name: total, agg: sum(amount), window: 1h}
  - {name: newest, agg: last(amount), window: 1h}
---
kind: BatchSource
name: accounts
files: [accounts*.csv]
format: csv
timestamp: {field: since, format: rfc3339}
fields: {since: timestamp, id: int64, plan: string, credit: double}
---
kind: BatchView
name: account
entity: user
source: accounts
keys: {user_id: id}
features: [{name: plan, type: string}, {name: credit, type: double}]
---
kind: OnDemandView
name: ratio
inputs: [spend.total, account.credit]
request: {price: double}
features: [{name: share, type: double, expr: "(total + price) / credit"}]
---
kind: FeatureService
name: offer
features: [spend.*, account.plan, ratio.share]
log: {sample: 1.0}
`

// openShop is a small project whose files stand in one folder of the test's.
func openShop(t *testing.T) *world {
	t.Helper()
	w := open(t, t.TempDir(), []definition.File{{Path: "shop.yaml", Data: []byte(shopDefinitions)}})
	for name, content := range map[string]string{
		"orders.jsonl": `{"at": "2020-01-01T10:00:00Z", "user": 1, "amount": 10.5}
{"at": "2020-01-01T10:20:00Z", "user": 2, "amount": 1}
{"at": "2020-01-01T10:30:00Z", "user": 1, "amount": 0.25}
`,
		"accounts1.csv": `since,id,plan,credit
2020-01-01T00:00:00Z,1,free,100
2020-01-01T00:00:00Z,2,,50
2020-01-01T00:00:00Z,,none,1
yesterday,3,late,1
2020-01-01T10:00:00Z,1,paid,200
2020-01-02T00:00:00Z,1,gold,300
`,
		"accounts2.csv": "since,id,plan,credit\n2020-01-01T00:00:00Z,2,tie,60\n",
	} {
		if err := os.WriteFile(filepath.Join(w.root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) offer(t *testing.T, spine string) dataset.Request {
	t.Helper()
	format, err := dataset.SpineFormat(spine)
	if err != nil {
		t.Fatal(err)
	}
	return dataset.Request{Project: w.project, Service: w.service(t, "offer"), Spine: w.path(spine), SpineFormat: format, Out: w.path("out"), Format: definition.CSV}
}

// CSV in, CSV out: the spine's text stays, a null key and an entity without
// events have their statuses, and the latest row by (e, file) wins a tie.
func TestCSVSpine(t *testing.T) {
	w := openShop(t)
	w.write(t, "spine.csv", `user_id,event_timestamp,label,price
1,2020-01-01T10:30:00Z,007,1
1,2020-01-01T12:45:00.5+02:00,,1
2,2020-01-02T00:00:00Z,x,0
,2020-01-01T10:30:00Z,y,1
9,2020-01-01T10:30:00Z,"a ""b""",
`)
	r := w.offer(t, "spine.csv")
	r.With.Status = true
	if _, err := w.exporter().Export(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	const want = `user_id,event_timestamp,label,price,spend__total,spend__newest,account__plan,ratio__share,spend__total__status,spend__newest__status,account__plan__status,ratio__share__status
1,2020-01-01T10:30:00Z,007,1,10.5,10.5,paid,0.0575,PRESENT,PRESENT,PRESENT,PRESENT
1,2020-01-01T12:45:00.5+02:00,,1,10.75,0.25,paid,0.05875,PRESENT,PRESENT,PRESENT,PRESENT
2,2020-01-02T00:00:00Z,x,0,0.0,,tie,0.0,NOT_FOUND,NOT_FOUND,PRESENT,PRESENT
,2020-01-01T10:30:00Z,y,1,,,,,INVALID_KEY,INVALID_KEY,INVALID_KEY,INVALID_KEY
9,2020-01-01T10:30:00Z,"a ""b""",,0.0,,,,NOT_FOUND,NOT_FOUND,NOT_FOUND,NOT_FOUND
`
	if got := read(t, filepath.Join(r.Out, "data.csv")); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	m, err := dataset.Show(r.Out)
	if err != nil {
		t.Fatal(err)
	}
	total := m.Columns[0]
	if total.Nulls != 1 || total.Min != "0" || total.Max != "10.75" || total.Mean != "5.3125" || total.Statuses["PRESENT"] != 2 {
		t.Errorf("statistics %+v", total)
	}
	if text := read(t, filepath.Join(r.Out, "manifest.json")); strings.Contains(text, w.dir) {
		t.Errorf("the manifest has a path of this machine:\n%s", text)
	}
}

// JSON lines and a zone for wall times.
func TestJSONSpineWithZone(t *testing.T) {
	w := openShop(t)
	w.write(t, "spine.jsonl", `{"user_id": 1, "event_timestamp": "2020-01-01 05:45:00", "price": 1}`+"\n")
	r := w.offer(t, "spine.jsonl")
	var err error
	if r.SpineZone, err = time.LoadLocation("America/New_York"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.exporter().Export(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	const want = "user_id,event_timestamp,price,spend__total,spend__newest,account__plan,ratio__share\n1,2020-01-01 05:45:00,1,10.75,0.25,paid,0.05875\n"
	if got := read(t, filepath.Join(r.Out, "data.csv")); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// Every wrong spine is refused at the boundary, with the column, the row and
// the way out; nothing is written.
func TestWrongSpines(t *testing.T) {
	w := openShop(t)
	const head = "user_id,event_timestamp,price\n"
	for name, c := range map[string]struct{ text, want string }{
		"nokey.csv":      {"user,event_timestamp,price\n1,2020-01-01T00:00:00Z,1\n", `no column "user_id" (int64): it is an entity key; the columns are user, event_timestamp, price`},
		"notime.csv":     {"user_id,ts,price\n1,2020-01-01T00:00:00Z,1\n", `no column "event_timestamp" (timestamp): it is the instant of each row`},
		"norequest.csv":  {"user_id,event_timestamp\n1,2020-01-01T00:00:00Z\n", `no column "price" (double): it is request data`},
		"both.csv":       {"a\n1\n", "\n"}, // both problems at once
		"zoneless.csv":   {head + "1,2020-01-01T00:00:00Z,1\n1,2020-01-01 00:00:00,1\n", `column "event_timestamp", row 2: "2020-01-01 00:00:00": the time has no zone: write an offset or Z, or declare a zone (--spine-zone)`},
		"nulltime.csv":   {head + "1,,1\n", `column "event_timestamp", row 1: is null`},
		"badtime.csv":    {head + "1,soon,1\n", `column "event_timestamp", row 1: "soon" is not an RFC 3339 time`},
		"digits.csv":     {head + "1,2020-01-01T00:00:00.1234567Z,1\n", "more than 6 fraction digits"},
		"badkey.csv":     {head + "one,2020-01-01T00:00:00Z,1\n", `column "user_id", row 1: "one" is not an int64`},
		"badrequest.csv": {head + "1,2020-01-01T00:00:00Z,dear\n", `column "price", row 1: "dear" is not a double`},
		"empty.csv":      {"", "the file is empty"},
		"norows.csv":     {head, "it has no rows"},
		"twice.csv":      {"user_id,event_timestamp,price,price\n1,2020-01-01T00:00:00Z,1,1\n", `column "price" stands twice`},
		"clash.csv":      {"user_id,event_timestamp,price,Spend__Total\n1,2020-01-01T00:00:00Z,1,1\n", `the output column "spend__total" is also a column of the spine`},
		"ragged.csv":     {head + "1,2020-01-01T00:00:00Z\n", "ragged.csv"},
		"typed.jsonl":    {`{"user_id": "1", "event_timestamp": "2020-01-01T00:00:00Z", "price": 1}`, `column "user_id" is VARCHAR, not int64`},
		"inttime.jsonl":  {`{"user_id": 1, "event_timestamp": 1577836800, "price": 1}`, `column "event_timestamp" is BIGINT, not timestamp`},
		"nested.jsonl":   {`{"user_id": [1], "event_timestamp": "2020-01-01T00:00:00Z", "price": 1}`, `column "user_id" is`},
		"cut.jsonl":      {`{"user_id": 1, `, "cut.jsonl"},
		"not.parquet":    {"PAR1", "not.parquet"},
	} {
		w.write(t, name, c.text)
		r := w.offer(t, name)
		_, err := w.exporter().Export(context.Background(), r)
		if !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) && name != "clash.csv" {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if _, err := dataset.Show(r.Out); !errors.Is(err, featurestore.ErrNotFound) {
			t.Errorf("%s: something was written: %v", name, err)
		}
	}
}

func TestWrongRequests(t *testing.T) {
	w := openShop(t)
	w.write(t, "spine.csv", "user_id,event_timestamp,price\n1,2020-01-01T00:00:00Z,1\n")
	for want, change := range map[string]func(*dataset.Request){
		"delay belongs to mode event_time": func(r *dataset.Request) { r.Delay = 1 },
		"must not be negative":             func(r *dataset.Request) { r.Delay, r.Mode = -1, pit.EventTime },
		"needs a prediction log":           func(r *dataset.Request) { r.Mode = pit.Exact },
		"written as parquet or csv":        func(r *dataset.Request) { r.Format = definition.JSONL },
		"holds other files":                func(r *dataset.Request) { r.Out = w.dir },
	} {
		r := w.offer(t, "spine.csv")
		change(&r)
		if _, err := w.exporter().Export(context.Background(), r); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := dataset.SpineFormat("labels.xlsx"); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("xlsx: %v", err)
	}
}
