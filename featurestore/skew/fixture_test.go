package skew_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/latest"
	"github.com/freshet/freshet/featurestore/ondemand"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/featurestore/skew"
	"github.com/freshet/freshet/transforms/window"
)

const definitions = `
kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: at, format: rfc3339}
fields: {user: string, v: double}
allowed_lateness: 5m
---
kind: StreamView
name: act
entity: user
source: clicks
features:
  - {name: n, agg: count, window: 10m}
  - {name: total, agg: sum(v), window: 1h}
  - {name: mean, agg: avg(v), window: 30m, default: 7.0}
  - {name: trail, agg: "last_n(v, 3)", window: {session: {gap: 2m}}}
  - {name: each, agg: avg(v), window: {series: {window: 5m, step: 5m, count: 3}}}
  - {name: levels, agg: "histogram(int64(v), 5)", window: lifetime}
---
kind: BatchSource
name: profiles
files: [profiles.parquet]
format: parquet
timestamp: {field: day, format: native}
fields: {user: string, age: int64}
---
kind: BatchView
name: profile
entity: user
source: profiles
ttl: 1d
features: [{name: age, type: int64}]
---
kind: OnDemandView
name: derived
inputs: [act.n, profile.age]
request: {scale: int64}
features: [{name: ratio, type: int64, expr: "(n + age) / scale"}]
---
kind: FeatureService
name: svc
features: [act.*, {view: act, as: friend, keys: {user: friend}}, profile.age, derived.ratio]
log: {sample: 1.0}
freshness: {max_age: 5m, on_stale: %s}
`

const (
	minute = featurestore.Instant(featurestore.Minute)
	base   = featurestore.Instant(1357000000e6)
)

// failer is what tests and properties share.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func load(t failer, onStale string) *definition.Project {
	t.Helper()
	p, problems := definition.Load([]definition.File{{Path: "x.yaml", Data: fmt.Appendf(nil, definitions, onStale)}})
	if p == nil {
		t.Fatal(problems.Format())
	}
	return p
}

// history is what is at rest, in memory.
type history struct {
	events  []featurestore.Event
	runRows map[string][]pit.RunRow
}

func (h *history) Scan(_ context.Context, _ *definition.StreamSource, index uint16, _ []int, each func([]featurestore.Event) error) error {
	for _, e := range h.events {
		e.Source = index
		if err := each([]featurestore.Event{e}); err != nil {
			return err
		}
	}
	return nil
}

type batches struct{ *history }

func (b batches) Scan(context.Context, *definition.BatchSource, []int, func([]pit.SourceRow) error) error {
	return fmt.Errorf("mode exact reads the warehouse")
}

func (b batches) Runs(context.Context, *definition.BatchView) ([]pit.Run, error) {
	return nil, fmt.Errorf("mode exact asks for runs")
}

func (b batches) RunRows(_ context.Context, _ *definition.BatchView, run string, each func([]pit.RunRow) error) error {
	rows, ok := b.runRows[run]
	if !ok {
		return featurestore.NotFoundf("no run %q", run)
	}
	return each(rows)
}

func (h *history) checker(projects map[int64]*definition.Project) *skew.Checker {
	return &skew.Checker{
		Joiner: &pit.Joiner{Events: h, Batches: batches{h}, Sorter: frame.Memory{}}, Examples: 3,
		Project: func(_ context.Context, revision int64) (*definition.Project, error) {
			if p := projects[revision]; p != nil {
				return p, nil
			}
			return nil, featurestore.NotFoundf("no revision %d", revision)
		},
	}
}

func (h *history) click(user string, at featurestore.Instant, v float64) {
	e := featurestore.Event{Time: featurestore.EventTime(at), LogTime: featurestore.LogTime(at), Fields: []featurestore.Value{featurestore.StringValue(user), featurestore.DoubleValue(v)}}
	e.Generation, e.Offset = 1, int64(len(h.events))
	h.events = append(h.events, e)
}

// server serves as serving does, from states that it folds itself.
type server struct {
	p         *definition.Project
	history   *history
	run       string
	applied   int // of the history's events
	watermark *featurestore.Instant
	schema    *skew.Schema
}

// newServer names the parts of a row in an order of its own: the log's order is
// not the service's.
func newServer(p *definition.Project, h *history) *server {
	s := &server{p: p, history: h, schema: &skew.Schema{
		Entities: []string{"friend", "user"}, Request: []string{"scale"},
		Roles: []skew.Role{{Prefix: "profile", View: "profile"}, {Prefix: "friend", View: "act", Sources: []string{"clicks"}}, {Prefix: "act", View: "act", Sources: []string{"clicks"}}},
	}}
	for _, c := range slices.Backward(p.Service("svc").Columns) {
		s.schema.Columns = append(s.schema.Columns, c.Name)
	}
	return s
}

