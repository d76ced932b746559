package service_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/zeebo/xxh3"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/serving/service"
	"github.com/freshet/freshet/transforms/window"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// documents have a view of each way that a state is read: merged from bytes,
// decoded for its raw rows, rebuilt after retractions, and with waiting rows.
const documents = `
kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: ts, format: unix_us}
allowed_lateness: 10m
fields: {user: string, x: double, s: string, b: bool}
---
kind: StreamSource
name: rows
kafka: {topic: rows}
format: debezium
timestamp: {field: ts, format: unix_us}
allowed_lateness: 10m
fields: {user: string, x: double, s: string}
---
kind: StreamView
name: tiles
entity: user
source: clicks
ttl: 2h
features:
  - {name: n, agg: count, windows: [10m, 1h, 6h]}
  - {name: total, agg: sum(x), windows: [10m, 1h]}
  - {name: least, agg: min(s), window: 1h}
  - {name: kinds, agg: "last_n(s, 3)", window: 1h}
  - {name: by_s, agg: sum(x), by: s, window: 1h}
  - {name: ever, agg: count_distinct(s), window: lifetime, default: 7}
  - {name: mean, agg: avg(x), window: 10m, where: b, default: 0.5}
  - {name: steps, agg: sum(x), window: {series: {window: 5m, step: 5m, count: 4}}}
  - {name: s, type: string}
---
kind: StreamView
name: lists
entity: user
source: clicks
features:
  - {name: exact, agg: max(s), window: 30m, exact: true, max_rows: 5}
  - {name: five, agg: avg(x), window: {rows: 5}}
  - {name: run, agg: last(s), window: {session: {gap: 2m}}}
---
kind: StreamView
name: changes
entity: user
source: rows
features:
  - {name: least, agg: min(x), window: 1h}
  - {name: last, agg: last(s), window: lifetime}
---
kind: FeatureService
name: all
features: [tiles.*, lists.*, changes.*]
`

// load gives the definitions, and a catalog in which every view answers.
func load(t testing.TB) (*definition.Project, *service.Catalog, *service.Compiled) {
	t.Helper()
	p, problems := definition.Load([]definition.File{{Path: "service.yaml", Data: []byte(documents)}})
	if p == nil {
		t.Fatal(problems)
	}
	generations := map[string]service.Generation{}
	for _, v := range p.StreamViews {
		generations[v.Name] = service.Generation{ID: online.Generation{Project: "p", View: v.Name, Number: 1}, Lanes: 4, Ready: true}
	}
	c, err := service.NewCatalog(1, p, generations)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := c.Service("all")
	if err != nil {
		t.Fatal(err)
	}
	return p, c, plan
}

// stored are the parts of entities by view and key.
type stored map[string]online.Parts

func place(view string, key []byte) string { return view + "/" + string(key) }

func (s stored) Get(_ context.Context, ids []online.EntityID) ([]online.Parts, error) {
	out := make([]online.Parts, len(ids))
	for i, id := range ids {
		p := s[place(id.View, id.Key)]
		out[i] = online.Parts{Open: bytes.Clone(p.Open), Closed: bytes.Clone(p.Closed), Lane: online.StateLive}
	}
	return out, nil
}

