package onlinetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
)

const modelLanes = 3

// model is what a store should hold of one generation, as maps.
type model struct {
	t     *rapid.T
	ctx   context.Context
	s     online.Store
	g     online.Generation
	meta  online.Meta
	keys  []string
	marks [modelLanes]map[online.Partition]online.Watermark
	blobs [modelLanes]map[string][]byte
	// closed are the closed parts; rows and states share keys here, so that one
	// may stand beside a row, too.
	closed [modelLanes]map[string][]byte
	next   int // makes every list and payload a new one
}

// testModel runs random calls against the store and the model, and compares
// every answer and, after each call, all that is stored.
func testModel(t *testing.T, s online.Store) {
	ctx := callContext(t)
	run := uint32(0)
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &model{t: rt, ctx: ctx, s: s, g: online.Generation{Project: "p", View: "model", Number: run}, meta: Meta(7, modelLanes)}
		m.keys = []string{"", "a", "A", "a\x00", "}:e:a"}
		m.create()
		rt.Repeat(map[string]func(*rapid.T){
			"apply": func(rt *rapid.T) { m.t = rt; m.apply() },
			"rows":  func(rt *rapid.T) { m.t = rt; m.rows() },
			"state": func(rt *rapid.T) { m.t = rt; m.state() },
			"drop":  func(rt *rapid.T) { m.t = rt; m.drop() },
			"":      func(rt *rapid.T) { m.t = rt; m.compare() },
		})
	})
}

func (m *model) ok(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) create() {
	m.meta.State = online.StateLive
	for i := range modelLanes {
		m.marks[i], m.blobs[i] = map[online.Partition]online.Watermark{}, map[string][]byte{}
		m.closed[i] = map[string][]byte{}
	}
	m.ok(m.s.Create(m.ctx, m.g, m.meta))
}

func (m *model) drop() {
	if rapid.IntRange(0, 3).Draw(m.t, "rarely") > 0 {
		return
	}
	m.ok(m.s.Drop(m.ctx, m.g, modelLanes))
	m.create()
}

func (m *model) state() {
	m.meta.State = online.State(rapid.IntRange(int(online.StateBuilding), int(online.StateCatchingUp)).Draw(m.t, "state"))
	m.ok(m.s.SetState(m.ctx, m.g, m.meta.State))
}

func (m *model) apply() {
	var batches []online.Batch
	var want []online.Outcome
	for range rapid.IntRange(1, 6).Draw(m.t, "batches") {
		b := m.batch()
		batches = append(batches, b)
		want = append(want, m.expect(b))
	}
	for i, r := range m.s.Apply(m.ctx, batches) {
		if r.Outcome != want[i] || r.Err != nil {
			m.t.Fatalf("batch %d of %d: %v (%v), the model says %v\n%+v", i, len(batches), r.Outcome, r.Err, want[i], batches[i])
		}
	}
}

// batch draws a batch that mostly fits what the model holds at its turn.
func (m *model) batch() online.Batch {
	lane := rapid.IntRange(0, modelLanes-1).Draw(m.t, "lane")
	b := online.Batch{
		Lane: online.LaneID{Generation: m.g, Lane: uint16(lane)}, Definition: m.meta.Definition,
		Partition: part(rapid.Int32Range(0, 2).Draw(m.t, "partition")),
	}
	b.From = m.offset(lane, b.Partition)
	if m.seldom("other offset") {
		b.From += rapid.Int64Range(-2, 2).Draw(m.t, "by")
	}
	if m.seldom("other definition") {
		b.Definition[rapid.IntRange(0, 15).Draw(m.t, "byte")]++
	}
	b.To = online.Watermark{Offset: b.From + rapid.Int64Range(0, 3).Draw(m.t, "records")}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(m.keys), 0, len(m.keys), rapid.ID).Draw(m.t, "keys") {
		b.Writes = append(b.Writes, m.write(lane, key))
	}
	return b
}

