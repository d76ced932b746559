package agg

import "github.com/freshet/freshet/featurestore"

// The columns of what most features ask for: cells, but their adds and merges
// are called directly and so inlined, where those of cells go through the table
// of a type parameter. A merge of them is most of what a read does.

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
