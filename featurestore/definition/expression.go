package definition

import (
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/expr"
)

func variables(fields []Field) []expr.Var {
	vars := make([]expr.Var, len(fields))
	for i, f := range fields {
		vars[i] = expr.Var{Name: f.Name, Type: f.Type}
	}
	return vars
}

// fragment is an expression that is the bytes from at on of a scalar's text.
type fragment struct {
	node *node
	at   int
	text string
}

func whole(n *node) fragment { return fragment{node: n, text: n.text} }

// compile compiles an expression over fields; the zero want takes any type. It
// reports what is wrong at its place within the scalar, and gives nil. among
// names the source where there are several.
func (l *loader) compile(f fragment, fields []Field, want featurestore.Type, among string) *expr.Program {
	var p *expr.Program
	var err error
	if want.Kind == featurestore.KindNull {
		p, err = expr.Compile(f.text, variables(fields))
	} else {
		p, err = expr.CompileAs(f.text, variables(fields), want)
	}
	if err == nil {
		return p
	}
	from, to, hint := 0, len(f.text), ""
	if e := (*expr.Error)(nil); errors.As(err, &e) {
		from, to, hint = e.Offset, e.End, e.Hint
	}
	if among != "" {
		among = fmt.Sprintf(" (in source %q)", among)
	}
	l.problemAt(f.node, extent{f.at + from, f.at + to}, hint, "%v%s", err, among)
	return nil
}

// condition compiles a where over one source's fields; nil for none.
func (l *loader) condition(n *node, fields []Field) *expr.Program {
	if n == nil {
		return nil
	}
	return l.compile(whole(n), fields, featurestore.Bool, "")
}
