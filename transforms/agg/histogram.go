package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// histogram(x, max) is the number of events of each different non-null x: a map
// from the text of x (keyText) to the count, keys ascending. Above max keys
// those with the max smallest hashes are kept (smallest), each with its exact
// count, with the status APPROXIMATE.
//
// State: the values and 24 bytes for each, at most max. Error: none up to max;
// above it none in what is kept. Retraction: rebuilt, since a key that was
// dropped may have to come back.

var specHistogram = &spec{
	name:  "histogram",
	takes: takesMax,
	gate:  gateValue,
	empty: emptyZero,
	check: func(c *Call) (featurestore.Type, error) {
		if err := wantValue(c); err != nil {
			return featurestore.Type{}, err
		}
		if err := checkKey(c.Func, c.Input); err != nil {
			return featurestore.Type{}, err
		}
		return featurestore.Map(featurestore.Int64), within(c, "max", c.Max, 1, MaxListed)
	},
	needs: func(c *Call) []need { return []need{{quantity: valueCounts.of(c.Input), size: c.Max}} },
	read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
		if valueCounts.of(f.call.Input) == valueCounts.texts {
			return cellOf[countsOf[text]](c, f.partials[0], s).readCounts(f)
		}
		return cellOf[countsOf[integer]](c, f.partials[0], s).readCounts(f)
	},
}

var valueCounts = quantities{
	integers: &quantity{"counts of values", newCells[countsOf[integer]]},
	texts:    &quantity{"counts of values", newCells[countsOf[text]]},
}

// countsOf counts the events of each value.
type countsOf[K scalar[K]] struct{ smallest[K, int64] }

// counting adds counts.
type counting struct{}

func (counting) join(dst *int64, src int64) { *dst += src }
func (counting) take(src int64) int64       { return src }
func (counting) drop(int64)                 {}

func (c *countsOf[K]) reset(p *partial) { c.smallest.reset(p.size, p.in.Kind) }

func (c *countsOf[K]) add(_ *Order, x *featurestore.Value) {
	var k K
	if n, _, _, _ := c.admit(k.of(x)); n != nil {
		*n++
	}
}

func (c *countsOf[K]) merge(o *countsOf[K]) { c.smallest.merge(&o.smallest, counting{}) }

func (c *countsOf[K]) append(dst []byte, _ int64) []byte {
	return c.smallest.append(dst, func(dst []byte, n int64) []byte { return pack.AppendUint(dst, uint64(n)) })
}

func (c *countsOf[K]) decode(r *pack.Reader, _ int64) {
	c.smallest.decode(r, 2, func() int64 {
		n := r.Uint()
		if n == 0 || n > 1<<62 {
			r.Failf("a value that occurs %d times", n)
		}
		return int64(n)
	})
}

func (c *countsOf[K]) readCounts(f *Finisher) featurestore.Cell {
	m := mapBuilder{}
	for i := range c.entries {
		e := &c.entries[i]
		m.put(keyText(e.key.value(c.kind), f.call.Input), featurestore.Int64Value(e.v))
	}
	return capped(m.value(), c.dropped)
}
