package decode

import (
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// jsonForm reads records that are one JSON object, by a tree of paths.
type jsonForm struct {
	d      *Decoder
	tree   *node
	marks  *int
	reader objectReader
}

func newJSONForm(d *Decoder) (*jsonForm, error) {
	tree, marks, ok := newTree(d.paths())
	if !ok {
		return nil, featurestore.Invalidf("source %q: the path of a field goes on where another field's path ends", d.source.Name)
	}
	d.setUsual(tree)
	return &jsonForm{d: d, tree: tree, marks: marks}, nil
}

func (f *jsonForm) read(rec *logrecord.Record, times *timeReader, b *Batch, c *content) error {
	return f.value(rec.Value, times, b, c.add(b, len(f.d.slots), featurestore.NoChange))
}

// value reads one object into an image.
func (f *jsonForm) value(value []byte, times *timeReader, b *Batch, m *image) error {
	if !isASCII(value) && !utf8.Valid(value) {
		return &Error{Code: CodeUTF8, Message: "the record is not valid UTF-8"}
	}
	r := &f.reader
	r.d, r.text, r.image, r.times = f.d, &b.text, m, times
	r.scanner = scanner{b: value, maxDepth: f.d.opts.MaxDepth}
	if len(r.seen) < *f.marks {
		r.seen = make([]bool, max(*f.marks, 2*len(r.seen)))
	}
	clear(r.seen)
	r.read(f.tree)
	if r.err != nil {
		return r.err
	}
	return nil
}

// holds reports whether the last record had a member at a slot's path.
func (f *jsonForm) holds(path []string) bool {
	at := f.tree
	for i, name := range path {
		j, found := at.byName[name]
		if !found || at.members[j].mark >= len(f.reader.seen) || !f.reader.seen[at.members[j].mark] {
			return false
		}
		if i < len(path)-1 {
			at = at.members[j].child
		}
	}
	return true
}

// objectReader reads one record's object into an image.
type objectReader struct {
	d *Decoder
	scanner
	text    *text
	image   *image
	times   *timeReader
	seen    []bool // by mark, in this record
	unknown []unknownNames
}

func (r *objectReader) read(tree *node) {
	if r.peek() != '{' {
		r.syntax("a JSON object")
		return
	}
	r.pos++
	if !r.accept('}') {
		r.members(tree, 0)
	}
	if r.err == nil && (r.peek() != 0 || r.pos < len(r.b)) {
		r.syntax("nothing after the object")
	}
}

// names are the unknown names of the object that is open at a depth.
func (r *objectReader) names(depth int) *unknownNames {
	if depth >= len(r.unknown) {
		r.unknown = append(r.unknown, unknownNames{})
	}
	return &r.unknown[depth]
}

// members reads an object from behind its opening brace, which does not close at
// once.
func (r *objectReader) members(n *node, depth int) {
	u := r.names(depth)
	u.reset()
	for i := 0; ; i++ {
		var ended bool
		if i, ended = r.usual(n, i); ended {
			return
		}
		r.peek()
		m, length := n.expected(i, r.b[r.pos:])
		if m != nil && !r.seen[m.mark] {
			r.seen[m.mark] = true
			r.pos += length
		} else if m = r.next(n, i, u); r.err != nil {
			return
		}
		switch {
		case m == nil:
			r.skip(depth + 1)
		case m.slot >= 0:
			r.member(m.slot)
		case m.child != nil:
			r.object(m, depth)
			u = r.names(depth) // the list may have moved
		default:
			r.skip(depth + 1)
		}
		if r.err != nil || r.ends() {
			return
		}
	}
}

// next reads a name, and its colon, the long way.
func (r *objectReader) next(n *node, i int, u *unknownNames) *member {
	name := r.name()
	r.expect(':', "a colon")
	if r.err != nil {
		return nil
	}
	m := n.find(i, name, u)
	if r.repeated(m, name, u) {
		return nil
	}
	return m
}

// ends takes what follows a member: a comma, or the end of the object.
func (r *objectReader) ends() bool {
	if r.pos < len(r.b) && r.b[r.pos] == ',' {
		r.pos++
		return false
	}
	if r.accept('}') {
		return true
	}
	r.expect(',', "a comma or the end of the object")
	return r.err != nil
}

// object reads an object that a path goes through. Null is an object without
// members.
func (r *objectReader) object(m *member, depth int) {
	switch c := r.peek(); {
	case c == 'n':
		r.literal("null")
	case c != '{':
		start := r.pos
		if r.skip(depth + 1); r.err == nil {
			r.fail(CodeType, "%s at byte %d is not an object, where a declared path goes on", shown(r.b[start:r.pos], r.hidden(m.child)), start)
		}
	case depth+2 > r.maxDepth:
		r.fail(CodeTooDeep, "the JSON text is nested deeper than %d at byte %d", r.maxDepth, r.pos)
	default:
		r.pos++
		if !r.accept('}') {
			r.members(m.child, depth+1)
		}
	}
}

// hidden reports whether personal data stand below a node.
func (r *objectReader) hidden(n *node) bool {
	for i := range n.members {
		m := &n.members[i]
		if m.slot >= 0 && r.d.slots[m.slot].pii || m.child != nil && r.hidden(m.child) {
			return true
		}
	}
	return false
}

func (r *objectReader) name() []byte {
	raw, escaped := r.str()
	if escaped {
		return unescape(nil, raw)
	}
	return raw
}

// repeated refuses a name that stands twice, also one that is not declared:
// which of the two counts would depend on who reads.
func (r *objectReader) repeated(m *member, name []byte, u *unknownNames) bool {
	if m == nil {
		if u.add(name) {
			return false
		}
	} else {
		if m.mark >= len(r.seen) { // learned from this record
			r.seen = append(r.seen, make([]bool, m.mark+1-len(r.seen))...)
		}
		if !r.seen[m.mark] {
			r.seen[m.mark] = true
			return false
		}
	}
	if m != nil && m.slot >= 0 {
		r.fail(CodeDuplicate, "it stands twice in the object, again at byte %d", r.pos)
		r.err.Field = r.d.slots[m.slot].name
		return true
	}
	r.fail(CodeDuplicate, "a name stands twice in the object, again at byte %d", r.pos)
	return true
}

// locate says which field an error is about.
func (r *objectReader) locate(s *slot) {
	if r.err.Field == "" && (r.err.Code == CodeType || r.err.Code == CodeTime || r.err.Code == CodeTimeNoZone) {
		r.err.Field = s.name
	}
}

// member reads the value of a declared name.
func (r *objectReader) member(i int) {
	s := &r.d.slots[i]
	first := r.peek()
	if first == 'n' {
		r.literal("null")
		return
	}
	start := r.pos
	var v featurestore.Value
	if s.typ.Kind == featurestore.KindString && first == '"' {
		if raw, escaped := r.str(); r.err == nil {
			v = featurestore.StringValue(r.textOf(raw, escaped))
		}
	} else {
		v = r.value(s, &s.typ, first)
	}
	if r.err != nil {
		r.locate(s)
		return
	}
	r.image.row[i] = v
	if i != r.d.timeSlot {
		return
	}
	if s.typ.Kind != featurestore.KindTimestamp { // the time as it is written, beside the field's own type
		end := r.pos
		r.pos = start
		r.image.when, r.image.timed = r.instant(s, first), true
		if r.err == nil {
			r.pos = end
		}
		return
	}
	r.image.when, r.image.timed = v.Timestamp(), true
}
