package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
)

const describedView = `kind: Entity
name: e
keys: [{name: k, type: string}]
---
kind: StreamSource
name: src
kafka: {topic: t}
format: json
timestamp: {field: at, format: rfc3339}
fields: {k: string, s: string, d: double}
---
kind: StreamView
name: view
entity: e
source: src
features:
  - {name: n, agg: count, windows: [24h, lifetime, {rows: 20}, {session: {gap: 30m}}, {tumbling: 1h}, {hopping: {size: 1h, step: 10m}},
      {calendar: {unit: day, zone: America/New_York, complete: true}}, {series: {window: 1h, step: 30m, count: 24}}]}
  - {name: p, agg: "quantile(d, 0.950)", window: 7d, offset: 1d, exact: true, max_rows: 9}
  - {name: by, agg: "ewm_sum(d, 1h)", window: 7d, by: s, default: {none: 1.5}}
  - {name: l, agg: "last_n(s, 3)", window: 1h}
  - {name: s, type: string}
`

// describe shows of each feature its window in words, its tile and cover, and
// how it retracts; of the view what it keeps of an entity.
func TestDescribe(t *testing.T) {
	p, problems := definition.Load([]definition.File{{Path: "x.yaml", Data: []byte(describedView)}})
	if p == nil {
		t.Fatal(problems.Format())
	}
	raw, err := json.Marshal(streamViewDetails(p.StreamView("view")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"name":"n_24h","type":"int64","aggregate":"count","window":"1d","tile":"1h","worst_cover":"24h59m59.999999s","retraction":"subtracted"}`,
		`{"name":"n_lifetime","type":"int64","aggregate":"count","window":"lifetime","retraction":"subtracted"}`,
		`{"name":"n_last20","type":"int64","aggregate":"count","window":"last 20 rows","retraction":"rebuilt"}`,
		`{"name":"n_session30m","type":"int64","aggregate":"count","window":"session, gap 30m","tile":"5m","retraction":"rebuilt"}`,
		`{"name":"n_tumbling1h","type":"int64","aggregate":"count","window":"tumbling 1h","tile":"1h","worst_cover":"1h0m0s","retraction":"subtracted"}`,
		`"window":"hopping 1h every 10m","tile":"5m","worst_cover":"1h0m0s"`,
		`"window":"complete day in America/New_York","tile":"1h"`,
		`{"name":"n_series24x1h","type":"list\u003cint64\u003e","aggregate":"count","window":"24 x 1h every 30m"`,
		`"aggregate":"quantile(d, p: 0.95)","window":"7d","offset":"1d","exact":"the newest 9 rows","tile":"1h"`,
		`"aggregate":"ewm_sum(d, half_life: 1h)","by":"s, at most 100 keys","window":"7d"`,
		`"default":"{\"none\":1.5}"`,
		`"aggregate":"last_n(s, n: 3)"`,
		`{"name":"s","type":"string","aggregate":"latest","retraction":"rebuilt"}`,
		`"state":{"tiles":`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in\n%s", want, raw)
		}
	}
	table := describeTable(object{Kind: "StreamView", Name: "view", Details: streamViewDetails(p.StreamView("view"))})
	var text strings.Builder
	for _, row := range table.Rows {
		text.WriteString(strings.Join(row, " | ") + "\n")
	}
	for _, want := range []string{"state | bytes ", " | n_last20 | int64 | count | last 20 rows | retraction rebuilt", "tile 1h | worst cover 1h0m0s"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
