package expr

import (
	"cmp"
	"math"

	"github.com/freshet/freshet/featurestore"
)

func compileComparison(n *node, args []code) fn[bool] {
	x, y := args[0], args[1]
	right := n.args[1]
	switch {
	case x.b != nil:
		return equality(n.name, x.b, y.b)
	case x.s != nil:
		return comparison(n.name, x.s, y.s)
	case x.i != nil && right.constant():
		return intRange(n, x.i, right.value.Int64())
	case x.i != nil:
		return comparison(n.name, x.i, y.i)
	case right.constant():
		return doubleRange(n, x.d, right.value.Double())
	}
	return comparison(n.name, x.d, y.d)
}

func equality[T comparable](op string, x, y fn[T]) fn[bool] {
	equal := op == opEq
	return func(r row) (bool, state) {
		a, s := x(r)
		b, t := y(r)
		return (a == b) == equal, s | t
	}
}

func comparison[T cmp.Ordered](op string, x, y fn[T]) fn[bool] {
	switch op {
	case opLt:
		return func(r row) (bool, state) {
			a, s := x(r)
			b, t := y(r)
			return a < b, s | t
		}
	case opLe:
		return func(r row) (bool, state) {
			a, s := x(r)
			b, t := y(r)
			return a <= b, s | t
		}
	case opGt:
		return comparison(opLt, y, x)
	case opGe:
		return comparison(opLe, y, x)
	}
	return equality(op, x, y)
}

// doubleRange compares with a constant: every such comparison asks whether x
// lies in an interval, != whether it lies outside.
func doubleRange(n *node, x fn[float64], c float64) fn[bool] {
	lo, hi := math.Inf(-1), math.Inf(1)
	switch n.name {
	case opLt:
		hi = math.Nextafter(c, lo)
	case opLe:
		hi = c
	case opGt:
		lo = math.Nextafter(c, hi)
	case opGe:
		lo = c
	default:
		lo, hi = c, c
	}
	inside := n.name != opNe
	if v := n.args[0]; v.kind == nodeVar {
		slot := v.slot
		return func(r row) (bool, state) {
			c := &r[slot]
			if c.Kind() != featurestore.KindDouble {
				return false, stNull
			}
			a := c.Double()
			return (a >= lo && a <= hi) == inside, stOK
		}
	}
	return func(r row) (bool, state) {
		a, s := x(r)
		return (a >= lo && a <= hi) == inside, s
	}
}

// intRange is doubleRange for int64, decimals and timestamps. No interval is
// empty but those below the least and above the greatest integer.
func intRange(n *node, x fn[int64], c int64) fn[bool] {
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	switch {
	case n.name == opLt && c == lo, n.name == opGt && c == hi:
		lo, hi = 1, 0
	case n.name == opLt:
		hi = c - 1
	case n.name == opLe:
		hi = c
	case n.name == opGt:
		lo = c + 1
	case n.name == opGe:
		lo = c
	default:
		lo, hi = c, c
	}
	inside := n.name != opNe
	if v := n.args[0]; v.kind == nodeVar {
		slot, kind := v.slot, v.typ.Kind
		return func(r row) (bool, state) {
			c := &r[slot]
			if c.Kind() != kind {
				return false, stNull
			}
			a := c.Int64()
			return (a >= lo && a <= hi) == inside, stOK
		}
	}
	return func(r row) (bool, state) {
		a, s := x(r)
		return (a >= lo && a <= hi) == inside, s
	}
}
