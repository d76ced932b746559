package agg

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// last_distinct_n(x, n) are the n different non-null x that occurred last, by
// their last occurrence in the total order, newest first.
//
// State: up to n events, each about 150 bytes in memory (twice that in a long list
// that many events came to) and, beside its value, about 5 in bytes. Error: none. Retraction: rebuilt.
//
// Why a merge loses none: let v be among the last n of a union, by its
// occurrence in one part. Whatever that part has after it, the union has too, so
// that fewer than n other values follow it there as well.

var specLastDistinctN = &spec{
	name:  "last_distinct_n",
	takes: takesN,
	gate:  gateValue,
	empty: emptyZero,
	check: checkList,
	needs: func(c *Call) []need { return []need{{quantity: distinctEvents, size: c.N}} },
	read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
		return present(listOf(cellOf[lastDistinct](c, f.partials[0], s).run.events, true))
	},
}

var distinctEvents = &quantity{"last distinct values", newCells[lastDistinct]}

// lastDistinct is a run whose values differ.
type lastDistinct struct {
	run
	n    int
	kind featurestore.Kind

	// A value is looked for from the newest backwards. Once that has taken as many
	// steps as an index costs, there is one, until the cell begins anew.
	steps int
	index map[featurestore.ScalarKey]*stamped // nil for none
}

// stepsOfIndex is how many steps an event in a new index costs, about.
const stepsOfIndex = 32

func (c *lastDistinct) reset(p *partial) {
	c.run.reset()
	c.n, c.kind = int(p.size), p.in.Kind
	c.steps, c.index = 0, nil
}

// find gives the event of a value, nil for none.
func (c *lastDistinct) find(x *featurestore.Value) *stamped {
	if c.index != nil {
		return c.index[x.ScalarKey()]
	}
	for i := len(c.events) - 1; i >= 0; i-- {
		c.steps++
		if c.events[i].x.compare(x) == 0 {
			return c.events[i]
		}
	}
	if len(c.events) > stepsOfIndex && c.steps > stepsOfIndex*len(c.events) {
		c.index = make(map[featurestore.ScalarKey]*stamped, c.n)
		for _, e := range c.events {
			c.index[e.x.Get().ScalarKey()] = e
		}
	}
	return nil
}

// forget takes out the event at index i.
func (c *lastDistinct) forget(i int) {
	if c.index != nil {
		delete(c.index, c.events[i].x.Get().ScalarKey())
	}
	c.remove(i)
}

func (c *lastDistinct) add(o *Order, x *featurestore.Value) {
	full := len(c.events) == c.n
	if full && c.events[0].at.Compare(o) >= 0 {
		return // older than all: whether it is there or not
	}
	switch e := c.find(x); {
	case e != nil && e.at.Compare(o) >= 0:
		return
	case e != nil:
		stood := e.at.order()
		i, _ := c.search(&stood)
		c.forget(i)
	case full:
		c.forget(0)
	}
	i, _ := c.search(o)
	e := c.take()
	e.set(o, x)
	c.insert(i, e)
	if c.index != nil {
		c.index[e.x.Get().ScalarKey()] = e
	}
}

func (c *lastDistinct) merge(o *lastDistinct) {
	for i := len(o.events) - 1; i >= 0; i-- {
		e := o.events[i]
		order := e.at.order()
		if len(c.events) == c.n && c.events[0].at.Compare(&order) >= 0 {
			return
		}
		x := e.x.Get()
		c.add(&order, &x)
	}
}

func (c *lastDistinct) append(dst []byte, origin int64) []byte {
	return c.run.append(dst, c.kind, origin)
}

func (c *lastDistinct) decode(r *pack.Reader, origin int64) {
	c.run.decode(r, c.kind, origin, c.n)
	if r.Err() != nil {
		return
	}
	values := make([]featurestore.Value, len(c.events))
	for i, e := range c.events {
		values[i] = e.x.Get()
	}
	slices.SortFunc(values, featurestore.Value.Compare)
	for i := 1; i < len(values); i++ {
		if values[i-1].Equal(values[i]) {
			r.Fail(pack.ErrCanonical)
		}
	}
}
