package expr

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common/ast"

	"github.com/freshet/freshet/featurestore"
)

// function is a function of the language: its arguments as a user writes them
// (those after optional may be left out, more says that the last one repeats),
// whether x.name() may be written for name(x), and how a call is typed.
type function struct {
	params   []string
	optional int // the number of arguments that must be there
	more     bool
	method   bool
	check    func(c *checker, n *node) (*node, *Error)
}

func fixed(check func(*checker, *node) (*node, *Error), params ...string) function {
	return function{params: params, optional: len(params), check: check}
}

// asMethod is fixed, for a function that x.name() may call, too.
func asMethod(check func(*checker, *node) (*node, *Error), params ...string) function {
	f := fixed(check, params...)
	f.method = true
	return f
}

// functions gives every function by its name.
func functions(name string) (function, bool) {
	switch name {
	case "has":
		return fixed((*checker).has, "x"), true
	case "coalesce":
		return function{params: []string{"a", "b"}, optional: 2, more: true, check: (*checker).coalesce}, true
	case "int64", "double", "string", "bool", "bytes":
		return fixed((*checker).cast, "x"), true
	case "abs":
		return fixed((*checker).abs, "x"), true
	case "ceil", "floor", "round", "log", "log1p", "exp", "sqrt":
		return fixed((*checker).doubles, "x"), true
	case "pow":
		return fixed((*checker).doubles, "x", "y"), true
	case "min", "max":
		return function{params: []string{"a", "b"}, optional: 2, more: true, check: (*checker).extreme}, true
	case "clip":
		return fixed((*checker).clip, "x", "lo", "hi"), true
	case "lower", "upper", "trim":
		return asMethod((*checker).texts, "text"), true
	case "contains", "startsWith", "endsWith":
		return asMethod((*checker).texts, "text", "part"), true
	case "matches":
		return asMethod((*checker).matches, "text", "pattern"), true
	case "size":
		return asMethod((*checker).size, "x"), true
	case "split":
		return asMethod((*checker).split, "text", "separator"), true
	case "substring":
		return function{params: []string{"text", "start", "end"}, optional: 2, method: true, check: (*checker).substring}, true
	case "hour", "day_of_week":
		return fixed((*checker).clock, "time", `"America/New_York"`), true
	case "seconds_between":
		return fixed((*checker).secondsBetween, "from", "to"), true
	case "timestamp":
		return fixed((*checker).timestamp, `"2013-01-01T00:00:00Z"`), true
	case "hash":
		return fixed((*checker).hash, "x"), true
	case "bucketize":
		return fixed((*checker).bucketize, "x", "[bounds]"), true
	case "one_hot":
		return fixed((*checker).oneHot, "x", "[categories]"), true
	}
	return function{}, false
}

// functionNames are the names to suggest from.
func functionNames() []string {
	return []string{"has", "coalesce", "int64", "double", "string", "bool", "bytes", "abs", "ceil", "floor", "round", "log", "log1p",
		"exp", "sqrt", "pow", "min", "max", "clip", "lower", "upper", "trim", "contains", "startsWith", "endsWith", "matches", "size",
		"split", "substring", "hour", "day_of_week", "seconds_between", "timestamp", "hash", "bucketize", "one_hot"}
}

// function checks a call; open is the index of its opening bracket.
func (c *checker) function(n *node, call ast.CallExpr, open int) (*node, *Error) {
	nameTok := c.tokens[max(open-1, 0)]
	if n.name == "int" {
		n.name = "int64"
	}
	f, known := functions(n.name)
	if !known {
		return nil, c.unknownFunction(n.name, nameTok, call)
	}
	n.start, n.end = nameTok.start, c.tokens[c.tokens[open].match].end
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	for i, arg := range args {
		a, err := c.expr(arg)
		if err != nil {
			return nil, err
		}
		if i == 0 && call.IsMemberFunction() {
			n.start, _ = c.outer(a.start, a.end)
		}
		n.args = append(n.args, a)
	}
	if call.IsMemberFunction() && !f.method {
		return nil, c.at(nameTok, "write "+usage(n.name, f), "%q is a function, not a method", n.name)
	}
	if len(args) < f.optional || len(args) > len(f.params) && !f.more {
		return nil, c.fail(n, "write "+usage(n.name, f), "%s takes %s, not %d", n.name, arity(f), len(args))
	}
	for _, a := range n.args {
		if a.null() && n.name != "coalesce" {
			return nil, c.fail(a, "", "a null alone means nothing to %s", n.name)
		}
	}
	return f.check(c, n)
}

func usage(name string, f function) string {
	text := name + "(" + strings.Join(f.params, ", ")
	if f.more {
		text += ", ..."
	}
	return text + ")"
}

func arity(f function) string {
	n, word := len(f.params), "arguments"
	switch {
	case f.more:
		return fmt.Sprintf("at least %d arguments", f.optional)
	case f.optional < n:
		return fmt.Sprintf("%d to %d arguments", f.optional, n)
	case n == 1:
		word = "argument"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// unknownFunction says why a name is no function, or which one is meant.
func (c *checker) unknownFunction(name string, tok token, call ast.CallExpr) *Error {
	switch {
	case forbidden(name):
		return c.at(tok, "take an instant from the event or the request's data; for a stable choice use hash(x) of a field", "%q is not allowed: an expression must give the same value whenever and wherever it runs", name)
	case later(name):
		return c.at(tok, "", "%q is not supported yet", name)
	case comprehension(name) && call.IsMemberFunction():
		return c.at(tok, "aggregate in a windowed feature instead", "%q is not part of the language: a loop over a list has no bound", name)
	}
	return c.at(tok, unknownFunc(name), "unknown function %q", name)
}

// want adapts argument i to a type, or says what the function needs.
func (c *checker) want(n *node, i int, t featurestore.Type) *Error {
	if a := adapt(n.args[i], t); a != nil {
		n.args[i] = a
		return nil
	}
	a := n.args[i]
	return c.fail(a, castHint(a.typ, t, c.textOf(a)), "%s needs %s, not %s", n.name, article(t), typeName(a.typ))
}
