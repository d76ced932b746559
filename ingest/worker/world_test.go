package worker

import (
	"bytes"
	stdctx "context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// The project of these tests: two topics into one view, one of them with event
// ids, ties broken by a sequence, an expression that can fail.
const definitions = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: at, format: unix_us}
allowed_lateness: 1m
fields: {user: string, v: int64, keep: bool, id: string, seq: int64}
event_id: id
sequence: seq
---
kind: StreamSource
name: orders
kafka: {topic: orders}
format: json
timestamp: {field: at, format: unix_us}
allowed_lateness: 1m
fields: {user: string, v: int64, keep: bool, id: string, seq: int64}
sequence: seq
---
kind: StreamView
name: activity
entity: user
sources: [clicks, orders]
where: keep
features:
  - {name: n, agg: count, window: 10m}
  - {name: total, agg: sum(v), window: 1h}
  - {name: newest, agg: last(v), window: 1h}
  - {name: kinds, agg: "count_distinct(v, max: 4)", window: 10m}
  - {name: shares, agg: sum(60 / v), window: 10m, offset: 1m}
`

func load(t testing.TB, text string) *definition.Project {
	t.Helper()
	p, problems := definition.Load([]definition.File{{Path: "activity.yaml", Data: []byte(text)}})
	if p == nil {
		t.Fatalf("definitions: %+v", problems)
	}
	return p
}

func activity(t testing.TB) *definition.StreamView {
	t.Helper()
	return load(t, definitions).StreamView("activity")
}

// generation is the one of the activity view in these tests.
var generation = online.Generation{Project: "p", View: "activity", Number: 1}

// event is one record, as a producer would write it.
type event struct {
	user   string // "" is null
	v, seq int64
	drop   bool
	id     string
	at, a  int64 // microseconds
}

func (e event) json() []byte {
	user := "null"
	if e.user != "" {
		user = fmt.Sprintf("%q", e.user)
	}
	return fmt.Appendf(nil, `{"user": %s, "v": %d, "keep": %t, "id": %q, "seq": %d, "at": %d}`, user, e.v, !e.drop, e.id, e.seq, e.at)
}

// part is one partition of a log, decoded.
type part struct {
	id     online.Partition
	events []featurestore.Event // the offset is the index
}

func partition0(source string, number int32) online.Partition {
	return online.Partition{Source: source, Generation: 1, Number: number}
}

// newPart decodes records as the ingester would.
func newPart(t tester, view *definition.StreamView, id online.Partition, events ...event) *part {
	t.Helper()
	i := slices.IndexFunc(view.Bindings, func(b definition.Binding) bool { return b.Source.Name == id.Source })
	d, err := decode.New(view.Bindings[i].Source, decode.Options{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	var batch decode.Batch
	at := featurestore.PartitionID{Generation: id.Generation, Partition: id.Number}
	for offset, e := range events {
		rec := logrecord.Record{Partition: id.Number, Offset: int64(offset), LogTime: featurestore.LogTime(e.a), Value: e.json()}
		if err := d.Append(&batch, &rec, at); err != nil {
			t.Fatalf("%s: %v", rec.Value, err)
		}
	}
	return &part{id: id, events: batch.Events}
}

// chunk is the events of [from, to) as one chunk.
func (p *part) chunk(from, to int64) *Chunk {
	c := &Chunk{Partition: p.id, From: from, Events: List(p.events[from:to]), Through: to - 1, LogTime: noLogTime}
	for ev := range c.Events.All() {
		c.LogTime = max(c.LogTime, ev.LogTime)
	}
	if to > from {
		c.Prints = []online.Fingerprint{{Offset: to - 1, LogTime: p.events[to-1].LogTime, Hash: uint64(to)}}
	}
	return c
}

func (p *part) end() int64 { return int64(len(p.events)) }

func (p *part) all() *Chunk { return p.chunk(0, p.end()) }

const micros = 1_000_000

// randomEvents are events of a few users that sit on the edges: of tiles, of
// lateness, ahead of their log time, with repeated ids and null keys.
func randomEvents(r *rand.Rand, n int) []event {
	log := int64(1_700_000_000) * micros
	var out []event
	for range n {
		log += []int64{0, 1, micros, 10 * micros, 61 * micros}[r.IntN(5)]
		e := event{
			user: string(rune('a' + r.IntN(5))), v: int64(r.IntN(7)), seq: int64(r.IntN(3)), drop: r.IntN(12) == 0,
			a: log, at: log - []int64{0, 0, 1, 5 * micros, 60 * micros, 61 * micros, -30 * micros, -300 * micros}[r.IntN(8)],
		}
		if r.IntN(2) == 0 {
			e.at -= e.at % (10 * micros)
			if e.at > log+300*micros {
				e.at = log
			}
		}
		if r.IntN(12) == 0 {
			e.user = ""
		}
		if r.IntN(2) == 0 {
			e.id = string(rune('p' + r.IntN(3)))
		}
		out = append(out, e)
	}
	return out
}

// expected are the oracle's cells and read instants of every entity.
type expected struct {
	view  *definition.StreamView
	rows  map[string][]window.Row // by key bytes
	until featurestore.Instant    // after everything
}

// expect collects the rows that count, by plain code.
func expect(t tester, view *definition.StreamView, parts ...*part) *expected {
	t.Helper()
	x := &expected{view: view, rows: map[string][]window.Row{}}
	for _, p := range parts {
		i := slices.IndexFunc(view.Bindings, func(b definition.Binding) bool { return b.Source.Name == p.id.Source })
		if i < 0 {
			continue
		}
		b := &view.Bindings[i]
		for k := range p.events {
			ev := &p.events[k]
			x.until = max(x.until, featurestore.Instant(ev.Time)+1, featurestore.Instant(ev.LogTime)+1)
			user, _ := b.Keys[0].Eval(ev.Fields)
			if b.Where != nil {
				if keep, _ := b.Where.Eval(ev.Fields); !keep.Bool() {
					continue
				}
			}
			if user.IsNull() || len(user.Str()) > 1000 {
				continue
			}
			key, err := codec.AppendKey(nil, []featurestore.Type{featurestore.String}, []featurestore.Value{user})
			if err != nil {
				t.Fatalf("%v", err)
			}
			row := window.Row{Position: ev.Position, Time: ev.Time, LogTime: ev.LogTime, Sequence: ev.Sequence, ID: ev.ID}
			row.Source = uint16(i)
			for _, program := range b.Inputs {
				v, _ := program.Eval(ev.Fields)
				row.Inputs = append(row.Inputs, v)
			}
			x.rows[string(key)] = append(x.rows[string(key)], row)
		}
	}
	return x
}

func (x *expected) config() window.Config {
	c := window.Config{Features: x.view.Features, TTL: x.view.TTL}
	for _, b := range x.view.Bindings {
		c.Sources = append(c.Sources, window.SourceRule{AllowedLateness: b.Source.AllowedLateness, HasEventID: b.Source.EventID >= 0})
	}
	return c
}

// tester is what *testing.T and *rapid.T share.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// read waits for a store that is away at this moment: a client may still ask a
// master that was just replaced.
func read(s online.Store, ids []online.EntityID) (parts []online.Parts, err error) {
	ctx, cancel := stdctx.WithTimeout(background(), patience)
	defer cancel()
	for {
		parts, err = s.Get(ctx, ids)
		if !errors.Is(err, featurestore.ErrUnavailable) || ctx.Err() != nil {
			return parts, err
		}
	}
}

// check compares every entity of a store with the oracle, at an instant after
// everything.
func (x *expected) check(t tester, s online.Store, id online.Generation, lanes uint16) {
	t.Helper()
	for key, rows := range x.rows {
		ids := []online.EntityID{{LaneID: online.LaneID{Generation: id, Lane: codec.Lane([]byte(key), lanes)}, Key: []byte(key), Split: true}}
		parts, err := read(s, ids)
		if err != nil {
			t.Fatalf("%v", err)
		}
		want, err := oracle.Judge(x.config(), rows).Read(oracle.Reading{At: x.until, Mode: oracle.Available})
		if err != nil {
			t.Fatalf("%v", err)
		}
		var state *window.State
		if parts[0].Open != nil || parts[0].Closed != nil {
			state = new(window.State)
			if err := codec.DecodeEntity(parts[0].Open, parts[0].Closed, codec.Header{Definition: x.view.Hash, Key: []byte(key)}, x.view.Plan, state); err != nil {
				t.Fatalf("entity %q: %v", key, err)
			}
		}
		got := make([]featurestore.Cell, len(x.view.Features))
		x.view.Plan.Read(state, x.until, got)
		for i := range got {
			if f := &x.view.Features[i]; got[i].Status != want[i].Status || !got[i].Value.Equal(want[i].Value) {
				t.Fatalf("entity %q, %s: %s %s, the oracle says %s %s", key, f.Name, got[i].Value.Text(f.Type), got[i].Status, want[i].Value.Text(f.Type), want[i].Status)
			}
		}
	}
}

// undisturbed is the store of a run in which nothing happens.
func undisturbed(t tester, view *definition.StreamView, lanes uint16, parts ...*part) *memoryStore {
	t.Helper()
	s := newMemoryStore()
	v := openView(t, view, s, lanes)
	for _, p := range parts {
		ok(t, v.Apply(background(), p.all()))
		ok(t, v.Advance(background(), p.all()))
	}
	return s
}

// sameStates wants every entity's bytes and every mark to be equal.
func sameStates(t tester, got, want *memoryStore) {
	t.Helper()
	for id, l := range want.lanes {
		have := got.lanes[id]
		for p, m := range l.marks {
			if have.marks[p].Offset != m.Offset {
				t.Fatalf("lane %d stands at %d of %v, want %d", id.Lane, have.marks[p].Offset, p, m.Offset)
			}
		}
		if len(have.blobs) != len(l.blobs) {
			t.Fatalf("lane %d holds %d entities, want %d", id.Lane, len(have.blobs), len(l.blobs))
		}
		for key, blob := range l.blobs {
			if string(have.blobs[key]) != string(blob) {
				t.Fatalf("entity %q has other bytes than in an undisturbed run", key)
			}
		}
		if !maps.EqualFunc(have.closed, l.closed, bytes.Equal) {
			t.Fatalf("lane %d has other closed parts than in an undisturbed run", id.Lane)
		}
	}
}

func openView(t tester, view *definition.StreamView, s online.Store, lanes uint16) *View {
	t.Helper()
	v, err := OpenView(background(), ViewConfig{View: view, ID: generation, Lanes: lanes, Store: s, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return v
}

func ok(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// longKey is longer than an entity key may be.
var longKey = strings.Repeat("k", 1100)

func background() stdctx.Context { return stdctx.Background() }
