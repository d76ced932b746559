package decode

import (
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// list reads an array.
func (r *objectReader) list(s *slot, t *featurestore.Type, first byte) featurestore.Value {
	if first != '[' {
		r.mismatch(s, t)
		return featurestore.Null
	}
	r.pos++
	var elems []featurestore.Value
	if r.accept(']') {
		return featurestore.ListValue(elems)
	}
	for {
		elems = append(elems, r.element(s, t))
		if r.err != nil || r.accept(']') {
			return featurestore.ListValue(elems)
		}
		r.expect(',', "a comma or the end of the array")
		if r.err != nil {
			return featurestore.Null
		}
	}
}

// element reads a value within a list or map.
func (r *objectReader) element(s *slot, t *featurestore.Type) featurestore.Value {
	first := r.peek()
	if first == 'n' {
		r.literal("null")
		return featurestore.Null
	}
	return r.value(s, t.Elem, first)
}

// mapping reads an object as a map, its keys ascending.
func (r *objectReader) mapping(s *slot, t *featurestore.Type, first byte) featurestore.Value {
	if first != '{' {
		r.mismatch(s, t)
		return featurestore.Null
	}
	r.pos++
	var m entries
	if r.accept('}') {
		return m.value()
	}
	for {
		r.peek()
		key := r.textOf(r.str())
		r.expect(':', "a colon")
		if r.err != nil {
			return featurestore.Null
		}
		v := r.element(s, t)
		m = append(m, entry{key, v})
		if r.err != nil {
			return featurestore.Null
		}
		if r.accept('}') {
			break
		}
		r.expect(',', "a comma or the end of the object")
		if r.err != nil {
			return featurestore.Null
		}
	}
	if m.sort() {
		r.fail(CodeDuplicate, "a key stands twice in the map that ends at byte %d", r.pos)
		r.err.Field = s.name
	}
	return m.value()
}

// entries are those of a map, on the way to a value.
type entries []entry

type entry struct {
	key   string
	value featurestore.Value
}

// sort puts the keys in order, and reports whether one stands twice.
func (m entries) sort() (repeated bool) {
	slices.SortFunc(m, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for i := 1; i < len(m); i++ {
		if m[i].key == m[i-1].key {
			return true
		}
	}
	return false
}

func (m entries) value() featurestore.Value {
	keys, values := make([]string, len(m)), make([]featurestore.Value, len(m))
	for i := range m {
		keys[i], values[i] = m[i].key, m[i].value
	}
	return featurestore.MapValue(keys, values)
}
