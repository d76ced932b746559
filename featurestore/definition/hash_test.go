package definition_test

import (
	"os"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
)

type hashes struct{ stream, other, batch, onDemand, service codec.Hash }

func hashesOf(t *testing.T, yaml string) hashes {
	t.Helper()
	p, problems := definition.Load(text(yaml))
	if p == nil {
		t.Fatalf("%s\nof\n%s", problems.Format(), yaml)
	}
	return hashes{p.StreamView("traffic").Hash, p.StreamView("other").Hash, p.BatchView("plane").Hash, p.OnDemandView("pressure").Hash, p.Service("svc").Hash}
}

// TestHash changes one thing at a time: what changes no value keeps every hash,
// and what changes values changes those that depend on it, and no other.
func TestHash(t *testing.T) {
	raw, err := os.ReadFile("testdata/hash.yaml")
	if err != nil {
		t.Fatal(err)
	}
	base := string(raw)
	before := hashesOf(t, base)
	for _, c := range []struct{ name, old, new, changed string }{
		{"comment", "kind: Entity\n", "# a comment\nkind: Entity\n", ""},
		{"owner", "owner: me", "owner: you", ""},
		{"description", "description: text", "description: other", ""},
		{"tags", "tags: {a: b}", "tags: {c: d}", ""},
		{"topic", "topic: departures", "topic: renamed", ""},
		{"connection", "connection: main", "connection: spare", ""},
		{"files", "data/planes.parquet", "other/planes.parquet", ""},
		{"white space", "where: cancelled == false", "where: 'cancelled   ==  (false)'", ""},
		{"spelling of an aggregate", "agg: avg(dep_delay)", `agg: "avg( (dep_delay) )"`, ""},
		{"another field", "fields: {origin: string,", "fields: {unread: string, origin: string,", ""},
		{"personal data", "tailnum: string", "tailnum: {type: string, pii: true}", ""},
		{"default lateness written out", "format: json", "format: json\nallowed_lateness: 1h", ""},
		{"the default tile written out", "source: departures\nwhere", "source: departures\ntile: 1h\nwhere", ""},
		{"models", "models: [\"m:1\"]", "models: [\"m:2\"]", ""},
		{"sampling", "log: {sample: 1.0}", "log: {sample: 0.5}", ""},
		{"lateness", "format: json", "format: json\nallowed_lateness: 2h", "stream other onDemand service"},
		{"apply delay", "format: json", "format: json\napply_delay: 2s", "stream other onDemand service"},
		{"event id", "format: json", "format: json\nevent_id: tailnum", "stream other onDemand service"},
		{"sequence", "format: json", "format: json\nsequence: tailnum", "stream other onDemand service"},
		{"source where", "format: json", "format: json\nwhere: dep_delay > 1.0", "stream other onDemand service"},
		{"time format", "format: rfc3339}", "format: unix_s}", "stream other onDemand service"},
		{"history", "owner: me", "history: {files: [a.csv], format: csv}", ""},
		{"available_at", "owner: me", "history: {files: [a.csv], format: csv, available_at: seen}", "stream other onDemand service"},
		{"cutover", "owner: me", "history: {files: [a.csv], format: csv, available_at: departed_at, cutover: \"2026-01-01T00:00:00Z\"}", "stream other onDemand service"},
		{"positions", "owner: me", "history: {files: [a.csv], format: csv, partition: p, offset: o}", "stream other onDemand service"},
		{"zone", "format: rfc3339}", "format: rfc3339, zone: UTC}", "stream other onDemand service"},
		{"source name", "departures", "leaving", "stream other onDemand service"},
		{"type of a read field", "dep_delay: double", "dep_delay: int64", "stream onDemand service"},
		{"window", "window: 24h", "window: 12h", "stream onDemand service"},
		{"offset", "window: 24h", "window: 24h, offset: 7d", "stream onDemand service"},
		{"tile", "source: departures\nwhere", "source: departures\ntile: 1m\nwhere", "stream onDemand service"},
		{"expression", "avg(dep_delay)", "avg(dep_delay + dep_delay)", "stream onDemand service"},
		{"function", "avg(dep_delay)", "max(dep_delay)", "stream onDemand service"},
		{"view where", "where: cancelled == false", "where: cancelled == true", "stream onDemand service"},
		{"default", "window: 24h", "window: 24h, default: 1.5", "stream onDemand service"},
		{"empty", "window: 24h", "window: 24h, empty: null", "stream onDemand service"},
		{"exact", "window: 24h", "window: 24h, exact: true", "stream onDemand service"},
		{"aggregate with a share", "avg(dep_delay)", "\"quantile(dep_delay, 0.5)\"", "stream onDemand service"},
		{"lifetime", "window: 24h", "window: lifetime", "stream onDemand service"},
		{"tumbling", "window: 24h", "window: {tumbling: 24h}", "stream onDemand service"},
		{"key", "source: departures\nwhere", "source: departures\nkeys: {origin: tailnum}\nwhere", "stream onDemand service"},
		{"ttl", "ttl: 3h", "ttl: 4h", "other"},
		{"batch ttl", "ttl: 400d", "ttl: 300d", "batch service"},
		{"schedule", "schedule: daily", "schedule: hourly", "batch service"},
		{"delay", "format: native}", "format: native}\ndelay: 1h", "batch service"},
		{"batch column", "column: seats", "column: doors", "batch service"},
		{"on-demand expression", "mean * 2.0", "mean * 3.0", "onDemand service"},
		{"service key", "keys: {origin: dest}", "keys: {origin: via}", "service"},
		{"service column", "traffic.mean as m", "traffic.mean as n", "service"},
		{"max age", "max_age: 5m", "max_age: 6m", "service"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(base, c.old) {
				t.Fatalf("%q is not in the file", c.old)
			}
			after := hashesOf(t, strings.ReplaceAll(base, c.old, c.new))
			for _, h := range []struct {
				name      string
				was, then codec.Hash
			}{{"stream", before.stream, after.stream}, {"other", before.other, after.other}, {"batch", before.batch, after.batch}, {"onDemand", before.onDemand, after.onDemand}, {"service", before.service, after.service}} {
				want := strings.Contains(" "+c.changed+" ", " "+h.name+" ")
				if (h.was != h.then) != want {
					t.Errorf("the hash of %s: changed %v, want %v", h.name, h.was != h.then, want)
				}
			}
		})
	}
}

