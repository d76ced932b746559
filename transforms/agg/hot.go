package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// The columns of what most features ask for: cells, but their operations are
// called directly and so inlined, where those of cells go through the table of a
// type parameter. A merge of them is most of what a read does, and reading and
// writing their tiles much of what an ingester does.

type intSums struct{ cells[intSum, *intSum] }

func newIntSums(p *partial) column { return &intSums{cells[intSum, *intSum]{partial: p, x: p.x}} }

func (c *intSums) add(slot Slot, _ *Order, inputs []featurestore.Value) {
	c.at[slot].sum.Add(inputs[c.x].Int64())
}

func (c *intSums) merge(dst Slot, src []Slot) {
	d := &c.at[dst]
	for _, s := range src {
		d.merge(&c.at[s])
	}
}

func (c *intSums) resetAll(from, to Slot) { clear(c.at[from:to]) }

func (c *intSums) appendTiles(dst []byte, slots []Slot) []byte {
	for _, slot := range slots {
		dst = c.at[slot].sum.Append(dst)
	}
	return dst
}

func (c *intSums) decodeTiles(r *pack.Reader, slots []Slot) {
	rest := r.Rest()
	for _, slot := range slots {
		var err error
		if rest, err = c.at[slot].sum.Decode(rest); err != nil {
			r.Fail(err)
			return
		}
	}
	r.Continue(rest, nil)
}

type doubleSums struct{ cells[doubleSum, *doubleSum] }

func newDoubleSums(p *partial) column {
	return &doubleSums{cells[doubleSum, *doubleSum]{partial: p, x: p.x}}
}

func (c *doubleSums) add(slot Slot, _ *Order, inputs []featurestore.Value) {
	c.at[slot].sum.Add(inputs[c.x].Double())
}

func (c *doubleSums) merge(dst Slot, src []Slot) {
	d := &c.at[dst]
	for _, s := range src {
		d.merge(&c.at[s])
	}
}

type intExtremes struct{ cells[intExtreme, *intExtreme] }

func newIntExtremes(p *partial) column {
	return &intExtremes{cells[intExtreme, *intExtreme]{partial: p, x: p.x}}
}

func (c *intExtremes) add(slot Slot, _ *Order, inputs []featurestore.Value) {
	c.at[slot].take(inputs[c.x].Int64())
}

func (c *intExtremes) merge(dst Slot, src []Slot) {
	d := &c.at[dst]
	for _, s := range src {
		d.merge(&c.at[s])
	}
}

func (c *intExtremes) resetAll(from, to Slot) {
	for i := from; i < to; i++ {
		c.at[i].reset(c.partial)
	}
}

func (c *intExtremes) appendTiles(dst []byte, slots []Slot) []byte {
	for _, slot := range slots {
		dst = pack.AppendInt(dst, c.at[slot].v)
	}
	return dst
}

func (c *intExtremes) decodeTiles(r *pack.Reader, slots []Slot) {
	for _, slot := range slots {
		c.at[slot].decode(r, 0)
	}
}

type doubleExtremes struct {
	cells[doubleExtreme, *doubleExtreme]
}

func newDoubleExtremes(p *partial) column {
	return &doubleExtremes{cells[doubleExtreme, *doubleExtreme]{partial: p, x: p.x}}
}

func (c *doubleExtremes) add(slot Slot, _ *Order, inputs []featurestore.Value) {
	c.at[slot].take(inputs[c.x].Double())
}

func (c *doubleExtremes) merge(dst Slot, src []Slot) {
	d := &c.at[dst]
	for _, s := range src {
		d.merge(&c.at[s])
	}
}

// The cells of these columns, as cellOf gives those of the others.

func (c *Cells) intSum(partial int, s Slot) *intSum {
	return &c.cols[partial].(*intSums).at[s]
}

func (c *Cells) doubleSum(partial int, s Slot) *doubleSum {
	return &c.cols[partial].(*doubleSums).at[s]
}

func (c *Cells) intExtreme(partial int, s Slot) *intExtreme {
	return &c.cols[partial].(*intExtremes).at[s]
}

func (c *Cells) doubleExtreme(partial int, s Slot) *doubleExtreme {
	return &c.cols[partial].(*doubleExtremes).at[s]
}
