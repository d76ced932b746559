package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// shape says what a node may be. The checker and the JSON Schema read the same
// shapes, so that they cannot drift apart.
type shape struct {
	is   string // what messages call it: "a duration, as 30m"
	form form

	// Scalars: the YAML tags that fit, words to choose from, words of the
	// language that this version does not run, and a check of the text.
	tags    []string
	words   []string
	later   []string
	check   func(text string) error
	hint    func(text string) string // the way out of a text that does not pass
	pattern string                   // for editors
	least   int64                    // for editors: the bounds of a whole number
	most    int64
	any     bool // any node; the definition's own check looks at it

	// Lists and mappings of free keys.
	elem     *shape
	min, max int
	keys     *shape

	// Objects of fixed keys.
	fields []field
	oneOf  [][]string // exactly one key of each group stands
	doc    string

	alts []*shape // one of several forms
}

// field is a key of an object.
type field struct {
	key   string
	shape *shape
	need  bool
	later bool   // of the language, but not run by this version
	doc   string // for editors and, as the way out, where the key is missing
}

// wayOut is the field's doc where it says what to write.
func (f *field) wayOut() string {
	if strings.HasPrefix(f.doc, "write ") {
		return f.doc
	}
	return ""
}

// checkShape reports everything about n that does not fit s and marks it bad.
// what names the node in messages, hint is the way out where its kind is wrong.
func (l *loader) checkShape(n *node, s *shape, what, hint string) {
	if n.bad || s.any {
		return
	}
	if len(s.alts) > 0 {
		if n.form == formObject && s.manyKinds() && len(n.keys) > 0 && !l.oneKind(n, s, what) {
			return
		}
		s = s.choose(n)
	}
	switch {
	case s.any:
		return
	case len(s.alts) > 0 || s.form != n.form:
		l.bad(n, hint, "%s must be %s, not %s", what, s.is, describe(n))
	case s.form == formScalar:
		l.checkScalar(n, s, what, hint)
	case s.form == formList:
		l.checkList(n, s, what, hint)
	case s.fields != nil:
		l.checkObject(n, s, what)
	default:
		l.checkDict(n, s, what, hint)
	}
}

// choose picks the alternative of the node's form, and among several objects
// the one that knows most of its keys; s itself where none fits.
func (s *shape) choose(n *node) *shape {
	best, most, objects := s, -1, 0
	for _, alt := range s.alts {
		if alt.form == formObject {
			objects++
		}
		if alt.form != n.form {
			continue
		}
		known := 0
		for _, k := range n.keys {
			if alt.field(k.text) != nil {
				known++
			}
		}
		if alt.form == formScalar && slices.Contains(alt.tags, n.tag) {
			known++
		}
		if known > most {
			best, most = alt, known
		}
	}
	if n.form == formObject && objects > 1 && most == 0 {
		return s
	}
	return best
}

func (s *shape) field(key string) *field {
	for i := range s.fields {
		if s.fields[i].key == key {
			return &s.fields[i]
		}
	}
	return nil
}

func (l *loader) checkScalar(n *node, s *shape, what, hint string) {
	if !slices.Contains(s.tags, n.tag) {
		switch {
		case s.hint != nil:
			hint = cmp.Or(s.hint(n.text), hint)
		case slices.Contains(s.tags, tagString) && n.tag != tagNull:
			hint = "write it in quotes: " + quoted(n.text)
		}
		l.bad(n, hint, "%s must be %s, not %s", what, s.is, describe(n))
		return
	}
	switch {
	case slices.Contains(s.later, n.text):
		l.bad(n, "this version runs "+list(s.words), "%s %q is not supported yet", strings.Trim(what, `"`), n.text)
	case len(s.words) > 0 && !slices.Contains(s.words, n.text) && s.check == nil:
		l.bad(n, suggest(n.text, s.words, "use "+list(s.words)), "%s cannot be %s", what, quoted(n.text))
	case s.check != nil && !slices.Contains(s.words, n.text):
		err := s.check(n.text)
		if err == nil {
			return
		}
		message, way := splitHint(err)
		hint = way
		if s.hint != nil {
			hint = s.hint(n.text)
		}
		if !strings.Contains(message, strings.Trim(what, `"`)) { // else it says what it is about
			message = what + ": " + message
		}
		l.bad(n, hint, "%s", message)
	}
}

