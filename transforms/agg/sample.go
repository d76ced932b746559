package agg

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
	"github.com/freshet/freshet/transforms/sketch/ddsketch"
)

// sample is all values up to max, and a sketch of all values above it. Which of
// the two it is follows from their number, and a sketch from the multiset of
// the values that it has seen; so the state does too.
type sample[K scalar[K]] struct {
	values   []K
	sorted   int // values before are in ascending order
	sketched bool
	sketch   ddsketch.Sketch // of all values, iff sketched; else it is empty
	max      int
	in       featurestore.Type
	spare    []K // memory for sorting
}

func (c *sample[K]) reset(p *partial) {
	c.values, c.sorted, c.max, c.in = c.values[:0], 0, int(p.size), p.in
	if c.sketched {
		c.sketch.Reset()
		c.sketched = false
	}
}

func (c *sample[K]) add(_ *Order, x *featurestore.Value) {
	var k K
	c.take(k.of(x))
}

func (c *sample[K]) take(k K) {
	if c.sketched {
		c.sketch.Add(c.double(k))
		return
	}
	if n := len(c.values); c.sorted == n && (n == 0 || c.values[n-1].compare(k) <= 0) {
		c.sorted++
	}
	c.values = append(c.values, k)
	if len(c.values) > c.max {
		c.overflow()
	}
}

// overflow puts the values into the sketch.
func (c *sample[K]) overflow() {
	c.sketched = true
	for _, k := range c.values {
		c.sketch.Add(c.double(k))
	}
	c.values, c.sorted = c.values[:0], 0
}

// double is the nearest double of a value.
func (c *sample[K]) double(k K) float64 {
	v := k.value(c.in.Kind)
	if c.in.Kind == featurestore.KindDouble {
		return v.Double()
	}
	return nearestDouble(v.Int64(), unit(c.in))
}

func (c *sample[K]) merge(o *sample[K]) {
	if o.sketched && !c.sketched {
		c.overflow()
	}
	if o.sketched {
		c.sketch.Merge(&o.sketch)
		return
	}
	for _, k := range o.values {
		c.take(k)
	}
}

// sort puts the values into ascending order: it sorts those behind the sorted
// ones and merges the two.
func (c *sample[K]) sort() {
	if c.sorted == len(c.values) {
		return
	}
	a, b := c.values[:c.sorted], c.values[c.sorted:]
	slices.SortFunc(b, K.compare)
	if len(a) > 0 {
		out := c.spare[:0]
		for len(a)+len(b) > 0 {
			if len(b) == 0 || len(a) > 0 && a[0].compare(b[0]) <= 0 {
				out, a = append(out, a[0]), a[1:]
			} else {
				out, b = append(out, b[0]), b[1:]
			}
		}
		c.values, c.spare = out, c.values
	}
	c.sorted = len(c.values)
}

// append writes twice the number of values and the values, ascending: doubles as
// they are, integers, but for the first, by their distance from the one before;
// or 1 and the sketch.
func (c *sample[K]) append(dst []byte, _ int64) []byte {
	if c.sketched {
		return c.sketch.Append(pack.AppendUint(dst, 1))
	}
	c.sort()
	dst = pack.AppendUint(dst, uint64(len(c.values))<<1)
	for i, k := range c.values {
		if i == 0 || c.in.Kind == featurestore.KindDouble {
			dst = k.append(dst)
		} else {
			dst = pack.AppendUint(dst, uint64(c.integer(k)-c.integer(c.values[i-1])))
		}
	}
	return dst
}

// integer is the integer of a value that is no double.
func (c *sample[K]) integer(k K) int64 { return k.value(c.in.Kind).Int64() }

func (c *sample[K]) decode(r *pack.Reader, _ int64) {
	head := r.Uint()
	if head == 1 {
		c.sketched = true
		if c.sketch.Decode(r); c.sketch.Count() <= int64(c.max) && r.Err() == nil {
			r.Failf("a DDSketch of %d values, of which up to %d are kept", c.sketch.Count(), c.max)
		}
		return
	}
	n := head >> 1
	if head&1 == 1 || n == 0 || n > uint64(c.max) || n > uint64(len(r.Rest())) {
		r.Failf("a multiset of %d values", n)
	}
	for i := 0; i < int(n) && r.Err() == nil; i++ {
		var k K
		if i == 0 || c.in.Kind == featurestore.KindDouble {
			k = k.read(r, c.in.Kind)
		} else {
			v := integral(c.in.Kind, c.integer(c.values[i-1])+int64(r.Uint()))
			k = k.of(&v)
		}
		if i > 0 && c.values[i-1].compare(k) > 0 {
			r.Fail(pack.ErrCanonical)
		}
		c.values = append(c.values, k)
	}
	c.sorted = len(c.values)
}

// read gives the quantile num/den.
func (c *sample[K]) read(num, den uint64) featurestore.Cell {
	if c.sketched {
		v, ok := c.sketch.Quantile(num, den)
		out := double(v, ok)
		if ok {
			out.Status = featurestore.Approximate
		}
		return out
	}
	c.sort()
	i, rest := exact.Rank(int64(len(c.values)), num, den)
	lo, hi := c.values[i], c.values[min(i+1, int64(len(c.values)-1))]
	if c.in.Kind == featurestore.KindDouble {
		v := exact.Interpolate(lo.value(c.in.Kind).Double(), hi.value(c.in.Kind).Double(), rest, den)
		return double(v, true)
	}
	return double(exact.InterpolateInt(c.integer(lo), c.integer(hi), rest, den, unit(c.in)), true)
}
