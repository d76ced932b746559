package definition

import "fmt"

// problem reports an error at a node.
func (l *loader) problem(n *node, hint, format string, args ...any) {
	l.problems = append(l.problems, n.src.problem(n.line, n.column, n.width(), hint, fmt.Sprintf(format, args...)))
}

// bad reports an error at a node and marks it, so that nothing more is said of it.
func (l *loader) bad(n *node, hint, format string, args ...any) {
	l.problem(n, hint, format, args...)
	n.bad = true
}

// extent is the bytes [from, to) of a scalar's text.
type extent struct{ from, to int }

// problemAt reports an error at a part of a scalar's text.
func (l *loader) problemAt(n *node, at extent, hint, format string, args ...any) {
	p, width := n.span(at.from, at.to)
	l.problems = append(l.problems, n.src.problem(p.Line, p.Column, width, hint, fmt.Sprintf(format, args...)))
}

// warn reports a warning at a node.
func (l *loader) warn(n *node, hint, format string, args ...any) {
	p := n.src.problem(n.line, n.column, n.width(), hint, fmt.Sprintf(format, args...))
	p.Severity = SeverityWarning
	l.problems = append(l.problems, p)
}
