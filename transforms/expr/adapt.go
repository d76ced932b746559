package expr

import (
	"fmt"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// adapt gives n as an expression of type want where that is exact and costs
// nothing at run time: a whole number as a double or a decimal, a number with a
// point as a decimal, null as anything, lists of such numbers, and a ternary of
// such branches. It gives nil where n is something else.
func adapt(n *node, want featurestore.Type) *node {
	switch {
	case n.typ.Equal(want):
		return n
	case n.is(opCond):
		return adaptCond(n, want)
	case n.kind != nodeLiteral:
		return nil
	case n.null():
		return n.as(want, featurestore.Null)
	case n.typ.Kind == featurestore.KindList && want.Kind == featurestore.KindList:
		return adaptList(n, want)
	}
	switch want.Kind {
	case featurestore.KindDouble:
		if v := n.value.Int64(); n.typ.Kind == featurestore.KindInt64 && int64(float64(v)) == v && v != 1<<63-1 {
			return n.as(want, featurestore.DoubleValue(float64(v)))
		}
	case featurestore.KindDecimal:
		return adaptDecimal(n, want)
	}
	return nil
}

func (n *node) as(t featurestore.Type, v featurestore.Value) *node {
	c := *n
	c.typ, c.value = t, v
	return &c
}

func adaptCond(n *node, want featurestore.Type) *node {
	yes, no := adapt(n.args[1], want), adapt(n.args[2], want)
	if yes == nil || no == nil {
		return nil
	}
	c := *n
	c.typ, c.args = want, []*node{n.args[0], yes, no}
	return &c
}

func adaptList(n *node, want featurestore.Type) *node {
	elems := make([]featurestore.Value, len(n.args))
	args := make([]*node, len(n.args))
	for i, a := range n.args {
		if args[i] = adapt(a, *want.Elem); args[i] == nil {
			return nil
		}
		elems[i] = args[i].value
	}
	c := *n
	c.typ, c.value, c.args = want, featurestore.ListValue(elems), args
	return &c
}

func adaptDecimal(n *node, want featurestore.Type) *node {
	if n.text == "" {
		return nil
	}
	u, err := featurestore.ParseDecimal(n.text, featurestore.MaxDecimalPrecision, want.Scale)
	if err != nil {
		return nil
	}
	digits := len(strings.TrimLeft(fmt.Sprint(u), "-"))
	return n.as(featurestore.Decimal(max(want.Precision, digits), want.Scale), featurestore.DecimalValue(u))
}

// unify makes all nodes one type by adapting literals to the others. Decimals
// of one scale go together, under the widest precision. It gives the index of
// the first node that does not fit, or -1.
func unify(nodes []*node) (featurestore.Type, int) {
	lead := leader(nodes)
	if lead < 0 {
		return featurestore.Type{}, 0
	}
	t := nodes[lead].typ
	for i, n := range nodes {
		if a := adapt(n, t); a != nil {
			nodes[i] = a
		} else if !sameScale(n.typ, t) {
			return t, i
		}
		t.Precision = max(t.Precision, nodes[i].typ.Precision)
	}
	return t, -1
}

// leader chooses the node that gives the type: the first that cannot adapt,
// else a double among literals, else the first that is not null.
func leader(nodes []*node) int {
	lead, rank := -1, 0
	for i, n := range nodes {
		r := 0
		switch {
		case !adaptable(n):
			r = 3
		case n.typ.Kind == featurestore.KindDouble:
			r = 2
		case n.typ.Kind != featurestore.KindNull:
			r = 1
		}
		if r > rank {
			lead, rank = i, r
		}
	}
	return lead
}

func adaptable(n *node) bool {
	if n.is(opCond) {
		return adaptable(n.args[1]) && adaptable(n.args[2])
	}
	return n.kind == nodeLiteral && (n.null() || n.text != "" || n.typ.Kind == featurestore.KindList)
}

// coerce makes the whole expression one of type want.
func coerce(root *node, want featurestore.Type, src string) (*node, *Error) {
	if a := adapt(root, want); a != nil && a.typ.Kind != featurestore.KindDecimal {
		return a, nil
	} else if a != nil {
		root = a
	}
	if sameScale(root.typ, want) {
		if root.typ.Precision > want.Precision {
			return &node{kind: nodeCall, name: opNarrow, typ: want, args: []*node{root}, start: root.start, end: root.end}, nil
		}
		c := *root
		c.typ = want
		return &c, nil
	}
	return nil, &Error{Offset: root.start, End: root.end, Hint: castHint(root.typ, want, src[root.start:root.end]),
		Message: fmt.Sprintf("the expression gives %s, but %s is needed", typeName(root.typ), article(want))}
}

// castHint is the way from a type to another, or "".
func castHint(have, want featurestore.Type, text string) string {
	switch {
	case want.Kind == featurestore.KindBool && numeric(have):
		return "compare it with something, as " + brief(text) + " > 0"
	case want.Kind == featurestore.KindString && scalar(have), want.Kind == featurestore.KindDouble && (numeric(have) || have.Kind == featurestore.KindBool || have.Kind == featurestore.KindString),
		want.Kind == featurestore.KindInt64 && (numeric(have) || have.Kind == featurestore.KindBool || have.Kind == featurestore.KindString):
		return "write " + want.Kind.String() + "(" + brief(text) + ")"
	case want.Kind == featurestore.KindTimestamp && have.Kind == featurestore.KindString:
		return `write a constant instant as timestamp("2013-01-01T00:00:00Z"), or declare the field as timestamp`
	}
	return ""
}

// brief cuts a text that is too long for a message.
func brief(text string) string {
	if len(text) <= 40 {
		return text
	}
	return "..."
}

// typeName writes a type for a message.
func typeName(t featurestore.Type) string {
	if t.Kind == featurestore.KindNull {
		return "only null"
	}
	return t.String()
}

func article(t featurestore.Type) string {
	if t.Kind == featurestore.KindInt64 {
		return "an int64"
	}
	if t.Kind == featurestore.KindBytes {
		return "bytes"
	}
	return "a " + t.String()
}
