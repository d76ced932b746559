package decode

import "bytes"

// lookup finds the slot of a name. Producers write the names of an object in
// the same order each time, so the name that stood at a place before is tried
// first.
type lookup struct {
	byName map[string]int
	places [64]place
}

type place struct {
	name string
	slot int
}

func newLookup(slots []slot) lookup {
	l := lookup{byName: make(map[string]int, len(slots))}
	for i, s := range slots {
		l.byName[s.name] = i
	}
	return l
}

// find gives the slot of the name at place n of the object, -1 for a name that
// is not declared.
func (l *lookup) find(n int, name []byte) int {
	if n >= len(l.places) {
		return l.slow(name)
	}
	p := &l.places[n]
	if p.name == string(name) && p.name != "" {
		return p.slot
	}
	slot := l.slow(name)
	if p.name == "" {
		*p = place{name: string(name), slot: slot}
	}
	return slot
}

func (l *lookup) slow(name []byte) int {
	if i, ok := l.byName[string(name)]; ok {
		return i
	}
	return -1
}

// unknownNames are the names of one object that are not declared. A few are
// compared one by one; many go into a map, so that a record of a hundred
// thousand names costs no more than its size.
type unknownNames struct {
	few  [16][]byte // alias the record
	n    int
	many map[string]struct{}
}

// add reports whether the name is new.
func (u *unknownNames) add(name []byte) bool {
	for i := range u.n {
		if bytes.Equal(u.few[i], name) {
			return false
		}
	}
	if u.n < len(u.few) {
		u.few[u.n] = name
		u.n++
		return true
	}
	if _, found := u.many[string(name)]; found {
		return false
	}
	if u.many == nil {
		u.many = map[string]struct{}{}
	}
	u.many[string(name)] = struct{}{}
	return true
}
