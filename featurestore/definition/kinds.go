package definition

import "slices"

// manyKinds reports whether several of a shape's alternatives are objects, which
// are told apart by their keys.
func (s *shape) manyKinds() bool {
	objects := 0
	for _, alt := range s.alts {
		if alt.form == formObject {
			objects++
		}
	}
	return objects > 1
}

// kindOf is the alternative of a key, -1 for none.
func (s *shape) kindOf(key string) int {
	return slices.IndexFunc(s.alts, func(alt *shape) bool { return alt.field(key) != nil })
}

// oneKind reports an object whose keys are of none of a shape's alternatives, or
// of several, and marks it bad; ok is false where it did.
func (l *loader) oneKind(n *node, s *shape, what string) (ok bool) {
	var first *node
	for _, k := range n.keys {
		switch kind := s.kindOf(k.text); {
		case kind < 0:
		case first == nil:
			first = k
		case kind != s.kindOf(first.text):
			l.problem(k, "remove one of them", "%s is of two kinds, %q and %q", what, first.text, k.text)
			n.bad = true
			return false
		}
	}
	if first != nil {
		return true // what else is wrong with it, its own shape says
	}
	var names []string
	for _, alt := range s.alts {
		names = append(names, alt.names()...)
	}
	l.problem(n.keys[0], suggest(n.keys[0].text, names, "use "+list(names)), "%s cannot be of the kind %s", what, quoted(n.keys[0].text))
	n.bad = true
	return false
}
