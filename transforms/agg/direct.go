package agg

import "github.com/freshet/freshet/featurestore"

// direct reads a value that is one number. A cell is six words: on its way
// through Read and the functions of the specs it is built in memory and copied
// twice, which takes longer than all else of a count or a minimum. Here the
// number comes in a register, and the cell is built where it goes. Both give the
// same cells; ok is false where read must say what the value is.
type direct struct {
	whole   func(c *Cells, partial int, s Slot, n int64) (v int64, ok bool)
	real    func(c *Cells, partial int, s Slot, n int64) (v float64, ok bool)
	partial int
}

// read gives the value of n > 0 contributing events.
func (d *direct) read(out *featurestore.Cell, c *Cells, s Slot, n int64) bool {
	if d.whole != nil {
		v, ok := d.whole(c, d.partial, s, n)
		if ok {
			*out = featurestore.Cell{Value: featurestore.Int64Value(v), Status: featurestore.Present}
		}
		return ok
	}
	if d.real == nil {
		return false
	}
	v, ok := d.real(c, d.partial, s, n)
	if ok {
		*out = featurestore.Cell{Value: featurestore.DoubleValue(v), Status: featurestore.Present}
	}
	return ok
}

// directOf is how the value of a call can be read, if at all; all of these have
// one partial at most.
func directOf(c *Call, partials []int) direct {
	d := direct{partial: -1}
	if len(partials) > 0 {
		d.partial = partials[0]
	}
	ints, doubles := c.Input.Kind == featurestore.KindInt64, c.Input.Kind == featurestore.KindDouble
	switch {
	case c.Func == specCount.name, c.Func == specCountNull.name:
		d.whole = func(_ *Cells, _ int, _ Slot, n int64) (int64, bool) { return n, true }
	case c.Func == specSum.name && ints:
		d.whole = func(c *Cells, p int, s Slot, _ int64) (int64, bool) { return c.intSum(p, s).sum.Int64() }
	case c.Func == specSum.name && doubles:
		d.real = func(c *Cells, p int, s Slot, _ int64) (float64, bool) { return c.doubleSum(p, s).sum.Round() }
	case c.Func == specAvg.name && ints:
		d.real = func(c *Cells, p int, s Slot, n int64) (float64, bool) { return c.intSum(p, s).sum.Mean(n, 1), true }
	case c.Func == specAvg.name && doubles:
		d.real = func(c *Cells, p int, s Slot, n int64) (float64, bool) { return c.doubleSum(p, s).sum.Mean(n) }
	case (c.Func == specMin.name || c.Func == specMax.name) && ints:
		d.whole = func(c *Cells, p int, s Slot, _ int64) (int64, bool) { return c.intExtreme(p, s).v, true }
	case (c.Func == specMin.name || c.Func == specMax.name) && doubles:
		d.real = func(c *Cells, p int, s Slot, _ int64) (float64, bool) { return c.doubleExtreme(p, s).v, true }
	}
	return d
}
