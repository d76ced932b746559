package expr

import (
	"fmt"

	"cel.dev/cel-go/common/ast"

	"github.com/freshet/freshet/featurestore"
)

// call checks an operator, a function or a method. i is the index of the
// operator's token or of the opening bracket.
func (c *checker) call(e ast.Expr, i int) (*node, *Error) {
	call := e.AsCall()
	n := &node{kind: nodeCall, name: call.FunctionName()}
	tok := c.tokens[i]
	if tok.kind == tokOpen && n.name != opIndex {
		return c.function(n, call, i)
	}
	for _, arg := range call.Args() {
		a, err := c.expr(arg)
		if err != nil {
			return nil, err
		}
		n.args = append(n.args, a)
	}
	first, last := n.args[0], n.args[len(n.args)-1]
	n.start, _ = c.outer(first.start, first.end)
	_, n.end = c.outer(last.start, last.end)
	switch n.name {
	case opNot, opNeg:
		n.start = tok.start
		return c.unary(n)
	case opIndex:
		n.end = c.tokens[tok.match].end
		return c.indexed(n)
	case opAnd, opOr:
		return c.logic(n)
	case opCond:
		return c.cond(n)
	case opIn:
		return c.in(n)
	case opEq, opNe, opLt, opLe, opGt, opGe:
		return c.comparison(n, c.text[tok.start:tok.end])
	}
	return c.arithmetic(n, c.text[tok.start:tok.end])
}

func (c *checker) unary(n *node) (*node, *Error) {
	a := n.args[0]
	if n.name == opNot {
		if a.typ.Kind != featurestore.KindBool {
			return nil, c.fail(n, castHint(a.typ, featurestore.Bool, c.textOf(a)), "! needs a bool, not %s", typeName(a.typ))
		}
		n.typ = featurestore.Bool
		return n, nil
	}
	if !numeric(a.typ) {
		return nil, c.fail(n, "", "- needs a number, not %s", typeName(a.typ))
	}
	n.typ = a.typ
	if a.constant() && a.text != "" {
		return c.negated(n, a), nil
	}
	return n, nil
}

// negated turns -(5) into the literal -5.
func (c *checker) negated(n, a *node) *node {
	lit := &node{kind: nodeLiteral, typ: a.typ, start: n.start, end: n.end, text: "-" + a.text}
	if a.text[0] == '-' {
		lit.text = a.text[1:]
	}
	if a.typ.Kind == featurestore.KindDouble {
		lit.value = featurestore.DoubleValue(-a.value.Double())
		return lit
	}
	v, s := negInt(a.value.Int64(), stOK)
	if s != stOK {
		return n
	}
	lit.value = featurestore.Int64Value(v)
	return lit
}

// logic checks && and ||, chains of which are one node: they are associative
// in three values, too.
func (c *checker) logic(n *node) (*node, *Error) {
	var args []*node
	for _, a := range n.args {
		if a.typ.Kind != featurestore.KindBool {
			return nil, c.fail(a, castHint(a.typ, featurestore.Bool, c.textOf(a)), "%s needs bools, not %s", n.name[1:3], typeName(a.typ))
		}
		if a.is(n.name) {
			args = append(args, a.args...)
		} else {
			args = append(args, a)
		}
	}
	n.typ, n.args = featurestore.Bool, args
	return n, nil
}

func (c *checker) cond(n *node) (*node, *Error) {
	test := n.args[0]
	if test.typ.Kind != featurestore.KindBool {
		return nil, c.fail(test, castHint(test.typ, featurestore.Bool, c.textOf(test)), "the condition before ? must be a bool, not %s", typeName(test.typ))
	}
	branches := n.args[1:]
	t, bad := unify(branches)
	if bad >= 0 {
		if branches[0].null() && branches[1].null() {
			return nil, c.fail(n, "", "both branches are null")
		}
		a, b := branches[0], branches[1]
		return nil, c.fail(n, c.mixHint(a, b), "the branches of ?: give %s and %s", a.typ, b.typ)
	}
	n.typ = t
	return n, nil
}

func (c *checker) comparison(n *node, op string) (*node, *Error) {
	a, b := n.args[0], n.args[1]
	if a.null() || b.null() {
		x := a
		if a.null() {
			x = b
		}
		hint := fmt.Sprintf("write has(%s) for not null, !has(%s) for null", brief(c.textOf(x)), brief(c.textOf(x)))
		return nil, c.fail(n, hint, "a comparison with null is always null")
	}
	t, bad := unify(n.args)
	if bad >= 0 {
		return nil, c.mixed(n, op)
	}
	equality := n.name == opEq || n.name == opNe
	if !ordered(t) && !(equality && scalar(t)) {
		return nil, c.fail(n, "", "%s does not compare %s", op, t)
	}
	n.typ = featurestore.Bool
	return n, nil
}

