package agg

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// distinct(x, max) is the list of the different non-null x, ascending. Above max
// those with the max smallest hashes are kept (smallest), with the status
// APPROXIMATE.
//
// State: the values and 16 bytes for each, at most max. Error: none up to max;
// above it the list is a uniform sample of the values, each of which did occur.
// Retraction: rebuilt.

var specDistinct = &spec{
	name:  "distinct",
	takes: takesMax,
	gate:  gateValue,
	empty: emptyZero,
	check: func(c *Call) (featurestore.Type, error) {
		if err := wantScalar(c); err != nil {
			return featurestore.Type{}, err
		}
		return featurestore.List(c.Input), within(c, "max", c.Max, 1, MaxListed)
	},
	needs: func(c *Call) []need { return []need{{quantity: distinctValues.of(c.Input), size: c.Max}} },
	read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
		switch distinctValues.of(f.call.Input) {
		case distinctValues.reals:
			return cellOf[valueSet[real]](c, f.partials[0], s).readSet()
		case distinctValues.texts:
			return cellOf[valueSet[text]](c, f.partials[0], s).readSet()
		}
		return cellOf[valueSet[integer]](c, f.partials[0], s).readSet()
	},
}

var distinctValues = quantities{
	integers: &quantity{"distinct values", newCells[valueSet[integer]]},
	reals:    &quantity{"distinct values", newCells[valueSet[real]]},
	texts:    &quantity{"distinct values", newCells[valueSet[text]]},
}

// valueSet is a set of values of bounded size.
type valueSet[K scalar[K]] struct{ smallest[K, nothing] }

// nothing is the V of a set; all its operations are that.
type nothing struct{}

func (nothing) join(*nothing, nothing) {}
func (nothing) take(nothing) nothing   { return nothing{} }
func (nothing) drop(nothing)           {}

func (c *valueSet[K]) reset(p *partial) { c.smallest.reset(p.size, p.in.Kind) }

func (c *valueSet[K]) add(_ *Order, x *featurestore.Value) {
	var k K
	c.admit(k.of(x))
}

func (c *valueSet[K]) merge(o *valueSet[K]) { c.smallest.merge(&o.smallest, nothing{}) }

func (c *valueSet[K]) append(dst []byte, _ int64) []byte {
	return c.smallest.append(dst, func(dst []byte, _ nothing) []byte { return dst })
}

func (c *valueSet[K]) decode(r *pack.Reader, _ int64) {
	c.smallest.decode(r, 1, func() nothing { return nothing{} })
}

func (c *valueSet[K]) readSet() featurestore.Cell {
	keys := make([]K, len(c.entries))
	for i := range c.entries {
		keys[i] = c.entries[i].key
	}
	slices.SortFunc(keys, K.compare)
	list := make([]featurestore.Value, len(keys))
	for i, k := range keys {
		list[i] = k.value(c.kind)
	}
	return capped(featurestore.ListValue(list), c.dropped)
}
