package expr

import (
	"errors"
	"regexp"
	"regexp/syntax"

	"github.com/freshet/freshet/featurestore"
)

// texts checks the functions whose arguments are all strings.
func (c *checker) texts(n *node) (*node, *Error) {
	for i := range n.args {
		if err := c.want(n, i, featurestore.String); err != nil {
			return nil, err
		}
	}
	n.typ = featurestore.Bool
	if len(n.args) == 1 {
		n.typ = featurestore.String
	}
	return n, nil
}

func (c *checker) size(n *node) (*node, *Error) {
	a := n.args[0]
	if !textual(a.typ) && a.typ.Kind != featurestore.KindList && a.typ.Kind != featurestore.KindMap {
		return nil, c.fail(a, "", "size needs a string, bytes, list or map, not %s", typeName(a.typ))
	}
	n.typ = featurestore.Int64
	return n, nil
}

func (c *checker) split(n *node) (*node, *Error) {
	if _, err := c.texts(n); err != nil {
		return nil, err
	}
	if sep := n.args[1]; !sep.constant() || sep.value.Str() == "" {
		return nil, c.fail(sep, `write it as ","`, "the separator of split must be a constant that is not empty")
	}
	n.typ = featurestore.List(featurestore.String)
	return n, nil
}

func (c *checker) substring(n *node) (*node, *Error) {
	if err := c.want(n, 0, featurestore.String); err != nil {
		return nil, err
	}
	for i := 1; i < len(n.args); i++ {
		if err := c.want(n, i, featurestore.Int64); err != nil {
			return nil, err
		}
		if a := n.args[i]; a.constant() && a.value.Int64() < 0 {
			return nil, c.fail(a, "code points count from 0", "substring does not count from the end")
		}
	}
	n.typ = featurestore.String
	return n, nil
}

// matches compiles a constant pattern, whose size is known before any memory
// is spent on it.
func (c *checker) matches(n *node) (*node, *Error) {
	if _, err := c.texts(n); err != nil {
		return nil, err
	}
	pattern := n.args[1]
	if !pattern.constant() {
		return nil, c.fail(pattern, `write it as "^N[0-9]+"`, "the pattern of matches must be a constant")
	}
	text := pattern.value.Str()
	if len(text) > maxPattern {
		return nil, c.fail(pattern, "split the pattern", "the pattern has %d bytes; the limit is %d", len(text), maxPattern)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, c.fail(pattern, "patterns are RE2: no look-around, no back references", "the pattern is wrong: %s", patternFault(err))
	}
	if n.insts = instructions(parsed); n.insts > maxRegexp {
		return nil, c.fail(pattern, "repeat less", "the pattern is %d steps long with its repeats written out; the limit is %d", n.insts, maxRegexp)
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, c.fail(pattern, "", "the pattern is wrong: %s", patternFault(err))
	}
	n.pattern = compiled
	return n, nil
}

func patternFault(err error) string {
	var e *syntax.Error
	if errors.As(err, &e) {
		return e.Code.String() + ": " + e.Expr
	}
	return err.Error()
}

// instructions estimates the length of a pattern's program, its repeats
// written out as Go's compiler does. The parser bounds repeats within repeats,
// so the product does not overflow.
func instructions(re *syntax.Regexp) int {
	n := 0
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return n + len(re.Rune)
	case syntax.OpCharClass:
		return n + 1 + len(re.Rune)/16
	case syntax.OpRepeat:
		return n*max(re.Min, re.Max, 1) + max(re.Max-re.Min, 1) // x{2,4} is xx(x(x)?)?
	case syntax.OpConcat:
		return n
	}
	return n + 2
}