func keyOf(t rapid.TB, user string) []byte {
	t.Helper()
	key, err := codec.AppendKey(nil, []featurestore.Type{featurestore.String}, []featurestore.Value{featurestore.StringValue(user)})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// put stores a state, settled.
func (s stored) put(t rapid.TB, v *definition.StreamView, user string, state *window.State) {
	key := keyOf(t, user)
	v.Plan.Settle(state)
	open, closed := codec.AppendEntity(nil, nil, codec.Header{Definition: v.Hash, Key: key}, v.Plan, state)
	if len(closed) == 0 {
		closed = nil
	}
	s[place(v.Name, key)] = online.Parts{Open: open, Closed: closed}
}

const second = int64(featurestore.Second)

// draw makes a state of a view of a log of any events.
func draw(t *rapid.T, v *definition.StreamView) *window.State {
	state := new(window.State)
	b := &v.Bindings[0]
	fields := make([]featurestore.Value, len(b.Source.Fields))
	a := int64(1_700_000_000)
	step := rapid.SampledFrom([]int64{1, 20, 70, 900}).Draw(t, "pace")
	n := rapid.SampledFrom([]int{1, 3, 40, 120}).Draw(t, "n")
	for i := range n {
		a += rapid.Int64Range(0, 2*step).Draw(t, "step")
		e := a - rapid.SampledFrom([]int64{0, 0, 0, 1, 40, -3, -50}).Draw(t, "behind")
		for k, f := range b.Source.Fields {
			fields[k] = rapid.SampledFrom(map[featurestore.Kind][]featurestore.Value{
				featurestore.KindString: {featurestore.Null, featurestore.StringValue("a"), featurestore.StringValue("bb"), featurestore.StringValue("ccc")},
				featurestore.KindDouble: {featurestore.Null, featurestore.DoubleValue(0.1), featurestore.DoubleValue(1e16), featurestore.DoubleValue(-3.75)},
				featurestore.KindBool:   {featurestore.Null, featurestore.BoolValue(true), featurestore.BoolValue(false)},
			}[f.Type.Kind]).Draw(t, f.Name)
		}
		row := window.Row{Time: featurestore.EventTime(e * second), LogTime: featurestore.LogTime(a * second)}
		row.Offset, row.Partition = int64(i), int32(i%2)
		if b.Source.Changes() {
			row.Mutated = row.Time
			row.Change = rapid.SampledFrom([]featurestore.Change{featurestore.Added, featurestore.Added, featurestore.Retracted}).Draw(t, "change")
		}
		for _, p := range b.Inputs {
			x, _ := p.Eval(fields)
			row.Inputs = append(row.Inputs, x)
		}
		v.Plan.Apply(state, &row)
	}
	return state
}

// want is what a row of a view is by decoding the whole state.
func want(t rapid.TB, v *definition.StreamView, parts online.Parts, user string, at featurestore.Instant, asOf bool) ([]featurestore.Cell, service.RowState) {
	t.Helper()
	out := make([]featurestore.Cell, len(v.Features))
	if parts.Open == nil {
		v.Plan.Read(nil, at, out)
		return out, service.RowState{Time: math.MinInt64}
	}
	state := new(window.State)
	if err := codec.DecodeEntity(parts.Open, parts.Closed, codec.Header{Definition: v.Hash, Key: keyOf(t, user)}, v.Plan, state); err != nil {
		for i := range out {
			out[i].Status = featurestore.StatusError
		}
		return out, service.RowState{Time: math.MinInt64}
	}
	if asOf && v.Plan.TooOld(state, at) {
		for i := range out {
			out[i].Status = featurestore.TooOld
		}
	} else {
		v.Plan.Read(state, at, out)
	}
	e, any := v.Plan.NewestBefore(state, at)
	return out, service.RowState{Applied: state.Applied, Time: e, HasTime: any}
}

// check compares an answer with states that are decoded whole.
func check(t *rapid.T, p *definition.Project, s stored, req *service.Request, a *service.Answer, seen map[featurestore.Status]int) {
	column := 0
	for k, r := range a.Roles {
		v := p.StreamView(r.View)
		for row := range req.Rows {
			user := req.Entities[0][row]
			cells, says := make([]featurestore.Cell, len(v.Features)), service.RowState{}
			if user.IsNull() {
				for i := range cells {
					cells[i].Status = featurestore.InvalidKey
				}
			} else {
				cells, says = want(t, v, s[place(v.Name, keyOf(t, user.Str()))], user.Str(), a.ReadTimes[row], req.AsOf != nil)
			}
			got := &a.Roles[k].Rows[row]
			if got.Time != says.Time || got.HasTime != says.HasTime || !slices.Equal(got.Applied, says.Applied) {
				t.Fatalf("%s, row %d: %+v, want %+v", v.Name, row, got, says)
			}
			for i := range cells {
				c := a.Columns[column+i].Cells[row]
				seen[c.Status]++
				if c.Status != cells[i].Status || !c.Value.Equal(cells[i].Value) {
					t.Fatalf("%s, row %d of %v at %s: %v, want %v", a.Columns[column+i].Name, row, user, a.ReadTimes[row], c, cells[i])
				}
			}
		}
		column += len(v.Features)
	}
}

// TestLookupIsADecodedRead compares lookups over any states, of which some are
// damaged or missing, with reads of the decoded states.
func TestLookupIsADecodedRead(t *testing.T) {
	p, catalog, plan := load(t)
	seen := map[featurestore.Status]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := stored{}
		users := []string{"a", "b", "c"}
		damaged := map[string]bool{}
		latest := featurestore.Instant(1_700_000_000 * second)
		for _, v := range p.StreamViews {
			for _, user := range users {
				if rapid.IntRange(0, 5).Draw(t, "absent") == 0 {
					continue
				}
				state := draw(t, v)
				s.put(t, v, user, state)
				latest = max(latest, v.Plan.ReadTime(state))
				if at := place(v.Name, keyOf(t, user)); rapid.IntRange(0, 9).Draw(t, "damage") == 0 {
					s[at].Open[rapid.IntRange(0, len(s[at].Open)-1).Draw(t, "byte")] ^= 0x40
					damaged[at] = true
				}
			}
		}
		req := &service.Request{Rows: 6, Entities: make([][]featurestore.Value, 1)}
		for range req.Rows {
			user := rapid.SampledFrom([]featurestore.Value{featurestore.StringValue("a"), featurestore.StringValue("b"), featurestore.StringValue("c"), featurestore.StringValue("d"), featurestore.Null}).Draw(t, "user")
			req.Entities[0] = append(req.Entities[0], user)
		}
		clock := latest + featurestore.Instant(rapid.SampledFrom([]int64{-100, 0, 1, 60, 4000, 90_000}).Draw(t, "clock")*second)
		if rapid.Bool().Draw(t, "as of") {
			req.AsOf = &clock
		}
		a, err := catalog.Lookup(context.Background(), s, plan, req, clock)
		if err != nil {
			t.Fatal(err)
		}
		check(t, p, s, req, a, seen)
		for i := range a.Damaged {
			if reason := a.Damaged[i].Reason; reason == nil || len(damaged) == 0 {
				t.Fatalf("damage is reported of sound states: %v", reason)
			}
		}
		before := *a
		if _, err := catalog.Lookup(context.Background(), s, plan, &service.Request{Rows: 1, Entities: [][]featurestore.Value{{featurestore.StringValue("a")}}}, clock); err != nil {
			t.Fatal(err)
		}
		check(t, p, s, req, &before, map[featurestore.Status]int{}) // scratch memory that went to another lookup is not in it
	})
	for _, status := range []featurestore.Status{
		featurestore.Present, featurestore.Empty, featurestore.NotFound, featurestore.Expired, featurestore.Approximate,
		featurestore.StatusError, featurestore.TooOld, featurestore.InvalidKey,
	} {
		if seen[status] == 0 {
			t.Errorf("no value was ever %s: the test shows nothing of it", status)
		}
	}
}

