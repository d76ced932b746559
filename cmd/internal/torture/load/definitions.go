package load

import (
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// Lateness is how late an event of the two topics may be.
const Lateness = 10 * featurestore.Minute

const entities = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: Entity
name: page
keys: [{name: page, type: int64}, {name: kind, type: string}]
`

const source = `---
kind: StreamSource
name: NAME
kafka: {topic: PREFIX.NAME}
format: json
timestamp: {field: at, format: unix_us}
allowed_lateness: 10m
fields: {user: string, page: int64, kind: string, amount: "decimal(12,2)", price: double, n: int64, keep: bool, vec: list<double>, id: string, seq: int64}
sequence: seq
`

// activity has windows of every kind and aggregates of every shape over two
// topics; CHANGE stands where a scenario changes its meaning.
const activity = `---
kind: StreamView
name: activity
entity: user
sources: [clicks, orders]
where: keep
features:
  - {name: n, agg: count, windows: [10s, 1m, 10m, 1h, 1d, lifetime]}
  - {name: total, agg: sum(n), window: CHANGE}
  - {name: spend, agg: sum(amount), windows: [10m, lifetime]}
  - {name: mean, agg: avg(amount), window: 1h}
  - {name: price_sum, agg: sum(price), window: 1h}
  - {name: price_sd, agg: stddev_samp(price), window: 1h}
  - {name: low, agg: min(price), window: 10m}
  - {name: high, agg: max(n), window: 1h, offset: 10m}
  - {name: newest, agg: last(kind), window: 1h}
  - {name: oldest, agg: first(page), window: 1h}
  - {name: recent, agg: "last_n(page, 5)", window: 1h}
  - {name: seen, agg: "last_distinct_n(kind, 3)", window: 1d}
  - {name: tops, agg: "top_n(n, 4)", window: 1h}
  - {name: kinds, agg: "count_distinct(kind, max: 4)", window: 10m}
  - {name: about, agg: approx_count_distinct(page), window: 1h}
  - {name: middle, agg: median(n), window: 1h}
  - {name: p90, agg: "approx_quantile(price, 0.9)", window: 1h}
  - {name: spread, agg: "histogram(kind, max: 10)", window: 1h}
  - {name: by_kind, agg: sum(amount), by: kind, window: 1h}
  - {name: best, agg: "max_by(kind, price)", window: 1h}
  - {name: vector, agg: sum(vec), window: 1h}
  - {name: rows, agg: sum(n), window: {rows: 7}}
  - {name: visit, agg: count, window: {session: {gap: 2m}}}
  - {name: block, agg: count, window: {tumbling: 10m}}
  - {name: trend, agg: count, window: {series: {window: 10m, step: 10m, count: 4}}}
  - {name: sharp, agg: sum(n), window: 10m, exact: true}
  - {name: shares, agg: sum(60 / n), window: 1h}
  - {name: since, agg: time_since_last(), window: 1h}
`

// pages is about an entity by which no topic is partitioned.
const pages = `---
kind: StreamView
name: pages
entity: page
source: clicks
features:
  - {name: n, agg: count, windows: [1m, 1h, 1d]}
  - {name: spend, agg: sum(amount), window: 1h}
  - {name: users, agg: count_distinct(user), window: 1h}
  - {name: who, agg: last(user), window: 1d}
  - {name: dearest, agg: max(price), window: 1h}
`

// Definitions are the documents of a project whose topics begin with prefix. Two
// texts with different windows are two meanings of one view.
func Definitions(prefix, changed string) string {
	text := entities + strings.Replace(strings.ReplaceAll(source, "NAME", "clicks"), "sequence: seq\n", "sequence: seq\nevent_id: id\n", 1) +
		strings.ReplaceAll(source, "NAME", "orders") + strings.Replace(activity, "CHANGE", changed, 1) + pages
	return strings.ReplaceAll(text, "PREFIX", prefix)
}

// Bounded are Definitions of which no view reads further back than a day or so: what
// is older, retention may drop.
func Bounded(prefix string) string {
	return strings.NewReplacer(
		", lifetime]", "]",
		"  - {name: rows, agg: sum(n), window: {rows: 7}}\n", "",
		"  - {name: visit, agg: count, window: {session: {gap: 2m}}}\n", "",
	).Replace(Definitions(prefix, Usual))
}

// Usual is the window that Definitions are first written with.
const Usual = "1h"

// Parse loads definitions.
func Parse(text string) (*definition.Project, error) {
	p, problems := definition.Load([]definition.File{{Path: "torture.yaml", Data: []byte(text)}})
	if p == nil {
		return nil, problems
	}
	return p, nil
}
