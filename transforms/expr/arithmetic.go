package expr

import (
	"math"

	"github.com/freshet/freshet/featurestore"
)

// finite ends every operation on doubles: NaN and the infinities are null, as
// everywhere in the language, and -0.0 is +0.0. So an expression means the same
// whether a part of it is written in place or is a feature of its own.
func finite(x float64, s state) (float64, state) {
	x += 0 // -0.0 + 0 is +0.0
	if x-x != 0 {
		return 0, s | stNull
	}
	return x, s
}

func compileArithmetic(n *node, args []code) code {
	switch n.typ.Kind {
	case featurestore.KindDouble:
		if len(args) == 1 {
			return code{d: doubleUnary(n.name, args[0].d)}
		}
		return code{d: doubleBinary(n, args[0].d, args[1].d)}
	case featurestore.KindInt64:
		if len(args) == 1 {
			return code{i: intUnary(n.name, args[0].i)}
		}
		return code{i: intBinary(n, args[0].i, args[1].i)}
	case featurestore.KindDecimal:
		return code{i: decimal(n, args)}
	}
	return code{s: concat(args[0].s, args[1].s)}
}

func doubleUnary(name string, x fn[float64]) fn[float64] {
	if name == "abs" {
		return func(r row) (float64, state) {
			a, s := x(r)
			return math.Abs(a), s
		}
	}
	return func(r row) (float64, state) {
		a, s := x(r)
		return finite(-a, s)
	}
}

func doubleBinary(n *node, x, y fn[float64]) fn[float64] {
	if n.args[1].constant() {
		return doubleByConstant(n.name, x, n.args[1].value.Double())
	}
	switch n.name {
	case opAdd:
		return func(r row) (float64, state) {
			a, s := x(r)
			b, t := y(r)
			return finite(a+b, s|t)
		}
	case opSub:
		return func(r row) (float64, state) {
			a, s := x(r)
			b, t := y(r)
			return finite(a-b, s|t)
		}
	case opMul:
		return func(r row) (float64, state) {
			a, s := x(r)
			b, t := y(r)
			return finite(float64(a*b), s|t) // the conversion forbids a fused multiply-add
		}
	}
	return func(r row) (float64, state) {
		a, s := x(r)
		b, t := y(r)
		return finite(a/b, s|t)
	}
}

func doubleByConstant(name string, x fn[float64], b float64) fn[float64] {
	switch name {
	case opAdd:
		return func(r row) (float64, state) { a, s := x(r); return finite(a+b, s) }
	case opSub:
		return func(r row) (float64, state) { a, s := x(r); return finite(a-b, s) }
	case opMul:
		return func(r row) (float64, state) { a, s := x(r); return finite(float64(a*b), s) }
	}
	return func(r row) (float64, state) { a, s := x(r); return finite(a/b, s) }
}

func intUnary(name string, x fn[int64]) fn[int64] {
	return func(r row) (int64, state) {
		a, s := x(r)
		if name == "abs" && a >= 0 {
			return a, s
		}
		return negInt(a, s)
	}
}

func intBinary(n *node, x, y fn[int64]) fn[int64] {
	op := map[string]func(a, b int64, s state) (int64, state){opAdd: addInt, opSub: subInt, opMul: mulInt, opDiv: divInt, opMod: modInt}[n.name]
	if n.args[1].constant() {
		b := n.args[1].value.Int64()
		return func(r row) (int64, state) {
			a, s := x(r)
			return op(a, b, s)
		}
	}
	return func(r row) (int64, state) {
		a, s := x(r)
		b, t := y(r)
		return op(a, b, s|t)
	}
}

// The operations on int64 fail instead of wrapping round. s is the state of
// the operands, whose values mean nothing unless it is stOK.

func addInt(a, b int64, s state) (int64, state) {
	c := a + b
	if s == stOK && (a^c)&(b^c) < 0 {
		return 0, stFailed
	}
	return c, s
}

func subInt(a, b int64, s state) (int64, state) {
	c := a - b
	if s == stOK && (a^b)&(a^c) < 0 {
		return 0, stFailed
	}
	return c, s
}

func mulInt(a, b int64, s state) (int64, state) {
	c := a * b
	if s == stOK && a != 0 && (c/a != b || a == -1 && b == math.MinInt64) {
		return 0, stFailed
	}
	return c, s
}

func divInt(a, b int64, s state) (int64, state) {
	if s != stOK {
		return 0, s
	}
	if b == 0 || a == math.MinInt64 && b == -1 {
		return 0, stFailed
	}
	return a / b, stOK
}

func modInt(a, b int64, s state) (int64, state) {
	if s != stOK {
		return 0, s
	}
	if b == 0 {
		return 0, stFailed
	}
	return a % b, stOK
}

func negInt(a int64, s state) (int64, state) {
	if s == stOK && a == math.MinInt64 {
		return 0, stFailed
	}
	return -a, s
}

// decimal compiles + - and the signs of decimals: integers of one scale, which
// fail beyond the precision of the result.
func decimal(n *node, args []code) fn[int64] {
	limit := pow10(n.typ.Precision)
	within := func(v int64, s state) (int64, state) {
		if s == stOK && (v >= limit || v <= -limit) {
			return 0, stFailed
		}
		return v, s
	}
	x := args[0].i
	switch n.name {
	case opNarrow:
		return func(r row) (int64, state) { return within(x(r)) }
	case opNeg, "abs":
		return intUnary(n.name, x)
	}
	sum := intBinary(n, x, args[1].i)
	return func(r row) (int64, state) { return within(sum(r)) }
}

// pow10 is 10 to the power of n, for 0 to 18.
func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}

func compileMath(name string, args []code) fn[float64] {
	x := args[0].d
	if name == "pow" {
		y := args[1].d
		return func(r row) (float64, state) {
			a, s := x(r)
			b, t := y(r)
			if s |= t; s != stOK {
				return 0, s
			}
			return finite(math.Pow(a, b), stOK)
		}
	}
	op := map[string]func(float64) float64{"ceil": math.Ceil, "floor": math.Floor, "round": math.Round, "log": math.Log,
		"log1p": math.Log1p, "exp": math.Exp, "sqrt": math.Sqrt}[name]
	return func(r row) (float64, state) {
		a, s := x(r)
		if s != stOK {
			return 0, s
		}
		return finite(op(a), stOK)
	}
}