// A state behind a good checksum that cannot be read is the ERROR of its entity
// alone, and one damage however often it is asked for.
func TestLookupOfAMalformedState(t *testing.T) {
	p, catalog, plan := load(t)
	v := p.StreamView("tiles")
	s := stored{}
	s.put(t, v, "sound", flat(v))
	s.put(t, v, "bad", flat(v))
	key := keyOf(t, "bad")
	open := s[place(v.Name, key)].Open
	s[place(v.Name, key)] = online.Parts{Open: reseal(open[:len(open)-60]), Closed: s[place(v.Name, key)].Closed}
	req := &service.Request{Rows: 3, Entities: [][]featurestore.Value{{featurestore.StringValue("bad"), featurestore.StringValue("sound"), featurestore.StringValue("bad")}}}
	a, err := catalog.Lookup(context.Background(), s, plan, req, featurestore.Instant(2_000_000_000*second))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Damaged) != 1 || !errors.Is(a.Damaged[0].Reason, codec.ErrMalformed) {
		t.Fatalf("damage: %v", a.Damaged)
	}
	for row, bad := range []bool{true, false, true} {
		if got := a.Columns[0].Cells[row].Status; (got == featurestore.StatusError) != bad {
			t.Errorf("row %d is %s", row, got)
		}
	}
}

