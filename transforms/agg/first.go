package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// first and last are the x of the least and of the greatest event in the total
// order (Order), among those whose x is not null, or among all where nulls are
// respected; then a null x is NULL, EMPTY. x may also be a list or a map, an
// embedding for one. When events arrive does not matter.
//
// State: the event's order and its value, about 150 bytes in memory, about 10 in
// bytes beside the value. Error: none. Retraction: rebuilt, since the next event
// is not kept.

var (
	specFirst = ordinal("first", false)
	specLast  = ordinal("last", true)
)

func ordinal(name string, last bool) *spec {
	return &spec{
		name:  name,
		takes: takesNulls,
		gate:  gateValue,
		check: givingInput(wantValue),
		needs: func(*Call) []need { return []need{{quantity: orderedEvent, greatest: last}} },
		read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
			return present(cellOf[ordered](c, f.partials[0], s).x.Get())
		},
	}
}

var orderedEvent = &quantity{"first or last event", newCells[ordered]}

// ordered is the value of the first or last event.
type ordered struct {
	stamped
	has  bool
	last bool
	kind featurestore.Kind
}

func (c *ordered) reset(p *partial) { c.has, c.last, c.kind = false, p.greatest, p.in.Kind }

func (c *ordered) add(o *Order, x *featurestore.Value) {
	if c.has && (c.at.Compare(o) < 0) != c.last {
		return
	}
	c.has = true
	c.set(o, x)
}

func (c *ordered) merge(o *ordered) {
	if !o.has || c.has && (c.at.compareStamp(&o.at) < 0) != c.last {
		return
	}
	c.has = true
	c.copyFrom(&o.stamped)
}

func (c *ordered) append(dst []byte, origin int64) []byte {
	return c.x.Append(c.at.Append(dst, origin))
}

func (c *ordered) decode(r *pack.Reader, origin int64) {
	c.has = true
	c.at.Decode(r, origin)
	c.x.Decode(r)
	if k := c.x.v.Kind(); k != c.kind && k != featurestore.KindNull && r.Err() == nil {
		r.Failf("the value of an event is a %s, not a %s", k, c.kind)
	}
}