// A project's hashes do not depend on its files.
func TestHashIgnoresFiles(t *testing.T) {
	raw, err := os.ReadFile("testdata/hash.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []definition.File
	for i, part := range strings.Split(string(raw), "---\n") {
		files = append(files, definition.File{Path: string(rune('z'-i)) + "/x.yaml", Data: []byte(part)})
	}
	p := mustLoad(t, files)
	if got, want := p.Service("svc").Hash, hashesOf(t, string(raw)).service; got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

// Two features that differ in one argument or option have two meanings; one that
// is spelled in two ways has one.
func TestHashOfAggregatesAndWindows(t *testing.T) {
	hash := func(feature string) codec.Hash {
		p, problems := definition.Load(text(matrixHead + "  - {name: f, " + feature + "}\n"))
		if p == nil { // a default that is never used is no more than a warning
			t.Fatal(problems)
		}
		return p.StreamView("view").Hash
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`agg: "last_n(s, 3)", window: 1h`, `agg: "last_n(s, 4)", window: 1h`, false},
		{`agg: "lag(s, 0)", window: 1h`, `agg: "lag(s, 1)", window: 1h`, false},
		{`agg: "distinct(s, 3)", window: 1h`, `agg: "distinct(s, max: 4)", window: 1h`, false},
		{`agg: "distinct(s, 3)", window: 1h`, `agg: "distinct(s, max: 3)", window: 1h`, true},
		{`agg: "count_distinct(s)", window: 1h`, `agg: "count_distinct(s, max: 1000)", window: 1h`, true},
		{`agg: "quantile(d, 0.5)", window: 1h`, `agg: "quantile(d, 0.50)", window: 1h`, true},
		{`agg: "quantile(d, 0.5)", window: 1h`, `agg: "quantile(d, 0.05)", window: 1h`, false},
		{`agg: "quantile(d, 1)", window: 1h`, `agg: "quantile(d, p: 1.00)", window: 1h`, true},
		{`agg: "quantile(d, 0)", window: 1h`, `agg: "quantile(d, 0.000)", window: 1h`, true},
		{`agg: "quantile(d, 0.5)", window: 1h`, `agg: "approx_quantile(d, 0.5)", window: 1h`, false},
		{`agg: "ewm_sum(d, 1h)", window: 7d`, `agg: "ewm_sum(d, 60m)", window: 7d`, true},
		{`agg: "ewm_sum(d, 1h)", window: 7d`, `agg: "ewm_sum(d, 61m)", window: 7d`, false},
		{`agg: "min_by(s, d)", window: 1h`, `agg: "min_by(s, i)", window: 1h`, false},
		{`agg: "min_by(s, d)", window: 1h`, `agg: "max_by(s, d)", window: 1h`, false},
		{`agg: count, window: 1h, by: s`, `agg: count, window: 1h, by: s, max_keys: 100`, true},
		{`agg: count, window: 1h, by: s`, `agg: count, window: 1h, by: s, max_keys: 99`, false},
		{`agg: count, window: 1h, by: s`, `agg: count, window: 1h, by: i`, false},
		{`agg: last(s), window: 1h`, `agg: last(s), window: 1h, nulls: respect`, false},
		{`agg: count, window: 1h, exact: true`, `agg: count, window: 1h, exact: true, max_rows: 1000`, true},
		{`agg: count, window: 1h, exact: true`, `agg: count, window: 1h, exact: true, max_rows: 999`, false},
		{`agg: count, window: 1h`, `agg: count, window: 1h, exact: false`, true},
		{`agg: count, window: {rows: 3}`, `agg: count, window: {rows: 4}`, false},
		{`agg: count, window: {session: {gap: 30m}}`, `agg: count, window: {session: {gap: 1800s}}`, true},
		{`agg: count, window: {session: {gap: 30m}}`, `agg: count, window: {tumbling: 30m}`, false},
		{`agg: count, window: {hopping: {size: 1h, step: 1m}}`, `agg: count, window: {hopping: {size: 1h, step: 5m}}`, false},
		{`agg: count, window: {calendar: {unit: day, zone: UTC}}`, `agg: count, window: {calendar: {unit: week, zone: UTC}}`, false},
		{`agg: count, window: {calendar: {unit: day, zone: UTC}}`, `agg: count, window: {calendar: {unit: day, zone: Europe/Berlin}}`, false},
		{`agg: count, window: {calendar: {unit: day, zone: UTC}}`, `agg: count, window: {calendar: {unit: day, zone: UTC, complete: true}}`, false},
		{`agg: count, window: {series: {window: 1h, step: 1h, count: 3}}`, `agg: count, window: {series: {window: 1h, step: 1h, count: 4}}`, false},
		{`agg: count, window: {series: {window: 1h, step: 1h, count: 3}}`, `agg: count, window: {series: {window: 1h, step: 2h, count: 3}}`, false},
		{`agg: "last_n(s, 3)", window: 1h, default: [a, b]`, `agg: "last_n(s, 3)", window: 1h, default: ["a, b"]`, false},
		{`agg: "last_n(s, 3)", window: 1h, default: []`, `agg: "last_n(s, 3)", window: 1h`, false},
		{`agg: "histogram(s, 3)", window: 1h, default: {a: 1, b: 2}`, `agg: "histogram(s, 3)", window: 1h, default: {b: 2, a: 1}`, true},
	} {
		if (hash(c.a) == hash(c.b)) != c.same {
			t.Errorf("%s and %s: equal hashes %v, want %v", c.a, c.b, !c.same, c.same)
		}
	}
}
