package pit

import (
	"context"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/window"
)

// A project of one entity (key user), a stream view over two sources used in two
// roles, a batch view and an on-demand view over both.

// compile compiles an expression over fields.
func compile(t testing.TB, src string, fields []definition.Field) *expr.Program {
	t.Helper()
	vars := make([]expr.Var, len(fields))
	for i, f := range fields {
		vars[i] = expr.Var{Name: f.Name, Type: f.Type}
	}
	p, err := expr.Compile(src, vars)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return p
}

const (
	fieldUser = iota
	fieldV
	fieldKeep
	fieldSeq
	fieldID
)

var eventFields = []definition.Field{
	{Name: "user", Type: featurestore.String}, {Name: "v", Type: featurestore.Double}, {Name: "keep", Type: featurestore.Bool},
	{Name: "seq", Type: featurestore.Int64}, {Name: "id", Type: featurestore.String},
}

func minutes(n int64) featurestore.Duration { return featurestore.Duration(n) * featurestore.Minute }

// config is the stream view as the engine and the oracle see it.
func config(t testing.TB) window.Config {
	t.Helper()
	trailing := func(name, fn string, input int, width, offset featurestore.Duration) window.Feature {
		c := agg.Call{Func: fn}
		if input >= 0 {
			c.Input = featurestore.Double
		}
		result, err := agg.Check(c)
		if err != nil {
			t.Fatal(err)
		}
		return window.Feature{Name: name, Call: c, Type: result, Input: input, Where: -1, Width: width, Offset: offset}
	}
	mean := trailing("mean", "avg", 0, minutes(30), 0)
	mean.Default = featurestore.DoubleValue(7)
	return window.Config{
		Features: []window.Feature{
			trailing("n", "count", -1, minutes(10), 0), trailing("sum", "sum", 0, minutes(60), 0), mean,
			trailing("last", "last", 0, minutes(30), 0), trailing("before", "sum", 0, minutes(10), minutes(20)),
			{Name: "now", Kind: window.Latest, Type: featurestore.Double, Input: 0, Where: -1},
		},
		TTL: minutes(15),
		Sources: []window.SourceRule{
			{AllowedLateness: minutes(5)},
			{AllowedLateness: minutes(8), HasEventID: true},
		},
	}
}

func project(t testing.TB) (*definition.Project, *definition.Service) {
	t.Helper()
	user := &definition.Entity{Meta: definition.Meta{Name: "user"}, Keys: []definition.Field{{Name: "user", Type: featurestore.String}}}
	c := config(t)
	plan, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	source := func(name string, rule window.SourceRule, delay featurestore.Duration, id int) *definition.StreamSource {
		return &definition.StreamSource{Meta: definition.Meta{Name: name}, Fields: eventFields, EventID: id, Sequence: fieldSeq, AllowedLateness: rule.AllowedLateness, ApplyDelay: delay}
	}
	binding := func(s *definition.StreamSource) definition.Binding {
		return definition.Binding{Source: s, Where: compile(t, "keep", eventFields), Keys: []*expr.Program{compile(t, "user", eventFields)}, Inputs: []*expr.Program{compile(t, "v", eventFields)}}
	}
	stream := &definition.StreamView{
		Meta: definition.Meta{Name: "act"}, Entity: user, TTL: c.TTL, Plan: plan, Features: c.Features,
		Bindings: []definition.Binding{binding(source("clicks", c.Sources[0], 0, -1)), binding(source("orders", c.Sources[1], 0, fieldID))},
	}
	every20m, err := definition.ParseSchedule("*/20 * * * *")
	if err != nil {
		t.Fatal(err)
	}
	rowFields := []definition.Field{{Name: "user", Type: featurestore.String}, {Name: "x", Type: featurestore.Int64}}
	batch := &definition.BatchView{
		Meta: definition.Meta{Name: "profile"}, Entity: user, TTL: minutes(40), Schedule: every20m,
		Source: &definition.BatchSource{Meta: definition.Meta{Name: "profiles"}, Fields: rowFields},
		Keys:   []*expr.Program{compile(t, "user", rowFields)},
		Features: []definition.BatchFeature{
			{Name: "x", Type: featurestore.Int64, Expr: compile(t, "x", rowFields), Default: featurestore.Int64Value(-1)},
		},
	}
	inputs := []definition.Input{
		{Ref: definition.FeatureRef{View: "act", Feature: "n"}, As: "n", Type: featurestore.Int64},
		{Ref: definition.FeatureRef{View: "profile", Feature: "x"}, As: "x", Type: featurestore.Int64},
	}
	operands := []definition.Field{{Name: "n", Type: featurestore.Int64}, {Name: "x", Type: featurestore.Int64}, {Name: "scale", Type: featurestore.Int64}}
	derived := &definition.OnDemandView{
		Meta: definition.Meta{Name: "derived"}, Inputs: inputs, Request: operands[2:],
		Features: []definition.OnDemandFeature{{Name: "ratio", Type: featurestore.Int64, Expr: compile(t, "(n + x) / scale", operands)}},
	}
	p := &definition.Project{Entities: []*definition.Entity{user}, StreamViews: []*definition.StreamView{stream}, BatchViews: []*definition.BatchView{batch}, OnDemandViews: []*definition.OnDemandView{derived}}
	return p, service(stream, batch, derived)
}

