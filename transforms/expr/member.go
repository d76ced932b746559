package expr

import (
	"slices"
	"sort"

	"github.com/freshet/freshet/featurestore"
)

// compileMember compiles x[i], m[key] and x in y.
func compileMember(n *node, args []code) code {
	of := n.args[len(n.args)-1]
	if n.name == opIndex {
		if n.args[0].typ.Kind == featurestore.KindMap {
			return unpack(n.typ.Kind, entry(args[0].v, args[1].s), -1)
		}
		return unpack(n.typ.Kind, element(args[0].v, args[1].i), -1)
	}
	x := args[0]
	switch {
	case of.typ.Kind == featurestore.KindMap:
		return code{b: keyed(args[1].v, x.s)}
	case !of.constant():
		return code{b: among(wrap(n.args[0].typ.Kind, x), args[1].v)}
	case x.b != nil:
		return code{b: isOneOf(x.b, column(of.value.Elems(), featurestore.Value.Bool))}
	case x.i != nil:
		return code{b: isOneOf(x.i, column(of.value.Elems(), featurestore.Value.Int64))}
	case x.d != nil:
		return code{b: isOneOf(x.d, column(of.value.Elems(), featurestore.Value.Double))}
	}
	return code{b: isOneOf(x.s, column(of.value.Elems(), featurestore.Value.Str))}
}

// element reads a list at an index; outside of the list is null.
func element(list fn[featurestore.Value], index fn[int64]) fn[featurestore.Value] {
	return func(r row) (featurestore.Value, state) {
		l, s := list(r)
		i, t := index(r)
		if s |= t; s != stOK {
			return featurestore.Null, s
		}
		elems := l.Elems()
		if i < 0 || i >= int64(len(elems)) {
			return featurestore.Null, stNull
		}
		return elems[i], stOK
	}
}

// entry reads a map by its key; a missing entry is null.
func entry(m fn[featurestore.Value], key fn[string]) fn[featurestore.Value] {
	return func(r row) (featurestore.Value, state) {
		v, s := m(r)
		k, t := key(r)
		if s |= t; s != stOK {
			return featurestore.Null, s
		}
		if i, found := keyIndex(v, k); found {
			return v.Elems()[i], stOK
		}
		return featurestore.Null, stNull
	}
}

func keyIndex(m featurestore.Value, key string) (int, bool) {
	keys := m.Keys()
	i := sort.SearchStrings(keys, key)
	return i, i < len(keys) && keys[i] == key
}

func keyed(m fn[featurestore.Value], key fn[string]) fn[bool] {
	return func(r row) (bool, state) {
		v, s := m(r)
		k, t := key(r)
		if s |= t; s != stOK {
			return false, s
		}
		_, found := keyIndex(v, k)
		return found, stOK
	}
}

// among asks whether a list that is known only at run time holds x.
func among(x, list fn[featurestore.Value]) fn[bool] {
	return func(r row) (bool, state) {
		v, s := x(r)
		l, t := list(r)
		if s |= t; s != stOK {
			return false, s
		}
		return slices.ContainsFunc(l.Elems(), v.Equal), stOK
	}
}

// isOneOf asks whether a constant list holds x; a long one is hashed.
func isOneOf[T comparable](x fn[T], list []T) fn[bool] {
	if len(list) <= 8 {
		return mapped(x, func(v T) bool { return slices.Contains(list, v) })
	}
	set := make(map[T]struct{}, len(list))
	for _, v := range list {
		set[v] = struct{}{}
	}
	return mapped(x, func(v T) bool { _, found := set[v]; return found })
}
