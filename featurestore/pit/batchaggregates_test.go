package pit

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/latest"
	"github.com/freshet/freshet/transforms/oracle"
)

// A batch view with every kind of window, and latest values among them.
const aggregatesYAML = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: BatchSource
name: sales
files: [sales.csv]
format: csv
timestamp: {field: at, format: rfc3339}
fields: {user: string, x: int64, y: double, tag: string}
---
kind: BatchView
name: sold
entity: user
source: sales
ttl: 40m
schedule: "*/20 * * * *"
features:
  - {name: n, agg: count, windows: [10m, 1h, lifetime, {rows: 3}, {session: {gap: 7m}}, {tumbling: 10m}]}
  - {name: tag, type: string, default: none}
  - {name: sum, agg: sum(y), window: 30m, default: 7.5, empty: null}
  - {name: before, agg: sum(x), window: 10m, offset: 20m}
  - {name: last, agg: last(x), window: 30m, nulls: respect}
  - {name: first, agg: first(tag), window: lifetime}
  - {name: some, agg: avg(y), window: 30m, where: x > 10, by: tag}
  - {name: hop, agg: max(x), window: {hopping: {size: 20m, step: 5m}}}
  - {name: day, agg: "last_n(tag, 3)", window: {calendar: {unit: day, zone: UTC}}}
  - {name: parts, agg: count(x), window: {series: {window: 10m, step: 10m, count: 3}}}
  - {name: exactly, agg: sum(x), window: 15m, exact: true, max_rows: 3}
  - {name: decayed, agg: "ewm_sum(y, 5m)", window: 1h}
  - {name: since, agg: time_since_last(), window: 1h}
  - {name: twice, type: int64, expr: x * 2}
