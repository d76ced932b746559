package agg

import "github.com/freshet/freshet/featurestore"

// group is a set of events: those for which where holds and the gate is open.
// The count of its events belongs to the group, so that count(x), avg(x) and
// "did anything contribute" are one number.
type group struct {
	gate     gateKind
	x        int  // what the gate looks at; -1 where it looks at nothing
	y, by    int  // must not be null either; -1 for none
	where    int  // -1 for none
	many     bool // there is more to look at than whether x is null
	partials []int
}

// gateKind is the condition on x under which an event contributes.
type gateKind uint8

const (
	gateAll      gateKind = iota // no condition
	gateValue                    // x is not null; no condition where there is no x
	gateNull                     // x is null
	gateElements                 // x is not null and, if it is a list, of at most MaxVector elements
)

// newGroup is the group of the events that contribute to a use.
func newGroup(g gateKind, u *Use) group {
	switch {
	case u.Input < 0 || u.Call.RespectNulls:
		g = gateAll
	case g == gateElements && !isVector(u.Call.Input):
		g = gateValue
	}
	out := group{gate: g, x: u.Input, y: u.Second, by: u.By, where: u.Where}
	if g == gateAll {
		out.x = -1
	}
	out.many = g > gateValue || out.y >= 0 || out.by >= 0 || out.where >= 0
	return out
}

func (g *group) same(o *group) bool {
	return g.gate == o.gate && g.x == o.x && g.y == o.y && g.by == o.by && g.where == o.where
}

// admits reports whether an event contributes.
func (g *group) admits(inputs []featurestore.Value) bool {
	if g.where >= 0 && !inputs[g.where].Bool() { // null is false
		return false
	}
	if g.y >= 0 && inputs[g.y].IsNull() || g.by >= 0 && inputs[g.by].IsNull() {
		return false
	}
	switch g.gate {
	case gateAll:
		return true
	case gateValue:
		return !inputs[g.x].IsNull()
	case gateNull:
		return inputs[g.x].IsNull()
	default:
		return !inputs[g.x].IsNull() && len(inputs[g.x].Elems()) <= MaxVector
	}
}
