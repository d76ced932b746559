package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

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