func (l *loader) checkList(n *node, s *shape, what, hint string) {
	if len(n.items) < s.min {
		l.bad(n, hint, "%s is empty", what)
	}
	if s.max > 0 && len(n.items) > s.max {
		l.problem(n.items[s.max], "", "%s holds %d items; %d are allowed", what, len(n.items), s.max)
	}
	for _, item := range n.items {
		l.checkShape(item, s.elem, "an item of "+what, hint)
	}
}

func (l *loader) checkDict(n *node, s *shape, what, hint string) {
	if len(n.keys) < s.min {
		l.bad(n, hint, "%s is empty", what)
	}
	for i, k := range n.keys {
		if s.keys != nil {
			l.checkShape(k, s.keys, "a key of "+what, "")
		}
		l.checkShape(n.items[i], s.elem, fmt.Sprintf("%s of %s", quoted(k.text), what), hint)
	}
}

func (l *loader) checkObject(n *node, s *shape, what string) {
	for i, k := range n.keys {
		f := s.field(k.text)
		switch {
		case f == nil:
			l.problem(k, suggest(k.text, s.names(), "its keys are "+list(s.names())), "unknown key %s in %s", quoted(k.text), what)
		case f.later:
			l.checkShape(n.items[i], f.shape, quoted(k.text), f.wayOut())
			l.problem(k, cmp.Or(f.wayOut(), "remove it: this version does not run it"), "%q is not supported yet", k.text)
			n.items[i].bad = true
		default:
			l.checkShape(n.items[i], f.shape, quoted(k.text), f.wayOut())
		}
	}
	for _, f := range s.fields {
		if f.need && !n.has(f.key) {
			l.problem(n, f.doc, "%s needs %q", what, f.key)
		}
	}
	for _, group := range s.oneOf {
		l.checkOneOf(n, s, group, what)
	}
}

func (l *loader) checkOneOf(n *node, s *shape, group []string, what string) {
	var there []string
	for _, key := range group {
		if n.has(key) {
			there = append(there, key)
		}
	}
	switch {
	case len(there) == 0:
		l.problem(n, s.field(group[0]).doc, "%s needs %s", what, list(group))
	case len(there) > 1:
		l.problem(n.key(there[1]), "remove one of them", "%s has both %q and %q", what, there[0], there[1])
	}
}

func (s *shape) names() []string {
	var names []string
	for _, f := range s.fields {
		names = append(names, f.key)
	}
	return names
}

// describe says what a node is, for people.
func describe(n *node) string {
	switch {
	case n.form == formList:
		return "a list"
	case n.form == formObject:
		return "a mapping"
	case n.tag == tagNull:
		return "null"
	case n.tag == tagString:
		return "the text " + quoted(n.text)
	}
	return strings.TrimPrefix(n.tag, "!!") + " " + quoted(n.text)
}

// splitHint takes the way out from an error's text.
func splitHint(err error) (message, hint string) {
	for _, verb := range []string{"write ", "use ", "put ", "ask "} {
		for _, before := range []string{": ", "; "} {
			if message, way, found := strings.Cut(err.Error(), before+verb); found {
				return message, verb + way
			}
		}
	}
	return err.Error(), ""
}

// quoted quotes a text and cuts it where it is long.
func quoted(text string) string {
	const most = 60
	if len(text) > most {
		return fmt.Sprintf("%q...", text[:most])
	}
	return fmt.Sprintf("%q", text)
}

// list writes names as "a, b or c", and cuts it where there are many.
func list(names []string) string {
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
