package agg

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// Use is one feature's need of an aggregate. Input and Where index the values
// that an event brings; -1 is none. Second and By do so where the Call has a
// type for them. EmptyNull asks for SQL's rule: the sum of nothing is null.
type Use struct {
	Call      Call
	Input     int
	Second    int
	By        int
	Where     int
	EmptyNull bool
}

// Layout says what is stored for a set of features: groups of contributing
// events and, in each group, the partials that its features need. It is
// immutable.
type Layout struct {
	groups   []group
	partials []partial
	always   bool // some group admits every event
}

// group is a set of events: those for which where holds and gate is not null.
// The count of its events belongs to the group, so that count(x), avg(x) and
// "did anything contribute" are one number.
type group struct {
	gate, where int
	partials    []ref
}

// ref is a partial within its group.
type ref struct{ index, input int }

func (g *group) admits(inputs []featurestore.Value) bool {
	if g.where >= 0 && !inputs[g.where].Bool() { // null is false
		return false
	}
	return g.gate < 0 || !inputs[g.gate].IsNull()
}

// partial is one stored quantity.
type partial struct {
	what  quantity
	kind  featurestore.Kind // of its input
	group int
	input int
	max   int // distinct only
}

// quantity is what a partial accumulates.
type quantity uint8

const (
	quantitySum quantity = iota
	quantitySquares
	quantityMin
	quantityMax
	quantityFirst
	quantityLast
	quantityDistinct
	quantityNewest
)

// null is the input of partials that have none.
var null featurestore.Value

func (p *partial) newColumn() column {
	isDouble := p.kind == featurestore.KindDouble
	isText := p.kind == featurestore.KindString || p.kind == featurestore.KindBytes
	switch p.what {
	case quantitySum:
		if isDouble {
			return newCells[doubleSum](p)
		}
		return newCells[intSum](p)
	case quantitySquares:
		if isDouble {
			return newCells[doubleSquares](p)
		}
		return newCells[intSquares](p)
	case quantityMin, quantityMax:
		switch {
		case isText:
			return newCells[textExtreme](p)
		case isDouble:
			return newCells[doubleExtreme](p)
		}
		return newCells[intExtreme](p)
	case quantityFirst, quantityLast:
		return newCells[ordered](p)
	case quantityDistinct:
		return newCells[distinct](p)
	default:
		return newCells[newest](p)
	}
}

// Compile lays out the partials of a set of features and gives their finishers,
// in the order of uses. Errors are those of Check.
func Compile(uses []Use) (*Layout, []Finisher, error) {
	l := &Layout{}
	finishers := make([]Finisher, len(uses))
	for i, u := range uses {
		if _, err := Check(u.Call); err != nil {
			return nil, nil, err
		}
		f, err := lookup(u.Call.Func)
		if err != nil {
			return nil, nil, err
		}
		if (u.Input < 0) != (u.Call.Input.Kind == featurestore.KindNull) {
			return nil, nil, fmt.Errorf("%s has input %d and the type %s", u.Call.Func, u.Input, u.Call.Input)
		}
		finishers[i] = l.place(f, u)
	}
	return l, finishers, nil
}

// place finds or makes what one feature needs.
func (l *Layout) place(f function, u Use) Finisher {
	gate := u.Input
	if u.Call.RespectNulls {
		gate = -1
	}
	out := Finisher{function: f, input: u.Call.Input, emptyNull: u.EmptyNull, group: l.group(gate, u.Where)}
	for _, q := range needs(f) {
		p := partial{what: q, kind: u.Call.Input.Kind, group: out.group, input: u.Input}
		if q == quantityDistinct {
			p.max = DefaultDistinctMax
			if u.Call.Max != 0 {
				p.max = int(u.Call.Max)
			}
		}
		out.partials = append(out.partials, l.partial(p))
	}
	return out
}

func (l *Layout) group(gate, where int) int {
	for i := range l.groups {
		if g := &l.groups[i]; g.gate == gate && g.where == where {
			return i
		}
	}
	l.groups = append(l.groups, group{gate: gate, where: where})
	l.always = l.always || gate < 0 && where < 0
	return len(l.groups) - 1
}

func (l *Layout) partial(p partial) int {
	for i := range l.partials {
		if l.partials[i] == p {
			return i
		}
	}
	l.partials = append(l.partials, p)
	i := len(l.partials) - 1
	g := &l.groups[p.group]
	g.partials = append(g.partials, ref{index: i, input: p.input})
	return i
}

// Groups is the number of groups.
func (l *Layout) Groups() int { return len(l.groups) }

// Wants reports whether an event with these inputs contributes anything.
func (l *Layout) Wants(inputs []featurestore.Value) bool {
	if l.always {
		return true
	}
	for i := range l.groups {
		if l.groups[i].admits(inputs) {
			return true
		}
	}
	return false
}
