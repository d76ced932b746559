// Package expr compiles and runs the expressions of definitions: CEL, typed
// against declared fields, null-aware, deterministic and cost-limited. CEL
// parses; our own checker types the tree and our own closures run it, since
// null, decimals and statuses are not CEL's. No CEL type leaves the package.
//
// Nothing here does I/O at evaluation, keeps state or reads a clock. Compile
// looks time zones up once, in the machine's zone data or in the copy that is
// part of the binary.
package expr

import (
	"github.com/freshet/freshet/featurestore"
)

// Var is a name that an expression may use. Its slot in a row is its index in
// the list that was given to Compile.
type Var struct {
	Name string
	Type featurestore.Type
}

// Error is a problem of an expression. Offset and End bound the bytes of the
// source text that it is about; Hint is the way out, or "".
type Error struct {
	Offset, End int
	Message     string
	Hint        string
}

func (e *Error) Error() string { return e.Message }

// Program is a compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	typ       featurestore.Type
	slots     []int
	canonical string
	run       func(row) (featurestore.Value, state)
}

// Compile parses and checks src against vars. A failure is an *Error.
func Compile(src string, vars []Var) (*Program, error) {
	root, err := check(src, vars)
	if err != nil {
		return nil, err
	}
	return build(root)
}

// CompileAs is Compile for an expression that must give a value of type want.
// Whole numbers stand for doubles and decimals where they are exact, as
// everywhere; decimals of one scale fit each other, and a value beyond the
// precision of want fails on its row.
func CompileAs(src string, vars []Var, want featurestore.Type) (*Program, error) {
	root, err := check(src, vars)
	if err != nil {
		return nil, err
	}
	if root, err = coerce(root, want, src); err != nil {
		return nil, err
	}
	return build(root)
}

func build(root *node) (*Program, error) {
	if err := checkCost(root); err != nil {
		return nil, err
	}
	folded, err := fold(root)
	if err != nil {
		return nil, err
	}
	p := &Program{typ: root.typ, slots: slotsOf(root), canonical: canonical(root)}
	p.run = wrap(root.typ.Kind, compile(folded))
	return p, nil
}

// Type is the type of the expression's value.
func (p *Program) Type() featurestore.Type { return p.typ }

// Slots are the indexes of the variables that the expression reads, ascending.
// The slice must not be changed.
func (p *Program) Slots() []int { return p.slots }

// Canonical is a text that two expressions share iff they are the same tree,
// whatever their spelling: white space, parentheses. It goes into the semantic
// hash and lets features share one evaluation. It is itself an expression,
// whose canonical text is the same again.
func (p *Program) Canonical() string { return p.canonical }

// Eval computes the value over a row, whose length is that of vars. failed says
// that evaluation went wrong on this row (integer division by zero, a cast out
// of range): the value is then null and the caller counts it. A null operand
// gives null without failing, and so does a cell whose kind is not the declared
// one. Values of type double, int64, bool, timestamp and decimal cost no
// allocation.
func (p *Program) Eval(row []featurestore.Value) (v featurestore.Value, failed bool) {
	v, s := p.run(row)
	return v, s == stFailed
}
