package agg

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// min_by(x, y) is the x of the event with the least y, max_by(x, y) that of the
// event with the greatest, among the events where neither is null. Of several
// such events the last in the total order counts, for both. y is ordered as min
// and max order; x may also be a list or a map.
//
// State: the event's order, its y and its x, about 250 bytes in memory, about 10
// in bytes beside the values. Error: none. Retraction: rebuilt.

var (
	specMinBy = extremeBy("min_by", false)
	specMaxBy = extremeBy("max_by", true)
)

func extremeBy(name string, greatest bool) *spec {
	return &spec{
		name:  name,
		takes: takesSecond,
		gate:  gateValue,
		check: func(c *Call) (featurestore.Type, error) {
			if err := wantValue(c); err != nil {
				return featurestore.Type{}, err
			}
			if c.Second.Kind == featurestore.KindNull {
				return featurestore.Type{}, fmt.Errorf("%s needs two arguments: write %s(x, y)", c.Func, c.Func)
			}
			if !isScalar(c.Second) {
				return featurestore.Type{}, fmt.Errorf("%s by %s has no meaning: its second argument must be a single value", c.Func, c.Second)
			}
			return c.Input, nil
		},
		needs: func(*Call) []need { return []need{{quantity: extremeEvent, greatest: greatest}} },
		read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
			return present(c.cols[f.partials[0]].(*pairs).at[s].x.Get())
		},
	}
}

var extremeEvent = &quantity{"event of an extreme", newPairs}

// extremePair is the event of the least or greatest y.
type extremePair struct {
	stamped
	y   Held
	has bool
}

// pairs is the column of extremePair: the only cell that takes two inputs.
type pairs struct {
	partial *partial
	at      []extremePair
}

func newPairs(p *partial) column { return &pairs{partial: p} }

func (c *pairs) grow(n int) {
	if n > len(c.at) {
		c.at = append(c.at, make([]extremePair, n-len(c.at))...)
	}
}

func (c *pairs) reset(slot Slot) { c.at[slot].has = false }

func (c *pairs) add(slot Slot, o *Order, inputs []featurestore.Value) {
	e, y := &c.at[slot], &inputs[c.partial.y]
	if e.has && !c.wins(e.y.compare(y), func() int { return e.at.Compare(o) }) {
		return
	}
	e.has = true
	e.y.Set(y)
	e.set(o, &inputs[c.partial.x])
}

// wins says whether another event takes the place of the one that is kept; y is
// how its y compares to the other's, and at how its place does.
func (c *pairs) wins(y int, at func() int) bool {
	if y == 0 {
		return at() < 0
	}
	return (y < 0) == c.partial.greatest
}

func (c *pairs) merge(dst Slot, src []Slot) {
	d := &c.at[dst]
	for _, s := range src {
		e := &c.at[s]
		if !e.has || d.has && !c.wins(d.y.compareHeld(&e.y), func() int { return d.at.compareStamp(&e.at) }) {
			continue
		}
		d.has = true
		d.y.copyFrom(&e.y)
		d.copyFrom(&e.stamped)
	}
}

func (c *pairs) append(dst []byte, slot Slot, origin int64) []byte {
	e := &c.at[slot]
	dst = e.y.appendAs(dst, c.partial.second.Kind)
	return e.x.appendAs(e.at.Append(dst, origin), c.partial.in.Kind)
}

func (c *pairs) decode(r *pack.Reader, slot Slot, origin int64) {
	e := &c.at[slot]
	e.has = true
	e.y.decodeAs(r, c.partial.second.Kind)
	e.at.Decode(r, origin)
	e.x.decodeAs(r, c.partial.in.Kind)
}

func (c *pairs) subtractable() bool { return false }

func (c *pairs) remove(Slot, *Order, []featurestore.Value) {
	panic("agg: an extreme event is not subtractable")
}
