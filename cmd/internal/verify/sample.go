package verify

import (
	"container/heap"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// samples are sampled entities: their keys, and all rows of each.
type samples[R any] struct {
	keys [][]featurestore.Value
	rows [][]R
}

// chosen keeps the keys with the smallest hashes.
type chosen struct {
	limit int
	heap  hashHeap
	seen  map[string]bool
}

type hashed struct {
	key  string
	rank uint64
}

type hashHeap []hashed

func (h hashHeap) Len() int           { return len(h) }
func (h hashHeap) Less(i, j int) bool { return h[i].rank > h[j].rank }
func (h hashHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *hashHeap) Push(x any)        { *h = append(*h, x.(hashed)) }
func (h *hashHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func (c *chosen) offer(key []byte) {
	if c.seen[string(key)] {
		return
	}
	r := rank(xxh3.Hash128(key).Bytes())
	if c.limit > 0 && len(c.heap) == c.limit {
		if r >= c.heap[0].rank {
			return
		}
		delete(c.seen, heap.Pop(&c.heap).(hashed).key)
	}
	owned := string(key)
	c.seen[owned] = true
	heap.Push(&c.heap, hashed{owned, r})
}

// sorted are the chosen keys in ascending order of their bytes.
func (c *chosen) sorted() []string {
	out := make([]string, len(c.heap))
	for i, h := range c.heap {
		out[i] = h.key
	}
	slices.Sort(out)
	return out
}

func keyTypes(e *definition.Entity) []featurestore.Type {
	var out []featurestore.Type
	for _, k := range e.Keys {
		out = append(out, k.Type)
	}
	return out
}

// evaluate is a key of an event; ok is false where it has none.
func evaluate(programs []*expr.Program, types []featurestore.Type, fields []featurestore.Value, dst []byte) (key []byte, ok bool) {
	values := make([]featurestore.Value, len(programs))
	for i, p := range programs {
		values[i], _ = p.Eval(fields)
	}
	key, err := codec.AppendKey(dst[:0], types, values)
	return key, err == nil
}

// picked are chosen entities whose rows are not read yet.
type picked struct {
	encoded []string // keys in ascending order of their bytes
	keys    [][]featurestore.Value
}

// choose reads the history to choose entities.
func (c *Checker) choose(ctx context.Context, v *definition.StreamView) (*picked, error) {
	types := keyTypes(v.Entity)
	pick := &chosen{limit: c.Sample, seen: map[string]bool{}}
	var key []byte
	err := c.scan(ctx, v, func(b *definition.Binding, _ uint16, ev *featurestore.Event) {
		var ok bool
		if key, ok = evaluate(b.Keys, types, ev.Fields, key); ok {
			pick.offer(key)
		}
	})
	if err != nil {
		return nil, err
	}
	encoded := pick.sorted()
	out, _, err := newSamples[window.Row](encoded, types)
	if err != nil {
		return nil, err
	}
	return &picked{encoded, out.keys}, nil
}

// rowsOf reads the history again, to keep the rows of the chosen entities.
func (c *Checker) rowsOf(ctx context.Context, v *definition.StreamView, p *picked) (*samples[window.Row], error) {
	types := keyTypes(v.Entity)
	out, index, err := newSamples[window.Row](p.encoded, types)
	if err != nil {
		return nil, err
	}
	var key []byte
	err = c.scan(ctx, v, func(b *definition.Binding, source uint16, ev *featurestore.Event) {
		var ok bool
		if key, ok = evaluate(b.Keys, types, ev.Fields, key); !ok {
			return
		}
		at, wanted := index[string(key)]
		if !wanted {
			return
		}
		row := window.Row{Position: ev.Position, Time: ev.Time, LogTime: ev.LogTime, Sequence: ev.Sequence, ID: strings.Clone(ev.ID), Change: ev.Change, Mutated: ev.Mutated}
		row.Source = source
		for _, p := range b.Inputs {
			value, _ := p.Eval(ev.Fields)
			row.Inputs = append(row.Inputs, value)
		}
		out.rows[at] = append(out.rows[at], row)
	})
	return out, err
}

// scan reads every event that the view takes.
func (c *Checker) scan(ctx context.Context, v *definition.StreamView, each func(b *definition.Binding, source uint16, ev *featurestore.Event)) error {
	for i := range v.Bindings {
		if err := c.scanBinding(ctx, &v.Bindings[i], uint16(i), each); err != nil {
			return err
		}
	}
	return nil
}

func (c *Checker) scanBinding(ctx context.Context, b *definition.Binding, source uint16, each func(b *definition.Binding, source uint16, ev *featurestore.Event)) (err error) {
	stream, err := c.History.Scan(ctx, offline.Spec{Source: b.Source, Index: source})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for {
		batch, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range batch.Events {
			ev := &batch.Events[i]
			if passes(b.Source.Where, ev) && passes(b.Where, ev) {
				each(b, source, ev)
			}
		}
	}
}

func passes(where *expr.Program, ev *featurestore.Event) bool {
	if where == nil {
		return true
	}
	keep, _ := where.Eval(ev.Fields)
	return keep.Bool()
}

func newSamples[R any](keys []string, types []featurestore.Type) (*samples[R], map[string]int, error) {
	out := &samples[R]{rows: make([][]R, len(keys))}
	index := make(map[string]int, len(keys))
	for i, k := range keys {
		values, err := codec.DecodeKey([]byte(k), types)
		if err != nil {
			return nil, nil, err
		}
		out.keys = append(out.keys, values)
		index[k] = i
	}
	return out, index, nil
}

// sampleBatch reads the source's files twice, to choose and to keep rows. To the
// entities in them come as many of those that have left them since an older run.
func (c *Checker) sampleBatch(ctx context.Context, v *definition.BatchView, recorded []runs.Run) (*samples[oracle.BatchRow], error) {
	types := keyTypes(v.Entity)
	pick := &chosen{limit: c.Sample, seen: map[string]bool{}}
	var key []byte
	err := c.scanTable(ctx, v, func(r *warehouse.Row) {
		var ok bool
		if key, ok = evaluate(v.Keys, types, r.Fields, key); ok {
			pick.offer(key)
		}
	})
	if err != nil {
		return nil, err
	}
	left := &chosen{limit: c.Sample, seen: map[string]bool{}}
	if err := c.offerLeft(v, recorded, left); err != nil {
		return nil, err
	}
	keys := append(pick.sorted(), left.sorted()...)
	slices.Sort(keys)
	out, index, err := newSamples[oracle.BatchRow](slices.Compact(keys), types)
	if err != nil {
		return nil, err
	}
	err = c.scanTable(ctx, v, func(r *warehouse.Row) {
		var ok bool
		if key, ok = evaluate(v.Keys, types, r.Fields, key); !ok {
			return
		}
		at, wanted := index[string(key)]
		if !wanted {
			return
		}
		row := oracle.BatchRow{Time: r.Time, AvailableAt: r.Available, File: r.File, FileRow: r.Row}
		for _, f := range v.Features {
			if f.Expr != nil {
				value, _ := f.Expr.Eval(r.Fields)
				row.Values = append(row.Values, value)
			}
		}
		for _, p := range v.Inputs {
			value, _ := p.Eval(r.Fields)
			row.Inputs = append(row.Inputs, value)
		}
		out.rows[at] = append(out.rows[at], row)
	})
	return out, err
}

// scanTable reads of each row what the view needs, as a run does: what else
// stands in the files may be unreadable.
func (c *Checker) scanTable(ctx context.Context, v *definition.BatchView, each func(*warehouse.Row)) (err error) {
	table, err := warehouse.Open(c.Root, v.Source, pit.NewBatchEvaluator(v).Fields())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, table.Close()) }()
	for {
		rows, err := table.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].Problem == "" {
				each(&rows[i])
			}
		}
	}
}