---
kind: FeatureService
name: svc
features: [sold.*]
`

type salesProject struct {
	project *definition.Project
	view    *definition.BatchView
}

func sales(t *testing.T) salesProject {
	t.Helper()
	p, problems := definition.Load([]definition.File{{Path: "sales.yaml", Data: []byte(aggregatesYAML)}})
	if p == nil {
		t.Fatal(problems.Format())
	}
	return salesProject{p, p.BatchViews[0]}
}

// drawSales makes rows at and beside tile edges, with ties, nulls, and some that
// are available late; and the same rows by user as the oracle wants them.
func drawSales(t *rapid.T, v *definition.BatchView) ([]SourceRow, map[string][]oracle.BatchRow) {
	var rows []SourceRow
	truth := map[string][]oracle.BatchRow{}
	late := rapid.SampledFrom([][]int64{{0}, {600}, {0, 0, 0, 30, 1200, 7200, -60}}).Draw(t, "late")
	eval := NewBatchEvaluator(v)
	for i := range rapid.IntRange(0, 60).Draw(t, "rows") {
		e := rapid.Int64Range(-20, 100).Draw(t, "e")*60*second + rapid.SampledFrom([]int64{0, 0, -1, 1, 7 * second}).Draw(t, "beside")
		row := SourceRow{Time: featurestore.EventTime(e), Available: featurestore.LogTime(e + rapid.SampledFrom(late).Draw(t, "known")*second),
			File: rapid.Int64Range(0, 2).Draw(t, "file"), Row: int64(i), Fields: make([]featurestore.Value, 4)}
		user := rapid.SampledFrom(users[:3]).Draw(t, "user")
		row.Fields[0] = featurestore.StringValue(user)
		if n := rapid.Int64Range(-1, 20).Draw(t, "x"); n >= 0 {
			row.Fields[1] = featurestore.Int64Value(n)
		}
		if n := rapid.IntRange(0, 5).Draw(t, "y"); n > 0 {
			row.Fields[2] = featurestore.DoubleValue(float64(n) + 0.1)
		}
		if n := rapid.IntRange(0, 3).Draw(t, "tag"); n > 0 {
			row.Fields[3] = featurestore.StringValue(fmt.Sprint("tag", n))
		}
		rows = append(rows, row)
		values := make([]featurestore.Value, len(eval.Columns()))
		eval.Values(row.Fields, values)
		truth[user] = append(truth[user], oracle.BatchRow{Time: row.Time, AvailableAt: row.Available, File: fmt.Sprint(row.File), FileRow: row.Row, Values: values[:2], Inputs: values[2:]})
	}
	return rows, truth
}

// oracleRow is what the oracle makes of a user's rows, nil for nothing.
func oracleRow(t *rapid.T, v *definition.BatchView, rows []oracle.BatchRow, r oracle.BatchReading) *latest.Row {
	greatest, _ := oracle.LatestBatch(rows, r)
	if greatest == nil {
		return nil
	}
	cells, err := oracle.BatchAggregates(v.Config(), rows, r)
	if err != nil {
		t.Fatal(err)
	}
	row := &latest.Row{Time: greatest.Time}
	plain := greatest.Values
	for i := range v.Features {
		if f := &v.Features[i]; f.Expr == nil {
			row.Values = append(row.Values, cells[f.Aggregate].Value)
			continue
		}
		row.Values, plain = append(row.Values, plain[0]), plain[1:]
	}
	for _, c := range cells {
		row.Values = append(row.Values, featurestore.Int64Value(int64(c.Status)))
	}
	return row
}

// drawRuns makes runs whose cutoffs mostly grow.
func drawRuns(t *rapid.T) (runs []Run) {
	done := featurestore.Instant(rapid.Int64Range(0, 60).Draw(t, "first run") * 60 * second)
	for range rapid.IntRange(0, 5).Draw(t, "runs") {
		runs = append(runs, Run{Cutoff: done - featurestore.Instant(rapid.Int64Range(0, 30).Draw(t, "cut")*60*second), Completed: done})
		done += featurestore.Instant(rapid.Int64Range(1, 30).Draw(t, "gap") * 60 * second)
	}
	return runs
}

// The aggregates of a batch view are the oracle's: over random rows, runs, ticks
// and reads, in both modes.
func TestBatchAggregatesEqualOracle(t *testing.T) {
	p := sales(t)
	scheduled := p.view.Schedule
	rapid.Check(t, func(t *rapid.T) {
		m := &memory{}
		var truth map[string][]oracle.BatchRow
		m.rows, truth = drawSales(t, p.view)
		m.runs = drawRuns(t)
		p.view.Schedule = scheduled
		if rapid.Bool().Draw(t, "no schedule") {
			p.view.Schedule = definition.Schedule{}
		}
		spine, _ := drawSpine(t, nil)
		r := &Request{Project: p.project, Service: p.project.Services[0], Spine: spine, Mode: Mode(rapid.IntRange(0, 1).Draw(t, "mode"))}
		if r.Mode == EventTime {
			r.Delay = featurestore.Duration(rapid.SampledFrom([]int64{0, 1, 90, 3600}).Draw(t, "delay") * second)
		}
		result := m.join(t, r)
		want := make([]featurestore.Cell, len(p.view.Features))
		for row, at := range spine.Time {
			key := spine.Keys["user"].Value(row)
			for i := range want {
				want[i] = featurestore.Cell{Status: featurestore.InvalidKey}
			}
			if !key.IsNull() {
				runs := runsAt(m.runs, at)
				if p.view.Schedule.Text == "" && (len(m.runs) == 0 || at < m.runs[0].Completed) {
					runs = []oracle.Run{{Cutoff: at, Completed: at}}
				}
				reading := oracle.BatchReading{At: at, Mode: oracle.Mode(r.Mode), Delay: r.Delay, Runs: runs}
				latest.Cells(p.view, oracleRow(t, p.view, truth[key.Str()], reading), at, want)
			}
			compareCells(t, result, row, at, want)
		}
	})
}

func compareCells(t *rapid.T, result *Result, row int, at featurestore.Instant, want []featurestore.Cell) {
	t.Helper()
	for i, w := range want {
		c := &result.Columns[i]
		if got := (featurestore.Cell{Value: c.Value(row), Status: c.Status[row]}); !got.Equal(w) {
			t.Fatalf("row %d at %s, %s: got %s %s, want %s %s", row, at, c.Name, got.Value.Exact(c.Type), got.Status, w.Value.Exact(c.Type), w.Status)
		}
	}
}

// What an unknown user, and one whose rows lie far back, have of aggregates.
func TestBatchAggregatesOfNothing(t *testing.T) {
	p := sales(t)
	m := &memory{rows: []SourceRow{{Time: 1, Available: 1, Fields: []featurestore.Value{featurestore.StringValue("a"), featurestore.Int64Value(5), featurestore.Null, featurestore.Null}}}}
	spine := &Spine{Time: []featurestore.Instant{featurestore.Instant(featurestore.Day), featurestore.Instant(featurestore.Day), 0}, Keys: map[string]*frame.Column{"user": textColumn("user", "a", "z", "a")}}
	result := m.join(t, &Request{Project: p.project, Service: p.project.Services[0], Spine: spine})
	for name, want := range map[string][]featurestore.Cell{
		"sold__n_1h":       {{Value: featurestore.Int64Value(0), Status: featurestore.Empty}, {Value: featurestore.Int64Value(0), Status: featurestore.NotFound}},
		"sold__n_lifetime": {{Value: featurestore.Int64Value(1), Status: featurestore.Present}, {Value: featurestore.Int64Value(0), Status: featurestore.NotFound}},
		"sold__sum":        {{Value: featurestore.DoubleValue(7.5), Status: featurestore.Empty}, {Value: featurestore.DoubleValue(7.5), Status: featurestore.NotFound}},
		"sold__hop":        {{Status: featurestore.Empty}, {Status: featurestore.NotFound}},
		"sold__tag":        {{Value: featurestore.StringValue("none"), Status: featurestore.Expired}, {Value: featurestore.StringValue("none"), Status: featurestore.NotFound}},
	} {
		for i := range result.Columns {
			if c := &result.Columns[i]; c.Name == name {
				for row, w := range append(want, want[1]) { // at 0 the row has not happened
					if got := (featurestore.Cell{Value: c.Value(row), Status: c.Status[row]}); !got.Equal(w) {
						t.Errorf("%s, row %d: got %v %s, want %v %s", name, row, got.Value.Text(c.Type), got.Status, w.Value.Text(c.Type), w.Status)
					}
				}
			}
		}
	}
}
