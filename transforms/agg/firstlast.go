package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// first and last are the x of the least and of the greatest event in the total
// order (Order), among those whose x is not null, or among all where nulls are
// respected; then a null x is NULL, EMPTY. When events arrive does not matter.
//
// State: the event's order and its value, about 150 bytes in memory, about 10 in
// bytes beside the value. Error: none.

// ordered is the value of the first or last event.
type ordered struct {
	at   Stamp
	x    Held
	has  bool
	last bool
}

func (c *ordered) reset(p *partial) { c.has, c.last = false, p.what == quantityLast }

func (c *ordered) add(o *Order, x *featurestore.Value) {
	if c.has && (c.at.Compare(o) < 0) != c.last {
		return
	}
	c.has = true
	c.at.Set(o)
	c.x.Set(x)
}

func (c *ordered) merge(o *ordered) {
	if !o.has || c.has && (c.at.compareStamp(&o.at) < 0) != c.last {
		return
	}
	c.has = true
	c.at.copyFrom(&o.at)
	c.x.copyFrom(&o.x)
}

func (c *ordered) append(dst []byte, origin int64) []byte {
	return c.x.Append(c.at.Append(dst, origin))
}

func (c *ordered) decode(r *pack.Reader, origin int64) {
	c.has = true
	c.at.Decode(r, origin)
	c.x.Decode(r)
}

func (f *Finisher) readOrdered(c *Cells, s Slot) featurestore.Cell {
	return present(c.cols[f.partials[0]].(*cells[ordered, *ordered]).at[s].x.Get())
}
