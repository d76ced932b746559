package agg

import (
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// sum, avg, min and max of list<double> go element by element: element i of the
// value comes of the elements i of the lists that are so long and not null
// there, and is null where no list has one. The value is as long as the longest
// list. A list of length 0 contributes and brings no element; one of more than
// MaxVector elements counts as null.
//
// State: of sum and avg 80 bytes an element (an exact sum and two counts), of
// min and max 16. Error: of an element that of the scalar aggregate; where one
// overflows it is null and the status of the whole is OVERFLOW. Retraction: sum
// and avg are subtracted, since a count of the lists that reach each place says
// when the longest is gone; min and max are rebuilt.

var (
	sumOfVectors     = &quantity{"sum of vectors", newCells[vectorSum]}
	extremeOfVectors = &quantity{"extreme of vectors", newCells[vectorExtreme]}
)

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

// vectorExtreme is the least or greatest value of each place; where there is
// none it is the identity, an infinity.
type vectorExtreme struct {
	at   []float64
	none float64
}

func (c *vectorExtreme) reset(p *partial) {
	c.at, c.none = c.at[:0], math.Inf(1)
	if p.greatest {
		c.none = math.Inf(-1)
	}
}

// take lets a value, or the identity, count at place i, which is at most one
// past the end.
func (c *vectorExtreme) take(i int, v float64) {
	if i == len(c.at) {
		c.at = append(c.at, c.none)
	}
	if c.none > 0 {
		c.at[i] = min(c.at[i], v)
	} else {
		c.at[i] = max(c.at[i], v)
	}
}

func (c *vectorExtreme) add(_ *Order, x *featurestore.Value) {
	for i, v := range x.Elems() {
		if v.IsNull() {
			c.take(i, c.none)
		} else {
			c.take(i, v.Double())
		}
	}
}

func (c *vectorExtreme) merge(o *vectorExtreme) {
	for i, v := range o.at {
		c.take(i, v)
	}
}

// append writes twice the number of places, plus 1 where one has no value, then
// a bit for each place that has none, eight to a byte, and the values.
func (c *vectorExtreme) append(dst []byte, _ int64) []byte {
	head := uint64(len(c.at)) << 1
	for _, v := range c.at {
		if v == c.none {
			head |= 1
		}
	}
	dst = pack.AppendUint(dst, head)
	if head&1 == 1 {
		bits := len(dst)
		dst = append(dst, make([]byte, (len(c.at)+7)/8)...)
		for i, v := range c.at {
			if v == c.none {
				dst[bits+i/8] |= 1 << (i % 8)
			}
		}
	}
	for _, v := range c.at {
		if v != c.none {
			dst = pack.AppendDouble(dst, v)
		}
	}
	return dst
}

func (c *vectorExtreme) decode(r *pack.Reader, _ int64) {
	head := r.Uint()
	if head>>1 > MaxVector {
		r.Failf("a vector of %d elements, at most %d are kept", head>>1, MaxVector)
		return
	}
	n := int(head >> 1)
	var nulls []byte
	if head&1 == 1 {
		for range (n + 7) / 8 {
			nulls = append(nulls, r.Byte())
		}
		any, past := false, n%8 != 0 && n > 0 && nulls[len(nulls)-1]>>(n%8) != 0
		for _, b := range nulls {
			any = any || b != 0
		}
		if !any || past {
			r.Fail(pack.ErrCanonical)
		}
	}
	for i := 0; i < n && r.Err() == nil; i++ {
		if nulls != nil && nulls[i/8]>>(i%8)&1 == 1 {
			c.at = append(c.at, c.none)
		} else {
			c.at = append(c.at, r.Double())
		}
	}
}

func (c *vectorExtreme) read() featurestore.Cell {
	list := make([]featurestore.Value, len(c.at))
	for i, v := range c.at {
		list[i] = featurestore.DoubleValue(v) // an infinity is null
	}
	return featurestore.Cell{Value: featurestore.ListValue(list), Status: featurestore.Present}
}