func service(stream *definition.StreamView, batch *definition.BatchView, derived *definition.OnDemandView) *definition.Service {
	s := &definition.Service{
		Meta:     definition.Meta{Name: "svc"},
		Roles:    []definition.Role{{Prefix: "act", View: "act", Keys: []string{"user"}}, {Prefix: "friend", View: "act", Keys: []string{"friend"}}, {Prefix: "profile", View: "profile", Keys: []string{"user"}}},
		OnDemand: []*definition.OnDemandView{derived},
		Entities: []definition.Field{{Name: "user", Type: featurestore.String}, {Name: "friend", Type: featurestore.String}},
		Request:  derived.Request,
	}
	add := func(role int, view, feature string, t featurestore.Type) {
		prefix := view
		if role >= 0 {
			prefix = s.Roles[role].Prefix
		}
		s.Columns = append(s.Columns, definition.ServiceColumn{Name: featurestore.ColumnName(prefix, feature), Ref: definition.FeatureRef{View: view, Feature: feature}, Role: role, Type: t})
	}
	for i := range stream.Features {
		add(0, "act", stream.Features[i].Name, stream.Features[i].Type)
	}
	for i := range stream.Features {
		add(1, "act", stream.Features[i].Name, stream.Features[i].Type)
	}
	add(2, "profile", "x", batch.Features[0].Type)
	add(-1, "derived", "ratio", derived.Features[0].Type)
	return s
}

// memory is history in memory.
type memory struct {
	events  map[string][]featurestore.Event // by source, in the order of positions
	rows    []SourceRow
	runs    []Run
	runRows map[string][]RunRow
}

func (m *memory) Scan(_ context.Context, s *definition.StreamSource, index uint16, _ []int, each func([]featurestore.Event) error) error {
	for _, e := range m.events[s.Name] {
		e.Source = index
		if err := each([]featurestore.Event{e}); err != nil {
			return err
		}
	}
	return nil
}

type memoryBatches struct{ *memory }

func (m memoryBatches) Scan(_ context.Context, _ *definition.BatchSource, _ []int, each func([]SourceRow) error) error {
	return each(m.rows)
}

func (m memoryBatches) Runs(context.Context, *definition.BatchView) ([]Run, error) {
	return m.runs, nil
}

func (m memoryBatches) RunRows(_ context.Context, v *definition.BatchView, run string, each func([]RunRow) error) error {
	rows, ok := m.runRows[run]
	if !ok {
		return featurestore.NotFoundf("view %s: no run %q", v.Name, run)
	}
	return each(rows)
}

// failer is what tests and properties share.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func (m *memory) join(t failer, r *Request) *Result {
	t.Helper()
	j := Joiner{Events: m, Batches: memoryBatches{m}, Sorter: frame.Memory{}}
	result, err := j.Join(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func textColumn(name string, values ...string) *frame.Column {
	c := &frame.Column{Field: frame.Field{Name: name, Type: featurestore.String}}
	for _, v := range values {
		if v == "" {
			c.Append(featurestore.Null)
		} else {
			c.Append(featurestore.StringValue(v))
		}
	}
	return c
}

func intColumn(name string, values ...int64) *frame.Column {
	c := &frame.Column{Field: frame.Field{Name: name, Type: featurestore.Int64}}
	for _, v := range values {
		c.AppendInt(v)
	}
	return c
}
