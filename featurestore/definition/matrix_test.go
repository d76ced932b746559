package definition_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
)

// calls is every aggregate, and the type that it gives over the fields of
// matrixHead.
var calls = []struct{ call, typ string }{
	{"count", "int64"}, {"count(s)", "int64"}, {"count(v)", "int64"}, {"count_null(m)", "int64"},
	{"sum(i)", "int64"}, {"sum(d)", "double"}, {"sum(c)", "decimal(18,2)"}, {"sum(v)", "list<double>"},
	{"avg(i)", "double"}, {"avg(d)", "double"}, {"avg(c)", "double"}, {"avg(v)", "list<double>"},
	{"min(b)", "bool"}, {"min(s)", "string"}, {"min(x)", "bytes"}, {"min(t)", "timestamp"}, {"min(v)", "list<double>"},
	{"max(i)", "int64"}, {"max(d)", "double"}, {"max(c)", "decimal(10,2)"}, {"max(v)", "list<double>"},
	{"var_pop(i)", "double"}, {"var_samp(d)", "double"}, {"stddev_pop(c)", "double"}, {"stddev_samp(i)", "double"}, {"skew(d)", "double"}, {"kurtosis(c)", "double"},
	{"first(m)", "map<string,int64>"}, {"last(v)", "list<double>"}, {"last(c)", "decimal(10,2)"}, {"lag(s, 2)", "string"}, {"lag(v, 0)", "list<double>"},
	{"first_n(x, 3)", "list<bytes>"}, {"last_n(c, 3)", "list<decimal(10,2)>"}, {"last_distinct_n(t, 3)", "list<timestamp>"},
	{"top_n(d, 3)", "list<double>"}, {"bottom_n(s, 3)", "list<string>"},
	{"min_by(s, d)", "string"}, {"max_by(v, t)", "list<double>"}, {"max_by(c, c)", "decimal(10,2)"},
	{"time_since_first()", "double"}, {"time_since_last()", "double"},
	{"count_distinct(b)", "int64"}, {"count_distinct(s, max: 7)", "int64"}, {"approx_count_distinct(d)", "int64"}, {"distinct(i, max: 3)", "list<int64>"},
	{"quantile(i, 0.5)", "double"}, {"approx_quantile(c, 0.25)", "double"}, {"median(d)", "double"},
	{"histogram(s, 3)", "map<string,int64>"}, {"histogram(c, max: 3)", "map<string,int64>"},
	{"ewm_sum(d, 1h)", "double"}, {"ewm_count(1h)", "double"}, {"ewm_avg(i, 1h)", "double"},
}

// windows is every form of a window, and what it adds to a feature's name.
var windows = []struct{ window, suffix string }{
	{"24h", "24h"}, {"lifetime", "lifetime"}, {"{rows: 20}", "last20"}, {"{session: {gap: 30m}}", "session30m"}, {"{tumbling: 1h}", "tumbling1h"},
	{"{hopping: {size: 1h, step: 10m}}", "hopping1h"}, {"{calendar: {unit: day, zone: America/New_York}}", "day"},
	{"{calendar: {unit: week, zone: UTC}}", "week"}, {"{calendar: {unit: month, zone: Asia/Kolkata}}", "month"},
	{"{calendar: {unit: day, zone: America/New_York, complete: true}}", "day_complete"}, {"{series: {window: 1h, step: 30m, count: 24}}", "series24x1h"},
}

const matrixHead = `kind: Entity
name: e
keys: [{name: k, type: string}]
---
kind: StreamSource
name: src
kafka: {topic: t}
format: json
timestamp: {field: at, format: rfc3339}
fields: {k: string, b: bool, i: int64, d: double, s: string, x: bytes, t: timestamp, c: "decimal(10,2)", v: list<double>, m: "map<string,int64>"}
---
kind: StreamView
name: view
entity: e
source: src
features:
`

func composite(typ string) bool {
	return strings.HasPrefix(typ, "list") || strings.HasPrefix(typ, "map")
}

// Every aggregate runs over every window, with the type that the language says;
// a series of lists and maps alone is refused.
func TestEveryAggregateOverEveryWindow(t *testing.T) {
	for _, c := range calls {
		var list []string
		for _, w := range windows {
			if !composite(c.typ) || !strings.Contains(w.window, "series") {
				list = append(list, w.window)
			}
		}
		doc := fmt.Sprintf("%s  - {name: f, agg: %q, windows: [%s]}\n  - {name: g, agg: %q, window: 1h, offset: 1d, exact: true, max_rows: 9, where: b}\n", matrixHead, c.call, strings.Join(list, ", "), c.call)
		p := mustLoad(t, text(doc))
		types := map[string]string{}
		for _, f := range p.StreamView("view").Features {
			types[f.Name] = f.Type.String()
		}
		want := map[string]string{"g": c.typ}
		for _, w := range windows {
			switch {
			case !strings.Contains(w.window, "series"):
				want["f_"+w.suffix] = c.typ
			case !composite(c.typ):
				want["f_"+w.suffix] = "list<" + c.typ + ">"
			}
		}
		if fmt.Sprint(types) != fmt.Sprint(want) {
			t.Errorf("%s: features %v, want %v", c.call, types, want)
		}
	}
	refused(t, `{name: f, agg: "sum(v)", window: {series: {window: 1h, step: 1h, count: 3}}}`, "a series is a list of single values")
}

// by makes a map of every aggregate of one value, and of no other.
func TestEveryAggregateBy(t *testing.T) {
	for _, c := range calls {
		feature := fmt.Sprintf("{name: f, agg: %q, window: 24h, by: s}", c.call)
		if composite(c.typ) {
			refused(t, feature, "by needs an aggregate of one value")
			continue
		}
		p := mustLoad(t, text(matrixHead+"  - "+feature+"\n"))
		if got := p.StreamView("view").Features[0].Type.String(); got != "map<string,"+c.typ+">" {
			t.Errorf("%s by s gives %s", c.call, got)
		}
	}
}

func refused(t *testing.T, feature, why string) {
	t.Helper()
	_, problems := definition.Load(text(matrixHead + "  - " + feature + "\n"))
	if len(problems) != 1 || !strings.Contains(problems[0].Message, why) {
		t.Errorf("%s: want %q, got\n%s", feature, why, problems.Format())
	}
}
