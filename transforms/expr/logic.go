package expr

import (
	"cmp"

	"github.com/freshet/freshet/featurestore"
)

// compileLogic compiles three-valued logic: one false decides &&, one true
// decides ||, whatever stands beside it, null and failures too.
func compileLogic(n *node, args []code) code {
	if n.name == opNot {
		x := args[0].b
		return code{b: func(r row) (bool, state) {
			a, s := x(r)
			return !a, s
		}}
	}
	decides := n.name == opOr
	terms := make([]fn[bool], len(args))
	for i, a := range args {
		terms[i] = a.b
	}
	if len(terms) == 2 {
		x, y := terms[0], terms[1]
		return code{b: func(r row) (bool, state) {
			a, s := x(r)
			if s == stOK && a == decides {
				return decides, stOK
			}
			b, t := y(r)
			if t == stOK && b == decides {
				return decides, stOK
			}
			return !decides, s | t
		}}
	}
	return code{b: func(r row) (bool, state) {
		all := stOK
		for _, f := range terms {
			a, s := f(r)
			if s == stOK && a == decides {
				return decides, stOK
			}
			all |= s
		}
		return !decides, all
	}}
}

// compileChoice compiles what passes one of its arguments on, in whatever form
// they have.
func compileChoice(n *node, args []code) code {
	if n.name == "has" {
		return code{b: has(args[0])}
	}
	test := args[0].b
	if n.name == opCond {
		args = args[1:]
	}
	switch first := args[0]; {
	case first.b != nil:
		return code{b: choice(n, test, column(args, func(c code) fn[bool] { return c.b }))}
	case first.v != nil:
		return code{v: choice(n, test, column(args, func(c code) fn[featurestore.Value] { return c.v }))}
	case first.i != nil:
		return code{i: selection(n, test, column(args, func(c code) fn[int64] { return c.i }))}
	case first.d != nil:
		return code{d: selection(n, test, column(args, func(c code) fn[float64] { return c.d }))}
	}
	return code{s: selection(n, test, column(args, func(c code) fn[string] { return c.s }))}
}

// choice compiles ?: and coalesce.
func choice[T any](n *node, test fn[bool], list []fn[T]) fn[T] {
	if n.name == opCond {
		return cond(n, test, list[0], list[1])
	}
	return func(r row) (x T, s state) {
		for _, f := range list {
			v, t := f(r)
			if t == stOK {
				return v, stOK
			}
			s |= t
		}
		return x, s
	}
}

func cond[T any](n *node, test fn[bool], yes, no fn[T]) fn[T] {
	if n.args[1].constant() && n.args[2].constant() {
		a, _ := yes(nil)
		b, _ := no(nil)
		return func(r row) (T, state) {
			first, s := test(r)
			if first {
				return a, s
			}
			return b, s
		}
	}
	return func(r row) (T, state) {
		first, s := test(r)
		if s != stOK {
			var none T
			return none, s
		}
		if first {
			return yes(r)
		}
		return no(r)
	}
}

// selection is choice for types that have an order, with min, max and clip.
func selection[T cmp.Ordered](n *node, test fn[bool], list []fn[T]) fn[T] {
	name := n.name
	if name == opCond || name == "coalesce" {
		return choice(n, test, list)
	}
	x, rest := list[0], list[1:]
	return func(r row) (T, state) {
		best, s := x(r)
		for i, f := range rest {
			v, t := f(r)
			s |= t
			if name == "max" || name == "clip" && i == 0 {
				best = max(best, v)
			} else {
				best = min(best, v)
			}
		}
		return best, s
	}
}

func has(c code) fn[bool] {
	switch {
	case c.b != nil:
		return present(c.b)
	case c.i != nil:
		return present(c.i)
	case c.d != nil:
		return present(c.d)
	case c.s != nil:
		return present(c.s)
	}
	return present(c.v)
}

func present[T any](f fn[T]) fn[bool] {
	return func(r row) (bool, state) {
		_, s := f(r)
		return s == stOK, stOK
	}
}
