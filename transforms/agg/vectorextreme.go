package agg

import (
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// min and max of list<double> go element by element, as sum does (vectorsum.go).
//
// State: 8 bytes an element. Error: none. Retraction: rebuilt, since the next
// value is not kept.

var extremeOfVectors = &quantity{"extreme of vectors", newCells[vectorExtreme]}

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
