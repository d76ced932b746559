package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// first_n(x, n) are the non-null x of the n least events in the total order,
// oldest first; last_n(x, n) those of the n greatest, newest first; lag(x, n) is
// the x of the event n before the last, lag(x, 0) that of the last. Where there
// are fewer, the list is shorter and lag is NULL, EMPTY.
//
// State: up to n (lag: n + 1) events, each about 150 bytes in memory and, beside
// its value, about 5 in bytes. Error: none. Retraction: rebuilt.

var (
	specFirstN = edgeList("first_n", false)
	specLastN  = edgeList("last_n", true)
)

func edgeList(name string, last bool) *spec {
	return &spec{
		name:  name,
		takes: takesN,
		gate:  gateValue,
		empty: emptyZero,
		check: checkList,
		needs: func(c *Call) []need { return []need{{quantity: edgeEvents, greatest: last, size: c.N}} },
		read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
			return present(listOf(cellOf[edge](c, f.partials[0], s).run.events, last))
		},
	}
}

// checkList checks a call whose value is a list of at most n single values.
func checkList(c *Call) (featurestore.Type, error) {
	if err := wantScalar(c); err != nil {
		return featurestore.Type{}, err
	}
	return featurestore.List(c.Input), within(c, "n", c.N, 1, MaxN)
}

// listOf is the list of the values of events, in their order or reversed.
func listOf(events []*stamped, reversed bool) featurestore.Value {
	list := make([]featurestore.Value, len(events))
	for i, e := range events {
		if reversed {
			i = len(events) - 1 - i
		}
		list[i] = e.x.Get()
	}
	return featurestore.ListValue(list)
}

var specLag = &spec{
	name:  "lag",
	takes: takesN,
	gate:  gateValue,
	check: func(c *Call) (featurestore.Type, error) {
		if err := wantValue(c); err != nil {
			return featurestore.Type{}, err
		}
		return c.Input, within(c, "n", c.N, 0, MaxN)
	},
	needs: func(c *Call) []need { return []need{{quantity: edgeEvents, greatest: true, size: c.N + 1}} },
	read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
		events := cellOf[edge](c, f.partials[0], s).run.events
		i := len(events) - 1 - int(f.call.N)
		if i < 0 {
			return featurestore.Cell{Status: featurestore.Empty}
		}
		return present(events[i].x.Get())
	},
}

var edgeEvents = &quantity{"first or last events", newCells[edge]}

// edge is the least or the greatest n events: of a union of sets these are among
// the n of each, so that a merge loses none.
type edge struct {
	run
	n    int
	last bool
	kind featurestore.Kind
}

func (c *edge) reset(p *partial) {
	c.run.reset()
	c.n, c.last, c.kind = int(p.size), p.greatest, p.in.Kind
}

func (c *edge) add(o *Order, x *featurestore.Value) {
	i, found := c.search(o)
	if found {
		return
	}
	if len(c.events) == c.n {
		switch {
		case c.last && i == 0, !c.last && i == c.n:
			return
		case c.last:
			c.remove(0)
			i--
		default:
			c.remove(c.n - 1)
		}
	}
	e := c.take()
	e.set(o, x)
	c.insert(i, e)
}

// merge keeps the n that are outermost of two ascending lists, from the outer
// end inwards.
func (c *edge) merge(o *edge) {
	if len(o.events) == 0 {
		return
	}
	a, b, out := c.events, o.events, c.spare[:0]
	for len(out) < c.n && len(a)+len(b) > 0 {
		switch side := c.outer(a, b); {
		case side <= 0:
			out = append(out, *c.end(&a))
			if side == 0 {
				c.end(&b)
			}
		default:
			e := c.run.take()
			e.copyFrom(*c.end(&b))
			out = append(out, e)
		}
	}
	c.free = append(c.free, a...)
	if c.last {
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
	}
	c.events, c.spare = out, c.events
}

// outer says which list has the outermost event: -1 for a, 1 for b, 0 where it
// is the same event.
func (c *edge) outer(a, b []*stamped) int {
	switch {
	case len(b) == 0:
		return -1
	case len(a) == 0:
		return 1
	case c.last:
		return b[len(b)-1].at.compareStamp(&a[len(a)-1].at)
	}
	return a[0].at.compareStamp(&b[0].at)
}

// end takes the outermost event off a list.
func (c *edge) end(list *[]*stamped) **stamped {
	l := *list
	if c.last {
		*list = l[:len(l)-1]
		return &l[len(l)-1]
	}
	*list = l[1:]
	return &l[0]
}

func (c *edge) append(dst []byte, origin int64) []byte { return c.run.append(dst, c.kind, origin) }
func (c *edge) decode(r *pack.Reader, origin int64)    { c.run.decode(r, c.kind, origin, c.n) }
