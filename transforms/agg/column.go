package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// column is the storage of the cells of one partial, by slot.
type column interface {
	grow(n int)      // makes cells 0 to n-1 exist
	reset(slot Slot) // the identity
	add(slot Slot, o *Order, inputs []featurestore.Value)
	merge(dst Slot, src []Slot) // dst is not among src
	append(dst []byte, slot Slot, origin int64) []byte
	decode(r *pack.Reader, slot Slot, origin int64)

	subtractable() bool
	remove(slot Slot, o *Order, inputs []featurestore.Value) // only where subtractable
}

// cell is what a partial's file defines: its five operations but for read, which
// belongs to the specs. x is not null unless the gate admits nulls, and the
// null value where there is no x. origin is an instant that times are written
// relative to. reset comes before anything else.
type cell[T any] interface {
	*T
	reset(p *partial)
	add(o *Order, x *featurestore.Value)
	merge(o *T)
	append(dst []byte, origin int64) []byte
	decode(r *pack.Reader, origin int64)
}

// rangeResetter is a column that resets many slots at once.
type rangeResetter interface{ resetAll(from, to Slot) }

// remover is a cell that can take a contribution of add away exactly, whatever
// came between.
type remover interface {
	remove(o *Order, x *featurestore.Value)
}

// null is the input of partials that have none.
var null featurestore.Value

// cells is the column of a cell type.
type cells[T any, P cell[T]] struct {
	partial *partial
	x       int
	at      []T
}

func newCells[T any, P cell[T]](p *partial) column { return &cells[T, P]{partial: p, x: p.x} }

func (c *cells[T, P]) grow(n int) {
	if n > len(c.at) {
		c.at = append(c.at, make([]T, n-len(c.at))...)
	}
}

func (c *cells[T, P]) reset(slot Slot) { P(&c.at[slot]).reset(c.partial) }

func (c *cells[T, P]) resetAll(from, to Slot) {
	for i := from; i < to; i++ {
		P(&c.at[i]).reset(c.partial)
	}
}

func (c *cells[T, P]) add(slot Slot, o *Order, inputs []featurestore.Value) {
	x := &null
	if c.x >= 0 {
		x = &inputs[c.x]
	}
	P(&c.at[slot]).add(o, x)
}

func (c *cells[T, P]) subtractable() bool {
	_, ok := any(P(nil)).(remover)
	return ok
}

func (c *cells[T, P]) remove(slot Slot, o *Order, inputs []featurestore.Value) {
	x := &null
	if c.x >= 0 {
		x = &inputs[c.x]
	}
	any(P(&c.at[slot])).(remover).remove(o, x)
}

func (c *cells[T, P]) merge(dst Slot, src []Slot) {
	d := P(&c.at[dst])
	for _, s := range src {
		d.merge(&c.at[s])
	}
}

func (c *cells[T, P]) append(dst []byte, slot Slot, origin int64) []byte {
	return P(&c.at[slot]).append(dst, origin)
}

func (c *cells[T, P]) decode(r *pack.Reader, slot Slot, origin int64) {
	P(&c.at[slot]).decode(r, origin)
}

// cellOf is the cell of a partial whose cells are of type T.
func cellOf[T any, P cell[T]](c *Cells, partial int, s Slot) *T {
	return &c.cols[partial].(*cells[T, P]).at[s]
}
