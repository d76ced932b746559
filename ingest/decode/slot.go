package decode

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// slot is one value that is read from a record: a field, or the timestamp.
type slot struct {
	name string
	path []string
	typ  featurestore.Type
	pii  bool
}

// maxPlaces bounds what a node remembers of the names that it has seen.
const maxPlaces = 64

// node is one object of a record, as far as it is read. Producers write the
// names of an object in the same order each time, so the name that stood at a
// place before is tried first.
type node struct {
	byName  map[string]int
	members []member
	places  []place
	marks   *int // of all members of the tree, also of those that it learns
}

// member is a name of an object: a value that is read, an object that is read
// further, or a name that is not declared.
type member struct {
	slot  int // -1: none
	child *node
	mark  int // which tells that it stood in this record
	usual usual
}

// place is what stood at one place of the object before. quoted is the name as
// it stands in the text, with its colon; "" where it needs an escape.
type place struct {
	name   string
	quoted string
	member int

	// The first 16 bytes of quoted, and which of their bits count: two words are
	// compared in a third of the time of a call of memequal.
	words, masks [2]uint64

	// of the member, so that it need not be looked at
	slot  int
	mark  int
	usual usual // not usual where quoted is ""
}

func (n *node) placeOf(name string, member int) place {
	m := &n.members[member]
	p := place{name: name, member: member, slot: m.slot, mark: m.mark}
	if plainEnd([]byte(name), 0) == len(name) {
		p.quoted, p.usual = `"`+name+`":`, m.usual
	}
	var text, mask [16]byte
	for i := range copy(text[:], p.quoted) {
		mask[i] = 0xff
	}
	for i := range p.words {
		p.words[i], p.masks[i] = binary.LittleEndian.Uint64(text[8*i:]), binary.LittleEndian.Uint64(mask[8*i:])
	}
	return p
}

// stands reports whether the quoted name stands at a byte of a text.
func (p *place) stands(text []byte, at int) bool {
	text = text[:len(text):len(text)] // see wordAt
	if at < 0 || at > len(text)-16 {
		return p.standsLate(text, at)
	}
	x := binary.LittleEndian.Uint64(text[at:]) ^ p.words[0]
	y := binary.LittleEndian.Uint64(text[at+8:]) ^ p.words[1]
	if x&p.masks[0]|y&p.masks[1] != 0 {
		return false
	}
	return len(p.quoted) <= 16 || p.standsLate(text, at)
}

// standsLate is stands near the end of a text, and of long names.
func (p *place) standsLate(text []byte, at int) bool {
	end := at + len(p.quoted)
	return end <= len(text) && string(text[at:end]) == p.quoted
}

// expected gives the member that stood at place i before, if the text goes on
// with its name, and how long that is.
func (n *node) expected(i int, text []byte) (m *member, length int) {
	if i >= len(n.places) {
		return nil, 0
	}
	p := &n.places[i]
	if len(p.quoted) == 0 || len(text) < len(p.quoted) || string(text[:len(p.quoted)]) != p.quoted {
		return nil, 0
	}
	return &n.members[p.member], len(p.quoted)
}

// newTree makes the tree of paths; ok is false where one path goes on where
// another one ends.
func newTree(paths [][]string) (root *node, marks *int, ok bool) {
	marks = new(int)
	root = newNode(marks)
	for i, path := range paths {
		at := root
		for k, name := range path {
			j, found := at.byName[name]
			last := k == len(path)-1
			if found && (last || at.members[j].child == nil) {
				return nil, nil, false
			}
			if !found {
				j = at.add(name)
				if last {
					at.members[j].slot = i
				} else {
					at.members[j].child = newNode(marks)
				}
			}
			at = at.members[j].child
		}
	}
	return root, marks, true
}

func newNode(marks *int) *node { return &node{byName: map[string]int{}, marks: marks} }

func (n *node) add(name string) int {
	n.members = append(n.members, member{slot: -1, mark: *n.marks})
	*n.marks++
	n.byName[name] = len(n.members) - 1
	return len(n.members) - 1
}

// find gives the member of the name at place i of the object; nil for a name
// that it does not know, which is the caller's to compare with others of its
// kind. u are those that stood before in this object.
func (n *node) find(i int, name []byte, u *unknownNames) *member {
	if i < len(n.places) {
		if p := &n.places[i]; p.name == string(name) {
			return &n.members[p.member]
		}
	}
	return n.slow(i, name, u)
}

func (n *node) slow(i int, name []byte, u *unknownNames) *member {
	j, found := n.byName[string(name)]
	if !found && (i != len(n.places) || i >= maxPlaces || u.has(name)) {
		return nil
	}
	if !found {
		j = n.add(string(name)) // learned: the same producer will write it again
		n.members[j].usual = usualSkip
	}
	if i == len(n.places) && i < maxPlaces {
		n.places = append(n.places, n.placeOf(string(name), j))
	}
	return &n.members[j]
}

// unknownNames are the names of one object that no node knows. A few are
// compared one by one; many go into a map, so that a record of a hundred
// thousand names costs no more than its size.
type unknownNames struct {
	few  [][]byte // alias the record
	many map[string]struct{}
}

const fewNames = 16

func (u *unknownNames) reset() {
	u.few = u.few[:0]
	u.many = nil
}

func (u *unknownNames) has(name []byte) bool {
	for _, n := range u.few {
		if bytes.Equal(n, name) {
			return true
		}
	}
	_, found := u.many[string(name)]
	return found
}

// add reports whether the name is new.
func (u *unknownNames) add(name []byte) bool {
	if u.has(name) {
		return false
	}
	if len(u.few) < fewNames {
		u.few = append(u.few, name)
		return true
	}
	if u.many == nil {
		u.many = map[string]struct{}{}
	}
	u.many[string(name)] = struct{}{}
	return true
}

// pathText writes a path as definitions do.
func pathText(path []string) string { return strings.Join(path, ".") }