func (c *checker) arithmetic(n *node, op string) (*node, *Error) {
	for _, a := range n.args {
		if a.null() {
			return nil, c.fail(a, "", "arithmetic with null is always null")
		}
	}
	t, bad := unify(n.args)
	if bad >= 0 {
		return nil, c.mixed(n, op)
	}
	n.typ = t
	switch {
	case t.Kind == featurestore.KindInt64, t.Kind == featurestore.KindDouble && n.name != opMod, textual(t) && n.name == opAdd:
		return n, nil
	case t.Kind == featurestore.KindDecimal && (n.name == opAdd || n.name == opSub):
		n.typ.Precision = min(t.Precision+1, featurestore.MaxDecimalPrecision)
		return n, nil
	}
	hint := ""
	switch {
	case t.Kind == featurestore.KindTimestamp && n.name == opSub:
		hint = fmt.Sprintf("write seconds_between(%s, %s)", brief(c.textOf(n.args[1])), brief(c.textOf(n.args[0])))
	case t.Kind == featurestore.KindDecimal:
		hint = fmt.Sprintf("write double(%s) %s double(%s)", brief(c.textOf(n.args[0])), op, brief(c.textOf(n.args[1])))
	case t.Kind == featurestore.KindDouble:
		hint = "take int64(x) of both sides"
	}
	return nil, c.fail(n, hint, "%s does not work on %s", op, t)
}

// sameScale reports whether two types are decimals that compare as they are.
func sameScale(a, b featurestore.Type) bool {
	return a.Kind == featurestore.KindDecimal && b.Kind == featurestore.KindDecimal && a.Scale == b.Scale
}

// mixed is the error of an operator between two types.
func (c *checker) mixed(n *node, op string) *Error {
	a, b := n.args[0], n.args[1]
	hint := c.mixHint(a, b)
	switch {
	case a.typ.Kind == featurestore.KindBool && comparing(a):
		hint = "compare twice and join with &&"
	case op == "+" && a.typ.Kind == featurestore.KindString:
		hint = castHint(b.typ, featurestore.String, c.textOf(b))
	case op == "+" && b.typ.Kind == featurestore.KindString:
		hint = castHint(a.typ, featurestore.String, c.textOf(a))
	}
	return c.fail(n, hint, "%s %s %s: both sides must have one type", typeName(a.typ), op, typeName(b.typ))
}

func comparing(n *node) bool {
	return n.is(opLt) || n.is(opLe) || n.is(opGt) || n.is(opGe) || n.is(opEq) || n.is(opNe)
}

// mixHint says which side to cast.
func (c *checker) mixHint(a, b *node) string {
	if a.typ.Kind == featurestore.KindDouble && b.typ.Kind == featurestore.KindInt64 || a.typ.Kind == featurestore.KindTimestamp {
		a, b = b, a
	}
	kinds := [2]featurestore.Kind{a.typ.Kind, b.typ.Kind}
	switch {
	case kinds == [2]featurestore.Kind{featurestore.KindInt64, featurestore.KindDouble}:
		return "write double(" + brief(c.textOf(a)) + ")"
	case a.typ.Kind == featurestore.KindDecimal && b.typ.Kind == featurestore.KindDecimal:
		return fmt.Sprintf("decimals need one scale: write double(%s) and double(%s)", brief(c.textOf(a)), brief(c.textOf(b)))
	case a.typ.Kind == featurestore.KindDecimal && numeric(b.typ):
		return "write double(" + brief(c.textOf(a)) + ")"
	case b.typ.Kind == featurestore.KindDecimal && numeric(a.typ):
		return "write double(" + brief(c.textOf(b)) + ")"
	}
	return castHint(a.typ, b.typ, c.textOf(a))
}

// indexed checks x[i] of a list and m[key] of a map.
func (c *checker) indexed(n *node) (*node, *Error) {
	of, by := n.args[0], n.args[1]
	switch {
	case of.typ.Kind == featurestore.KindList && by.typ.Kind == featurestore.KindInt64,
		of.typ.Kind == featurestore.KindMap && by.typ.Kind == featurestore.KindString:
		n.typ = *of.typ.Elem
		return n, nil
	case of.typ.Kind == featurestore.KindList:
		return nil, c.fail(by, "elements count from 0", "a list is indexed by int64, not %s", typeName(by.typ))
	case of.typ.Kind == featurestore.KindMap:
		return nil, c.fail(by, "", "a map is indexed by string, not %s", typeName(by.typ))
	case of.typ.Kind == featurestore.KindString:
		return nil, c.fail(n, "write substring(text, start, end)", "a string cannot be indexed")
	}
	return nil, c.fail(n, "", "%s cannot be indexed", typeName(of.typ))
}

// in checks x in list and key in map.
func (c *checker) in(n *node) (*node, *Error) {
	x, of := n.args[0], n.args[1]
	n.typ = featurestore.Bool
	switch {
	case x.null():
		return nil, c.fail(x, "", "null is in nothing: the result is always null")
	case of.typ.Kind == featurestore.KindMap && x.typ.Kind == featurestore.KindString:
		return n, nil
	case of.typ.Kind != featurestore.KindList && of.typ.Kind != featurestore.KindMap:
		return nil, c.fail(of, `write a list as ["a", "b"]`, "in needs a list or a map, not %s", typeName(of.typ))
	case of.typ.Kind == featurestore.KindList && scalar(x.typ):
		if sameScale(x.typ, *of.typ.Elem) {
			return n, nil
		}
		if a := adapt(x, *of.typ.Elem); a != nil {
			n.args[0] = a
			return n, nil
		}
		if a := adapt(of, featurestore.List(x.typ)); a != nil {
			n.args[1] = a
			return n, nil
		}
	}
	return nil, c.fail(n, "", "%s cannot be in %s", typeName(x.typ), of.typ)
}
