package agg

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// top_n(x, n) is the list of the n greatest non-null x, descending, bottom_n(x, n)
// that of the n least, ascending. A value that occurs several times is there
// several times. Values are ordered as min and max order them.
//
// State: up to n values, 8 bytes each, or 16 and the text. Error: none.
// Retraction: rebuilt, since the next value is not kept.

var (
	specTopN    = extremeList("top_n", true)
	specBottomN = extremeList("bottom_n", false)
)

func extremeList(name string, greatest bool) *spec {
	return &spec{
		name:  name,
		takes: takesN,
		gate:  gateValue,
		empty: emptyZero,
		check: checkList,
		needs: func(c *Call) []need {
			return []need{{quantity: extremeValues.of(c.Input), greatest: greatest, size: c.N}}
		},
		read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
			switch extremeValues.of(f.call.Input) {
			case extremeValues.reals:
				return cellOf[extremes[real]](c, f.partials[0], s).read()
			case extremeValues.texts:
				return cellOf[extremes[text]](c, f.partials[0], s).read()
			}
			return cellOf[extremes[integer]](c, f.partials[0], s).read()
		},
	}
}

var extremeValues = quantities{
	integers: &quantity{"extreme values", newCells[extremes[integer]]},
	reals:    &quantity{"extreme values", newCells[extremes[real]]},
	texts:    &quantity{"extreme values", newCells[extremes[text]]},
}

// extremes are the n least or greatest values with their repetitions.
type extremes[K scalar[K]] struct {
	values   []K // the outermost first
	spare    []K // memory for merges
	n        int
	greatest bool
	kind     featurestore.Kind
}

func (c *extremes[K]) reset(p *partial) {
	c.values, c.n, c.greatest, c.kind = c.values[:0], int(p.size), p.greatest, p.in.Kind
}

// compare is below zero where a is further out than b.
func (c *extremes[K]) compare(a, b K) int {
	if c.greatest {
		return b.compare(a)
	}
	return a.compare(b)
}

func (c *extremes[K]) add(_ *Order, x *featurestore.Value) {
	var k K
	k = k.of(x)
	if len(c.values) == c.n {
		if c.compare(k, c.values[c.n-1]) >= 0 {
			return
		}
		c.values = c.values[:c.n-1]
	}
	i, _ := slices.BinarySearchFunc(c.values, k, c.compare)
	c.values = slices.Insert(c.values, i, k.keep())
}

func (c *extremes[K]) merge(o *extremes[K]) {
	out, a, b := c.spare[:0], c.values, o.values
	for len(out) < c.n && len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && c.compare(a[0], b[0]) <= 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	c.values, c.spare = out, c.values
}

func (c *extremes[K]) append(dst []byte, _ int64) []byte {
	dst = pack.AppendUint(dst, uint64(len(c.values)))
	for _, k := range c.values {
		dst = k.append(dst)
	}
	return dst
}

func (c *extremes[K]) decode(r *pack.Reader, _ int64) {
	n := r.Count(1)
	if n == 0 || n > c.n {
		r.Failf("a list keeps %d of at most %d values", n, c.n)
	}
	for i := 0; i < n && r.Err() == nil; i++ {
		var k K
		c.values = append(c.values, k.read(r, c.kind).keep())
		if i > 0 && c.compare(c.values[i-1], c.values[i]) > 0 {
			r.Fail(pack.ErrCanonical)
		}
	}
}

func (c *extremes[K]) read() featurestore.Cell {
	list := make([]featurestore.Value, len(c.values))
	for i, k := range c.values {
		list[i] = k.value(c.kind)
	}
	return present(featurestore.ListValue(list))
}
