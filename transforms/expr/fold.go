package expr

import (
	"github.com/freshet/freshet/featurestore"
)

// fold computes what does not depend on a row, once. An operation on constants
// that fails or gives null would do so on every row: that is a mistake, and is
// refused where it stands.
func fold(n *node) (*node, *Error) {
	if n.kind != nodeCall {
		return n, nil
	}
	c := *n
	c.args = make([]*node, len(n.args))
	constants := true
	for i, a := range n.args {
		folded, err := fold(a)
		if err != nil {
			return nil, err
		}
		c.args[i] = folded
		constants = constants && folded.constant()
	}
	if c.name == opCond && c.args[0].constant() {
		return branch(&c), nil
	}
	if err := zeroDivisor(&c); err != nil {
		return nil, err
	}
	if !constants {
		return &c, nil
	}
	value, s := wrap(c.typ.Kind, compile(&c))(nil)
	switch s {
	case stFailed:
		return nil, &Error{Offset: n.start, End: n.end, Message: "this fails on every row: " + failure(&c)}
	case stNull:
		return nil, &Error{Offset: n.start, End: n.end, Message: "this is null on every row: " + nullReason(&c)}
	}
	return &node{kind: nodeLiteral, typ: c.typ, value: value, start: n.start, end: n.end}, nil
}

// branch is the branch of ?: that a constant condition chooses.
func branch(n *node) *node {
	if n.args[0].value.Bool() {
		return n.args[1]
	}
	return n.args[2]
}

// zeroDivisor refuses a division by a constant zero.
func zeroDivisor(n *node) *Error {
	if n.name != opDiv && n.name != opMod || !n.args[1].constant() {
		return nil
	}
	if by := n.args[1]; by.typ.Kind == featurestore.KindDouble && by.value.Double() == 0 || by.typ.Kind == featurestore.KindInt64 && by.value.Int64() == 0 {
		return &Error{Offset: n.start, End: n.end, Message: "division by zero", Hint: "the result would never be a number"}
	}
	return nil
}

func failure(n *node) string {
	switch n.name {
	case "int64", "double", "bool", "string":
		return "the value cannot be made " + article(n.typ)
	case opAdd, opSub, opMul, opDiv, opNeg, opNarrow, "abs":
		return "the result is out of the range of " + n.typ.String()
	}
	return "the result has no value"
}

func nullReason(n *node) string {
	if n.typ.Kind == featurestore.KindDouble && n.name != opIndex {
		return "the result is not a finite number"
	}
	return "the element does not exist"
}