// reseal gives bytes the checksum that they should have.
func reseal(body []byte) []byte {
	return binary.LittleEndian.AppendUint64(bytes.Clone(body), xxh3.Hash(body))
}

// flat is a state of an event a minute for 12 hours.
func flat(v *definition.StreamView) *window.State {
	state := new(window.State)
	values := map[string]featurestore.Value{"user": featurestore.StringValue("u"), "x": featurestore.DoubleValue(1.25), "s": featurestore.StringValue("web"), "b": featurestore.BoolValue(true)}
	var fields []featurestore.Value
	for _, f := range v.Bindings[0].Source.Fields {
		fields = append(fields, values[f.Name])
	}
	for i := range int64(720) {
		at := 1_700_000_000*second + i*60*second
		row := window.Row{Time: featurestore.EventTime(at), LogTime: featurestore.LogTime(at)}
		row.Offset = i
		for _, p := range v.Bindings[0].Inputs {
			x, _ := p.Eval(fields)
			row.Inputs = append(row.Inputs, x)
		}
		v.Plan.Apply(state, &row)
	}
	return state
}

// A view without a generation that answers is REBUILDING, whatever is stored.
func TestLookupWhileRebuilding(t *testing.T) {
	p, catalog, plan := load(t)
	s := stored{}
	s.put(t, p.StreamView("tiles"), "u", flat(p.StreamView("tiles")))
	generations := maps.Clone(catalog.Generations)
	generations["lists"] = service.Generation{}
	req := &service.Request{Rows: 1, Entities: [][]featurestore.Value{{featurestore.StringValue("u")}}}
	a, err := catalog.With(generations).Lookup(context.Background(), s, plan, req, featurestore.Instant(1_700_043_500*second))
	if err != nil {
		t.Fatal(err)
	}
	column := 0
	for _, r := range a.Roles {
		want := map[string]featurestore.Status{"tiles": featurestore.Present, "lists": featurestore.Rebuilding, "changes": featurestore.NotFound}[r.View]
		if got := a.Columns[column].Cells[0].Status; got != want {
			t.Errorf("%s is %s, want %s", r.View, got, want)
		}
		column += len(p.StreamView(r.View).Features)
	}
}

// BenchmarkLookup reads a dense entity of one view: what it allocates is the
// answer, and does not grow with the state.
func BenchmarkLookup(b *testing.B) {
	p, catalog, _ := load(b)
	v := p.StreamView("tiles")
	s := stored{}
	s.put(b, v, "u", flat(v))
	plan, err := catalog.Features([]string{"tiles.n_10m", "tiles.n_1h", "tiles.n_6h", "tiles.mean"})
	if err != nil {
		b.Fatal(err)
	}
	req := &service.Request{Rows: 1, Entities: [][]featurestore.Value{{featurestore.StringValue("u")}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := catalog.Lookup(context.Background(), s, plan, req, featurestore.Instant(1_700_043_500*second)); err != nil {
			b.Fatal(err)
		}
	}
}