func (m *model) write(lane int, key string) online.Write {
	w := write(key, m.blobs[lane][key], nil)
	if m.seldom("other list") {
		w.Expect = rapid.SampledFrom([][]byte{nil, Blob("", nil), Blob("stale", nil)}).Draw(m.t, "expect")
	}
	if !m.seldom("only consulted") {
		m.next++
		w.Blob = Blob(fmt.Sprint(m.next), bytes.Repeat([]byte{byte(m.next)}, m.next%5))
	}
	switch rapid.IntRange(0, 4).Draw(m.t, "closed part") {
	case 0:
		w.Closed = fmt.Append(nil, "closed", m.next)
	case 1:
		w.Closed = []byte{}
	default:
		w.Renew = m.closed[lane][key] != nil
	}
	return w
}

func (m *model) seldom(label string) bool { return rapid.IntRange(0, 9).Draw(m.t, label) == 0 }

func (m *model) offset(lane int, p online.Partition) int64 {
	if w, ok := m.marks[lane][p]; ok {
		return w.Offset
	}
	return -1
}

// expect is the contract of Apply in its plainest form.
func (m *model) expect(b online.Batch) online.Outcome {
	lane := int(b.Lane.Lane)
	if b.Definition != m.meta.Definition {
		return online.OutcomeDefinition
	}
	if b.From != m.offset(lane, b.Partition) {
		return online.OutcomeWatermark
	}
	for _, w := range b.Writes {
		if !bytes.Equal(w.Expect, Prefix(m.blobs[lane][string(w.Key)])) {
			return online.OutcomeVersion
		}
	}
	for _, w := range b.Writes {
		if w.Blob == nil {
			continue
		}
		m.blobs[lane][string(w.Key)] = w.Blob
		if len(w.Closed) > 0 {
			m.closed[lane][string(w.Key)] = w.Closed
		} else if w.Closed != nil {
			delete(m.closed[lane], string(w.Key))
		}
	}
	m.marks[lane][b.Partition] = b.To
	return online.OutcomeOK
}

// rows writes batch rows over whatever stands: a list's bytes are an order too.
func (m *model) rows() {
	var rows []online.Row
	want := 0
	for range rapid.IntRange(0, 6).Draw(m.t, "rows") {
		m.next++
		key := rapid.SampledFrom(m.keys).Draw(m.t, "key")
		order := rapid.StringOfN(rapid.SampledFrom([]rune("\x0019az")), 0, 2, -1).Draw(m.t, "order")
		r := row(key, order, fmt.Sprint(m.next))
		rows = append(rows, r)
		lane := codec.Lane(r.Key, modelLanes)
		if have := m.blobs[lane][key]; have == nil || bytes.Compare(Prefix(have)[2:], []byte(order)) <= 0 {
			m.blobs[lane][key] = r.Blob
			want++
		}
	}
	n, err := m.s.PutRows(m.ctx, m.g, modelLanes, rows, 0)
	if err != nil || n != want {
		m.t.Fatalf("wrote %d of %d rows (%v), the model says %d", n, len(rows), err, want)
	}
}

func (m *model) compare() {
	lanes, err := m.s.Lanes(m.ctx, m.g, modelLanes)
	m.ok(err)
	var ids []online.EntityID
	for i, l := range lanes {
		if l.Meta != m.meta || !maps.EqualFunc(l.Watermarks, m.marks[i], func(a, b online.Watermark) bool { return a.Offset == b.Offset }) {
			m.t.Fatalf("lane %d is %+v, the model says %+v %+v", i, l, m.meta, m.marks[i])
		}
		for _, key := range m.keys {
			ids = append(ids, online.EntityID{LaneID: online.LaneID{Generation: m.g, Lane: uint16(i)}, Key: []byte(key), Split: true})
		}
	}
	parts, err := m.s.Get(m.ctx, ids)
	m.ok(err)
	for i, id := range ids {
		open, closed := m.blobs[id.Lane][string(id.Key)], m.closed[id.Lane][string(id.Key)]
		if !bytes.Equal(parts[i].Open, open) || !bytes.Equal(parts[i].Closed, closed) {
			m.t.Fatalf("lane %d key %q holds %s and %s, the model says %s and %s", id.Lane, id.Key, show(parts[i].Open), show(parts[i].Closed), show(open), show(closed))
		}
	}
}
