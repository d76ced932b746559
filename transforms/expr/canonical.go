package expr

import (
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// canonical writes a tree with one spelling: function form, single spaces, only
// the parentheses that the tree needs, literals as their types have them.
func canonical(n *node) string {
	var b strings.Builder
	write(&b, n)
	return b.String()
}

// binding is how strongly a node holds together; a weaker child is put in
// parentheses.
func binding(n *node) int {
	if n.kind != nodeCall {
		return 9
	}
	switch n.name {
	case opCond:
		return 0
	case opOr:
		return 1
	case opAnd:
		return 2
	case opEq, opNe, opLt, opLe, opGt, opGe, opIn:
		return 3
	case opAdd, opSub:
		return 4
	case opMul, opDiv, opMod:
		return 5
	case opNot, opNeg:
		return 6
	}
	return 9
}

func write(b *strings.Builder, n *node) {
	switch {
	case n.kind == nodeLiteral:
		writeLiteral(b, n)
	case n.kind == nodeVar:
		b.WriteString(n.name)
	case n.name == opCond:
		within(b, n.args[0], 1)
		b.WriteString(" ? ")
		within(b, n.args[1], 1)
		b.WriteString(" : ")
		within(b, n.args[2], 0)
	case n.name == opAnd || n.name == opOr:
		for i, a := range n.args {
			if i > 0 {
				b.WriteString(" " + n.name[1:3] + " ")
			}
			within(b, a, binding(n)+1)
		}
	case n.name == opNot || n.name == opNeg:
		b.WriteByte(n.name[0])
		within(b, n.args[0], 7)
	case n.name == opIndex:
		within(b, n.args[0], 9)
		b.WriteByte('[')
		write(b, n.args[1])
		b.WriteByte(']')
	case n.name == opIn:
		within(b, n.args[0], 3)
		b.WriteString(" in ")
		within(b, n.args[1], 4)
	case binding(n) < 9:
		within(b, n.args[0], binding(n))
		b.WriteString(" " + strings.Trim(n.name, "_") + " ")
		within(b, n.args[1], binding(n)+1)
	default:
		b.WriteString(callee(n) + "(")
		for i, a := range n.args {
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, a)
		}
		b.WriteByte(')')
	}
}

// callee is a call's name; that of our own operator says what it narrows to.
func callee(n *node) string {
	if n.name == opNarrow {
		return n.typ.String()
	}
	return n.name
}

func within(b *strings.Builder, n *node, least int) {
	if binding(n) >= least {
		write(b, n)
		return
	}
	b.WriteByte('(')
	write(b, n)
	b.WriteByte(')')
}

func writeLiteral(b *strings.Builder, n *node) {
	if n.value.IsNull() {
		b.WriteString("null")
		return
	}
	switch n.typ.Kind {
	case featurestore.KindDouble:
		text := strconv.FormatFloat(n.value.Double(), 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		b.WriteString(text)
	case featurestore.KindString:
		b.WriteString(strconv.Quote(n.value.Str()))
	case featurestore.KindBytes:
		writeBytes(b, n.value.Str())
	case featurestore.KindTimestamp:
		b.WriteString("timestamp(" + strconv.Quote(n.value.Text(n.typ)) + ")")
	case featurestore.KindList:
		b.WriteByte('[')
		for i, a := range n.args {
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, a)
		}
		b.WriteByte(']')
	default:
		b.WriteString(n.value.Text(n.typ))
	}
}

func writeBytes(b *strings.Builder, text string) {
	const hex = "0123456789abcdef"
	b.WriteString(`b"`)
	for _, c := range []byte(text) {
		b.WriteString(`\x`)
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	b.WriteByte('"')
}
