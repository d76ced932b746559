package expr

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/freshet/freshet/featurestore"
)

// checker turns a parsed tree into a typed one.
type checker struct {
	*tree
	vars   []Var
	byName map[string]int
}

func check(src string, vars []Var) (*node, *Error) {
	scanned, err := scan(src)
	if err != nil {
		return nil, err
	}
	t, err := parse(scanned)
	if err != nil {
		return nil, err
	}
	c := &checker{tree: t, vars: vars, byName: make(map[string]int, len(vars))}
	for i, v := range vars {
		c.byName[v.Name] = i
	}
	root, err := c.expr(t.root)
	if err != nil {
		return nil, err
	}
	if root.null() {
		return nil, c.fail(root, "", "the expression is always null")
	}
	return root, nil
}

func (c *checker) expr(e ast.Expr) (*node, *Error) {
	i := c.place(e)
	tok := c.tokens[i]
	switch e.Kind() {
	case ast.LiteralKind:
		return c.literal(e, i)
	case ast.IdentKind:
		return c.ident(e.AsIdent(), tok)
	case ast.ListKind:
		return c.list(e, tok)
	case ast.CallKind:
		return c.call(e, i)
	case ast.SelectKind:
		return nil, c.selection(e, i)
	case ast.MapKind, ast.StructKind:
		return nil, c.at(tok, "", "map and struct literals are not part of the language")
	}
	return nil, c.at(tok, "", "this form of CEL is not part of the language")
}

// literal makes a node of a constant; a negative number's place is its sign.
func (c *checker) literal(e ast.Expr, i int) (*node, *Error) {
	tok := c.tokens[i]
	n := &node{kind: nodeLiteral, start: tok.start, end: tok.end}
	if tok.kind == tokOperator && i+1 < len(c.tokens) {
		n.end = c.tokens[i+1].end
		n.text = "-" + c.text[c.tokens[i+1].start:n.end]
	} else if tok.kind == tokNumber {
		n.text = c.text[tok.start:tok.end]
	}
	switch v := e.AsLiteral().(type) {
	case types.Bool:
		n.typ, n.value = featurestore.Bool, featurestore.BoolValue(bool(v))
	case types.Int:
		n.typ, n.value = featurestore.Int64, featurestore.Int64Value(int64(v))
	case types.Double:
		n.typ, n.value = featurestore.Double, featurestore.DoubleValue(float64(v))
	case types.String:
		n.typ, n.value = featurestore.String, featurestore.StringValue(string(v))
	case types.Bytes:
		n.typ, n.value = featurestore.Bytes, featurestore.BytesValue(string(v))
	case types.Uint:
		return nil, c.fail(n, "write "+strings.TrimRight(n.text, "uU"), "there are no unsigned numbers")
	}
	return n, nil
}

func (c *checker) ident(name string, tok token) (*node, *Error) {
	slot, found := c.byName[name]
	if !found {
		return nil, c.at(tok, unknownVar(name, c.vars), "unknown variable %q", name)
	}
	v := c.vars[slot]
	if v.Type.Kind == featurestore.KindStruct || v.Type.Kind == featurestore.KindNull {
		return nil, c.at(tok, "declare the fields that are needed as columns of their own", "%q is a %s, which expressions cannot use", name, v.Type)
	}
	return &node{kind: nodeVar, name: name, slot: slot, typ: v.Type, start: tok.start, end: tok.end}, nil
}

// list checks a list literal: constants of one type.
func (c *checker) list(e ast.Expr, open token) (*node, *Error) {
	n := &node{kind: nodeLiteral, start: open.start, end: c.tokens[open.match].end}
	for _, el := range e.AsList().Elements() {
		a, err := c.expr(el)
		if err != nil {
			return nil, err
		}
		if !a.constant() || !scalar(a.typ) {
			return nil, c.fail(a, "write numbers, texts, bools or timestamps", "a list literal holds constants only")
		}
		n.args = append(n.args, a)
	}
	if len(n.args) == 0 {
		return nil, c.fail(n, "", "an empty list has no type")
	}
	t, bad := unify(n.args)
	if bad >= 0 {
		return nil, c.fail(n.args[bad], "write all elements alike", "the list mixes %s and %s", n.args[bad].typ, t)
	}
	elems := make([]featurestore.Value, len(n.args))
	for i, a := range n.args {
		elems[i] = a.value
	}
	n.typ, n.value = featurestore.List(t), featurestore.ListValue(elems)
	return n, nil
}

// selection refuses x.y, which no type of ours has.
func (c *checker) selection(e ast.Expr, dot int) *Error {
	field := e.AsSelect().FieldName()
	tok := c.tokens[min(dot+1, len(c.tokens)-1)]
	if op := e.AsSelect().Operand(); op.Kind() == ast.IdentKind {
		if _, found := c.byName[op.AsIdent()]; !found {
			return c.at(c.tokens[c.place(op)], unknownVar(op.AsIdent(), c.vars), "unknown variable %q", op.AsIdent())
		}
	}
	operand, err := c.expr(e.AsSelect().Operand())
	if err != nil {
		return err
	}
	hint := ""
	if operand.typ.Kind == featurestore.KindMap {
		hint = fmt.Sprintf("write %s[%q]", brief(c.textOf(operand)), field)
	}
	return c.at(tok, hint, "%s has no field %q", typeName(operand.typ), field)
}

// fail is an error about a node.
func (c *checker) fail(n *node, hint, format string, args ...any) *Error {
	return &Error{Offset: n.start, End: n.end, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func (c *checker) textOf(n *node) string { return c.text[n.start:n.end] }
