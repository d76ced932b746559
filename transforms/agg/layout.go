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
// immutable once compiled.
type Layout struct {
	groups     []group
	partials   []partial
	always     bool // some group admits every event
	subtracted bool // every partial can take a contribution away
	owes       bool // and tells when it holds nothing
	byCell     bool // some column is merged from bytes cell by cell
}

// Compile lays out the partials of a set of features and gives their finishers,
// in the order of uses. Errors are those of Check.
func Compile(uses []Use) (*Layout, []Finisher, error) {
	l := &Layout{}
	finishers := make([]Finisher, len(uses))
	for i := range uses {
		u := uses[i]
		if err := u.checkIndexes(); err != nil {
			return nil, nil, err
		}
		var err error
		if finishers[i], err = l.place(&u, false); err != nil {
			return nil, nil, err
		}
	}
	l.seal()
	return l, finishers, nil
}

// checkIndexes refuses an index without a type, and makes -1 of one that means
// nothing.
func (u *Use) checkIndexes() error {
	if (u.Input < 0) != (u.Call.Input.Kind == featurestore.KindNull) {
		return fmt.Errorf("%s has input %d and the type %s", u.Call.Func, u.Input, u.Call.Input)
	}
	for _, x := range []struct {
		index *int
		t     featurestore.Type
		word  string
	}{{&u.Second, u.Call.Second, "second input"}, {&u.By, u.Call.By, "key"}} {
		if x.t.Kind == featurestore.KindNull {
			*x.index = -1
		} else if *x.index < 0 {
			return fmt.Errorf("%s has a %s of type %s and no index for it", u.Call.Func, x.word, x.t)
		}
	}
	return nil
}

// place finds or makes what one feature needs. Within a key of `by` every event
// contributes: the group outside has admitted it.
func (l *Layout) place(u *Use, withinKey bool) (Finisher, error) {
	t, err := Check(u.Call)
	if err != nil {
		return Finisher{}, err
	}
	s, err := lookup(u.Call.Func)
	if err != nil {
		return Finisher{}, err
	}
	g := group{x: -1, y: -1, by: -1, where: -1}
	if !withinKey {
		g = newGroup(s.gate, u)
	}
	f := Finisher{spec: s, call: u.Call, result: t, emptyNull: u.EmptyNull, group: l.group(g)}
	if u.Call.By.Kind != featurestore.KindNull {
		return l.placeBy(f, u)
	}
	var needs []need
	if s.needs != nil {
		needs = s.needs(&u.Call)
	}
	for _, n := range needs {
		p := partial{need: n, in: u.Call.Input, group: f.group, x: u.Input}
		if s.takes&takesSecond != 0 {
			p.second, p.y = u.Call.Second, u.Second
		} else {
			p.y = -1
		}
		f.partials = append(f.partials, l.partial(p))
	}
	f.direct = directOf(&u.Call, f.partials)
	return f, nil
}

func (l *Layout) group(g group) int {
	for i := range l.groups {
		if l.groups[i].same(&g) {
			return i
		}
	}
	l.groups = append(l.groups, g)
	l.always = l.always || !g.many && g.gate == gateAll
	return len(l.groups) - 1
}

func (l *Layout) partial(p partial) int {
	for i := range l.partials {
		if l.partials[i].same(&p) {
			return i
		}
	}
	l.partials = append(l.partials, p)
	i := len(l.partials) - 1
	g := &l.groups[p.group]
	g.partials = append(g.partials, i)
	return i
}

// seal works out what is known once every feature is placed.
func (l *Layout) seal() {
	l.subtracted, l.owes = true, true
	for i := range l.partials {
		p := &l.partials[i]
		if p.inner != nil {
			p.inner.seal()
		}
		col := p.column(p)
		l.subtracted = l.subtracted && col.subtractable()
		z, ok := col.(zeroColumn)
		l.owes = l.owes && l.subtracted && ok && z.tellsZero()
		if _, ok := col.(runMerger); !ok {
			l.byCell = true
		}
	}
}

// Groups is the number of groups.
func (l *Layout) Groups() int { return len(l.groups) }

// Subtractable reports whether every partial can take a contribution away
// exactly, so that Cells.Remove serves and nothing has to be rebuilt.
func (l *Layout) Subtractable() bool { return l.subtracted }

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
