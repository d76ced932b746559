package expr

import (
	"regexp"
	"slices"
	"time"

	"cel.dev/cel-go/common/operators"

	"github.com/freshet/freshet/featurestore"
)

type nodeKind uint8

const (
	nodeLiteral nodeKind = iota // value; a null literal has type null until it is adapted
	nodeVar
	nodeCall // name is an operator of CEL or a function of ours
)

// node is a checked expression. Nodes are not changed once their parent exists.
type node struct {
	kind       nodeKind
	typ        featurestore.Type
	start, end int // bytes of the source

	value featurestore.Value
	text  string // of a number literal, as written: decimals are read from it

	name string // of a variable or a call
	slot int
	args []*node

	pattern *regexp.Regexp // of matches
	insts   int            // the pattern's size
	zone    *time.Location // of hour and day_of_week
}

// The names of operators, which CEL's parser gives. narrow is ours: a decimal
// within a smaller precision.
const (
	opCond   = operators.Conditional
	opAnd    = operators.LogicalAnd
	opOr     = operators.LogicalOr
	opNot    = operators.LogicalNot
	opEq     = operators.Equals
	opNe     = operators.NotEquals
	opLt     = operators.Less
	opLe     = operators.LessEquals
	opGt     = operators.Greater
	opGe     = operators.GreaterEquals
	opAdd    = operators.Add
	opSub    = operators.Subtract
	opMul    = operators.Multiply
	opDiv    = operators.Divide
	opMod    = operators.Modulo
	opNeg    = operators.Negate
	opIndex  = operators.Index
	opIn     = operators.In
	opNarrow = "@narrow"
)

func (n *node) is(name string) bool { return n.kind == nodeCall && n.name == name }

// constant reports whether the node is a literal that is not null.
func (n *node) constant() bool {
	return n.kind == nodeLiteral && n.typ.Kind != featurestore.KindNull && !n.value.IsNull()
}

// null reports whether the node is a null literal of no type yet.
func (n *node) null() bool { return n.kind == nodeLiteral && n.typ.Kind == featurestore.KindNull }

// slotsOf gives the slots that a tree reads, ascending.
func slotsOf(root *node) []int {
	var slots []int
	var walk func(*node)
	walk = func(n *node) {
		if n.kind == nodeVar {
			slots = append(slots, n.slot)
		}
		for _, a := range n.args {
			walk(a)
		}
	}
	walk(root)
	slices.Sort(slots)
	return slices.Compact(slots)
}

func numeric(t featurestore.Type) bool {
	return t.Kind == featurestore.KindInt64 || t.Kind == featurestore.KindDouble || t.Kind == featurestore.KindDecimal
}

func textual(t featurestore.Type) bool {
	return t.Kind == featurestore.KindString || t.Kind == featurestore.KindBytes
}

func ordered(t featurestore.Type) bool {
	return numeric(t) || textual(t) || t.Kind == featurestore.KindTimestamp
}

func scalar(t featurestore.Type) bool { return ordered(t) || t.Kind == featurestore.KindBool }