func (s *server) state(user string) *window.State {
	v := s.p.StreamView("act")
	state := new(window.State)
	for i := range s.history.events[:s.applied] {
		e := &s.history.events[i]
		if e.Fields[0].Str() != user {
			continue
		}
		row := window.Row{Position: e.Position, Time: e.Time, LogTime: e.LogTime}
		for _, in := range v.Bindings[0].Inputs {
			value, _ := in.Eval(e.Fields)
			row.Inputs = append(row.Inputs, value)
		}
		v.Plan.Apply(state, &row)
	}
	v.Plan.Settle(state)
	return state
}

// serve is a lookup of one row.
func (s *server) serve(id, user, friend string, t featurestore.Instant) *skew.Row {
	service, v, profile := s.p.Service("svc"), s.p.StreamView("act"), s.p.BatchView("profile")
	cells := map[string][]featurestore.Cell{}
	states := map[string]skew.State{}
	for prefix, key := range map[string]string{"act": user, "friend": friend} {
		state := s.state(key)
		cells[prefix] = make([]featurestore.Cell, len(v.Features))
		v.Plan.Read(state, t, cells[prefix])
		if len(state.Applied) == 0 {
			v.Plan.Read(nil, t, cells[prefix])
		}
		st := skew.State{Applied: slices.Clone(state.Applied)}
		if s.watermark != nil {
			st.HasWatermark, st.Watermark = true, *s.watermark
		}
		states[prefix] = st
	}
	cells["profile"] = make([]featurestore.Cell, 1)
	var found *latest.Row
	for _, r := range s.history.runRows[s.run] {
		if r.Keys[0].Str() == user {
			found = &latest.Row{Time: r.Time, Values: r.Values}
			states["profile"] = skew.State{Run: s.run}
		}
	}
	latest.Cells(profile, found, t, cells["profile"])
	scale := featurestore.Int64Value(2)
	cells["derived"] = make([]featurestore.Cell, 1)
	ondemand.Eval(s.p.OnDemandView("derived"), []featurestore.Cell{cells["act"][0], cells["profile"][0]}, []featurestore.Value{scale}, nil, cells["derived"])

	row := &skew.Row{Schema: s.schema, RequestID: id, Revision: 1, ReadTime: t, Request: []featurestore.Value{scale},
		Entities: []featurestore.Value{featurestore.StringValue(friend), featurestore.StringValue(user)},
		States:   []skew.State{states["profile"], states["friend"], states["act"]}}
	for _, c := range slices.Backward(service.Columns) {
		row.Cells = append(row.Cells, s.cell(c, cells, t))
	}
	return row
}

// cell picks a column and marks it as stale where its view is.
func (s *server) cell(c definition.ServiceColumn, cells map[string][]featurestore.Cell, t featurestore.Instant) featurestore.Cell {
	service, v := s.p.Service("svc"), s.p.StreamView("act")
	if c.Role < 0 {
		return cells["derived"][0]
	}
	prefix := service.Roles[c.Role].Prefix
	if prefix == "profile" {
		return cells["profile"][0]
	}
	i := slices.IndexFunc(v.Features, func(f window.Feature) bool { return f.Name == c.Ref.Feature })
	cell := cells[prefix][i]
	if s.watermark != nil && featurestore.Duration(t-*s.watermark) <= service.MaxAge {
		return cell
	}
	if service.OnStale == definition.StaleDefault {
		cell.Value = v.Features[i].Default
	}
	cell.Status = min(cell.Status, featurestore.Stale)
	return cell
}

func (h *history) check(t failer, p *definition.Project, rows ...*skew.Row) *skew.Report {
	t.Helper()
	return checkIn(t, h.checker(map[int64]*definition.Project{1: p, 2: p}), rows)
}

func checkIn(t failer, c *skew.Checker, rows []*skew.Row) *skew.Report {
	t.Helper()
	report, err := c.Check(context.Background(), "svc", func(each func(*skew.Row) error) error {
		for _, r := range rows {
			if err := each(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func feature(t failer, r *skew.Report, name string) skew.Feature {
	t.Helper()
	for _, f := range r.Features {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("the report has no %s: %+v", name, r.Features)
	return skew.Feature{}
}

// small is a history of two users and two runs.
func small() *history {
	h := &history{runRows: map[string][]pit.RunRow{
		"run1": {{Time: featurestore.EventTime(base - 60*minute), Keys: []featurestore.Value{featurestore.StringValue("a")}, Values: []featurestore.Value{featurestore.Int64Value(30)}}},
		"run2": {{Time: featurestore.EventTime(base - 50*minute), Keys: []featurestore.Value{featurestore.StringValue("a")}, Values: []featurestore.Value{featurestore.Int64Value(31)}}},
	}}
	for i := range 20 {
		h.click([]string{"a", "b"}[i%2], base+featurestore.Instant(i)*minute, float64(i)+0.1)
	}
	return h
}

func at(t featurestore.Instant) *featurestore.Instant { return &t }
