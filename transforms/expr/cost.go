package expr

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// A unit of cost is about a nanosecond or two for a text of ordinary length.
// The estimate needs no row: texts is how many input texts a text can be made
// of, which scales all work on it.

func checkCost(root *node) *Error {
	units, over := cost(root)
	if over != nil {
		return &Error{Offset: over.start, End: over.end, Hint: "split the expression into several features",
			Message: fmt.Sprintf("the text grows too large: it is joined from more than %d texts", maxTexts)}
	}
	if units > maxCost {
		return &Error{Offset: root.start, End: root.end, Hint: "split the expression into several features, or use simpler patterns",
			Message: fmt.Sprintf("the expression costs %d units for a row; the limit is %d", units, maxCost)}
	}
	return nil
}

// cost is the cost of a tree, and the first node whose text is too large.
func cost(n *node) (int, *node) {
	if n.kind != nodeCall {
		return 1, nil
	}
	total := 1
	for _, a := range n.args {
		units, over := cost(a)
		if over != nil {
			return 0, over
		}
		total += units
	}
	size := texts(n)
	if size > maxTexts {
		return 0, n
	}
	return total + own(n, max(size, texts(n.args[0]))), nil
}

// own is the cost of a call without its arguments.
func own(n *node, size int) int {
	switch n.name {
	case "log", "log1p", "exp", "sqrt":
		return 10
	case "pow":
		return 40
	case "hour", "day_of_week":
		return 20
	case "lower", "upper", "trim", "substring", "contains", "startsWith", "endsWith", "size", "hash", "string", "int64", "double":
		return 5 * size
	case "split":
		return 100 * size
	case "matches":
		return (20 + n.insts) * size
	case opAdd:
		if textual(n.typ) {
			return 10 * size
		}
	case opIn, "one_hot":
		return 5
	}
	return 1
}

// texts is how many input texts the value of a node can be as long as.
func texts(n *node) int {
	if n.kind != nodeCall || !textual(n.typ) && n.typ.Kind != featurestore.KindList {
		return 1
	}
	switch n.name {
	case opAdd:
		return texts(n.args[0]) + texts(n.args[1])
	case opCond:
		return max(texts(n.args[1]), texts(n.args[2]))
	}
	size := 1
	for _, a := range n.args {
		size = max(size, texts(a))
	}
	return size
}
