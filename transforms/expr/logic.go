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
	first := args[len(args)-1]
	switch {
	case first.b != nil:
		return code{b: choice(n.name, args[0].b, pick(args, n.name, func(c code) fn[bool] { return c.b }))}
	case first.v != nil:
		return code{v: choice(n.name, args[0].b, pick(args, n.name, func(c code) fn[featurestore.Value] { return c.v }))}
	case first.i != nil:
		list := pick(args, n.name, func(c code) fn[int64] { return c.i })
		if f := bounded(n.name, list); f != nil {
			return code{i: f}
		}
		return code{i: choice(n.name, args[0].b, list)}
	case first.d != nil:
		list := pick(args, n.name, func(c code) fn[float64] { return c.d })
		if f := bounded(n.name, list); f != nil {
			return code{d: f}
		}
		return code{d: choice(n.name, args[0].b, list)}
	}
	list := pick(args, n.name, func(c code) fn[string] { return c.s })
	if f := bounded(n.name, list); f != nil {
		return code{s: f}
	}
	return code{s: choice(n.name, args[0].b, list)}
}

// pick takes the form of one type from the arguments, the condition apart.
func pick[T any](args []code, name string, form func(code) fn[T]) []fn[T] {
	if name == opCond {
		args = args[1:]
	}
	list := make([]fn[T], len(args))
	for i, a := range args {
		list[i] = form(a)
	}
	return list
}

// choice compiles ?: and coalesce.
func choice[T any](name string, test fn[bool], list []fn[T]) fn[T] {
	if name == opCond {
		yes, no := list[0], list[1]
		return func(r row) (T, state) {
			b, s := test(r)
			if s != stOK {
				var none T
				return none, s
			}
			if b {
				return yes(r)
			}
			return no(r)
		}
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

// bounded compiles min, max and clip; nil for another name.
func bounded[T cmp.Ordered](name string, list []fn[T]) fn[T] {
	if name != "min" && name != "max" && name != "clip" {
		return nil
	}
	x := list[0]
	rest := list[1:]
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
