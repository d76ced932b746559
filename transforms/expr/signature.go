package expr

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// Each method checks the arguments of a group of functions and sets the type
// of the call.

func (c *checker) has(n *node) (*node, *Error) {
	n.typ = featurestore.Bool
	return n, nil
}

func (c *checker) coalesce(n *node) (*node, *Error) {
	t, bad := unify(n.args)
	if bad >= 0 {
		return nil, c.uneven(n, bad, t)
	}
	n.typ = t
	return n, nil
}

// uneven is the error of arguments that should have one type.
func (c *checker) uneven(n *node, bad int, t featurestore.Type) *Error {
	a := n.args[bad]
	if t.Kind == featurestore.KindNull {
		return c.fail(n, "", "every argument of %s is null", n.name)
	}
	hint := castHint(a.typ, t, c.textOf(a))
	for _, other := range n.args {
		if other.typ.Equal(t) {
			hint = c.mixHint(other, a)
			break
		}
	}
	return c.fail(a, hint, "%s needs arguments of one type, but mixes %s and %s", n.name, t, typeName(a.typ))
}

func (c *checker) cast(n *node) (*node, *Error) {
	a := n.args[0]
	from := a.typ.Kind
	to := map[string]featurestore.Type{"int64": featurestore.Int64, "double": featurestore.Double, "string": featurestore.String,
		"bool": featurestore.Bool, "bytes": featurestore.Bytes}[n.name]
	n.typ = to
	allowed := from == to.Kind || from == featurestore.KindString
	switch to.Kind {
	case featurestore.KindInt64, featurestore.KindDouble:
		allowed = allowed || numeric(a.typ) || from == featurestore.KindBool
	case featurestore.KindString:
		allowed = scalar(a.typ)
	case featurestore.KindBool:
		allowed = allowed || from == featurestore.KindInt64
	}
	if allowed {
		return n, nil
	}
	hint := castHint(a.typ, to, c.textOf(a))
	if from == featurestore.KindTimestamp && numeric(to) {
		hint = fmt.Sprintf(`write seconds_between(timestamp("1970-01-01T00:00:00Z"), %s)`, brief(c.textOf(a)))
	}
	return nil, c.fail(n, hint, "%s cannot be made %s", typeName(a.typ), article(to))
}

func (c *checker) abs(n *node) (*node, *Error) {
	if a := n.args[0]; !numeric(a.typ) {
		return nil, c.fail(a, "", "abs needs a number, not %s", typeName(a.typ))
	}
	n.typ = n.args[0].typ
	return n, nil
}

func (c *checker) doubles(n *node) (*node, *Error) {
	for i := range n.args {
		if err := c.want(n, i, featurestore.Double); err != nil {
			return nil, err
		}
	}
	n.typ = featurestore.Double
	return n, nil
}

func (c *checker) extreme(n *node) (*node, *Error) {
	t, bad := unify(n.args)
	if bad >= 0 {
		return nil, c.uneven(n, bad, t)
	}
	if !ordered(t) {
		return nil, c.fail(n, "", "%s does not compare %s", n.name, t)
	}
	n.typ = t
	return n, nil
}

func (c *checker) clip(n *node) (*node, *Error) {
	t, bad := unify(n.args)
	if bad >= 0 {
		return nil, c.uneven(n, bad, t)
	}
	if !numeric(t) {
		return nil, c.fail(n, "", "clip needs numbers, not %s", t)
	}
	lo, hi := n.args[1], n.args[2]
	if lo.constant() && hi.constant() && lo.value.Compare(hi.value) > 0 {
		return nil, c.fail(n, "swap the bounds", "clip's lower bound %s is above its upper bound %s", c.textOf(lo), c.textOf(hi))
	}
	n.typ = t
	return n, nil
}

func (c *checker) hash(n *node) (*node, *Error) {
	if a := n.args[0]; !scalar(a.typ) {
		return nil, c.fail(a, "", "hash needs a scalar, not %s", typeName(a.typ))
	}
	n.typ = featurestore.Int64
	return n, nil
}

func (c *checker) bucketize(n *node) (*node, *Error) {
	x, bounds := n.args[0], n.args[1]
	if !bounds.constant() || bounds.typ.Kind != featurestore.KindList {
		return nil, c.fail(bounds, "write them as [0.0, 15.0, 60.0]", "the bounds of bucketize must be a list of constants")
	}
	if !numeric(x.typ) {
		return nil, c.fail(x, "", "bucketize needs a number, not %s", typeName(x.typ))
	}
	a := adapt(bounds, featurestore.List(x.typ))
	if a == nil && !(x.constant() && adapt(x, *bounds.typ.Elem) != nil) {
		return nil, c.fail(bounds, castHint(x.typ, *bounds.typ.Elem, c.textOf(x)), "the bounds are %s, but %s is %s", bounds.typ.Elem, brief(c.textOf(x)), x.typ)
	}
	if a == nil {
		a, n.args[0] = bounds, adapt(x, *bounds.typ.Elem)
	}
	elems := a.value.Elems()
	for i := 1; i < len(elems); i++ {
		if elems[i-1].Compare(elems[i]) >= 0 {
			return nil, c.fail(a.args[i], "write each bound once, least first", "the bounds of bucketize must ascend")
		}
	}
	n.args[1], n.typ = a, featurestore.Int64
	return n, nil
}

func (c *checker) oneHot(n *node) (*node, *Error) {
	x, cats := n.args[0], n.args[1]
	if !cats.constant() || cats.typ.Kind != featurestore.KindList {
		return nil, c.fail(cats, `write them as ["a", "b"]`, "the categories of one_hot must be a list of constants")
	}
	if !x.typ.Equal(*cats.typ.Elem) || x.typ.Kind == featurestore.KindDouble {
		return nil, c.fail(n, "", "one_hot needs a value and categories of one type, and not double; these are %s and %s", typeName(x.typ), cats.typ.Elem)
	}
	elems := cats.value.Elems()
	for i, e := range elems {
		for _, before := range elems[:i] {
			if e.Equal(before) {
				return nil, c.fail(cats.args[i], "remove one", "the category %s comes twice", c.textOf(cats.args[i]))
			}
		}
	}
	n.typ = featurestore.List(featurestore.Double)
	return n, nil
}
