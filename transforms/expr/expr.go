// Package expr compiles and runs the expressions of definitions: CEL, typed
// against declared fields, null-aware, deterministic and cost-limited. CEL
// parses and checks; our own closures run. No CEL type leaves the package.
package expr

import "github.com/freshet/freshet/featurestore"

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
type Program struct{}

// Compile parses and checks src against vars. A failure is an *Error.
func Compile(src string, vars []Var) (*Program, error) { panic("expr: being built") }

// Type is the type of the expression's value.
func (p *Program) Type() featurestore.Type { panic("expr: being built") }

// Slots are the indexes of the variables that the expression reads, ascending.
func (p *Program) Slots() []int { panic("expr: being built") }

// Canonical is a text that two expressions share iff they are the same tree,
// whatever their spelling: white space, parentheses. It goes into the semantic
// hash and lets features share one evaluation.
func (p *Program) Canonical() string { panic("expr: being built") }

// Eval computes the value over a row, whose length is that of vars. failed says
// that evaluation went wrong on this row (integer division by zero, a cast out
// of range): the value is then null and the caller counts it. A null operand
// gives null without failing.
func (p *Program) Eval(row []featurestore.Value) (v featurestore.Value, failed bool) {
	panic("expr: being built")
}
