package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// sum and avg of list<double> go element by element: element i of the value comes
// of the elements i of the lists that are so long and not null there, and is null
// where no list has one. The value is as long as the longest list. A list of
// length 0 contributes and brings no element; one of more than MaxVector elements
// counts as null.
//
// State: 80 bytes an element, an exact sum and two counts. Error: of an element
// that of the scalar aggregate; where one overflows it is null and the status of
// the whole is OVERFLOW. Retraction: subtracted, since the count of the lists that
// reach each place says when the longest is gone.

var sumOfVectors = &quantity{"sum of vectors", newCells[vectorSum]}

// vectorSum sums lists.
type vectorSum struct {
	at []element // as many as the longest list has; reach never rises along it
}

// element is one place of the lists.
type element struct {
	reach int64 // how many lists are so long
	n     int64 // how many have a value here
	sum   exact.Float
}

func (c *vectorSum) reset(*partial) { c.at = c.at[:0] }

// extend makes the cell have n places, the new ones zero. It uses the memory of
// sums again.
func (c *vectorSum) extend(n int) {
	for len(c.at) < n {
		if k := len(c.at); k < cap(c.at) {
			c.at = c.at[:k+1]
			c.at[k].reach, c.at[k].n = 0, 0
			c.at[k].sum.Reset()
		} else {
			c.at = append(c.at, element{})
		}
	}
}

func (c *vectorSum) add(_ *Order, x *featurestore.Value) {
	list := x.Elems()
	c.extend(len(list))
	for i := range list {
		e := &c.at[i]
		e.reach++
		if !list[i].IsNull() {
			e.n++
			e.sum.Add(list[i].Double())
		}
	}
}

// remove takes nothing where no list of this length was added, and nothing below
// nothing, so that a list that was never added leaves a state that encodes.
func (c *vectorSum) remove(_ *Order, x *featurestore.Value) {
	list := x.Elems()
	n := len(list)
	if n > len(c.at) || n < len(c.at) && n > 0 && c.at[n-1].reach == c.at[n].reach {
		return
	}
	for i := range list {
		e := &c.at[i]
		e.reach--
		if !list[i].IsNull() {
			e.n = max(e.n-1, 0)
			e.sum.Sub(list[i].Double())
		}
		if e.n = min(e.n, e.reach); e.n == 0 {
			e.sum.Reset()
		}
	}
	for n = len(c.at); n > 0 && c.at[n-1].reach == 0; n-- {
	}
	c.at = c.at[:n]
}

func (c *vectorSum) merge(o *vectorSum) {
	c.extend(len(o.at))
	for i := range o.at {
		e, from := &c.at[i], &o.at[i]
		e.reach += from.reach
		e.n += from.n
		e.sum.Merge(&from.sum)
	}
}

// append writes of each place by how much its reach is below that of the place
// before it, how many of its values are null, and, unless all are, the sum.
func (c *vectorSum) append(dst []byte, _ int64) []byte {
	dst = pack.AppendUint(dst, uint64(len(c.at)))
	for i := range c.at {
		e := &c.at[i]
		head := uint64(e.reach)
		if i > 0 {
			head = uint64(c.at[i-1].reach - e.reach)
		}
		if e.n == e.reach {
			dst = pack.AppendUint(dst, head<<1)
		} else {
			dst = pack.AppendUint(pack.AppendUint(dst, head<<1|1), uint64(e.reach-e.n))
		}
		if e.n > 0 {
			dst = e.sum.Append(dst)
		}
	}
	return dst
}

func (c *vectorSum) decode(r *pack.Reader, _ int64) {
	n := r.Count(1)
	if n > MaxVector {
		r.Failf("a vector of %d elements, at most %d are kept", n, MaxVector)
	}
	for i := 0; i < n && r.Err() == nil; i++ {
		c.extend(i + 1)
		e := &c.at[i]
		head := r.Uint()
		e.reach = int64(head >> 1)
		if i > 0 {
			e.reach = c.at[i-1].reach - e.reach
		}
		e.n = e.reach
		if head&1 == 1 {
			nulls := r.Uint()
			if nulls == 0 || nulls > uint64(e.reach) {
				r.Fail(pack.ErrCanonical)
				return
			}
			e.n -= int64(nulls)
		}
		if e.reach <= 0 || e.reach > 1<<62 {
			r.Failf("element %d of a vector has %d values", i, e.reach)
			return
		}
		if e.n > 0 {
			r.Continue(e.sum.Decode(r.Rest()))
		}
	}
}

// read gives the sums, or the means.
func (c *vectorSum) read(mean bool) featurestore.Cell {
	out := featurestore.Cell{Status: featurestore.Present}
	list := make([]featurestore.Value, len(c.at))
	for i := range c.at {
		e := &c.at[i]
		if e.n == 0 {
			continue
		}
		v, ok := 0.0, false
		if mean {
			v, ok = e.sum.Mean(e.n)
		} else {
			v, ok = e.sum.Round()
		}
		if ok {
			list[i] = featurestore.DoubleValue(v)
		} else {
			out.Status = featurestore.Overflow
		}
	}
	out.Value = featurestore.ListValue(list)
	return out
}
