package definition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// document is one document of a file on its way to a definition. Exactly one of
// the definitions is set once it is built well enough for others to refer to.
type document struct {
	kind     string
	node     *node
	nameNode *node
	meta     Meta
	used     bool
	partial  bool // has problems: what it lacks is not reported where it is used

	entity    *Entity
	stream    *StreamSource
	batch     *BatchSource
	view      *StreamView
	batchView *BatchView
	onDemand  *OnDemandView
	service   *Service

	columns []Field // of a view: its features
	infer   bool    // a batch source without declared fields
}

// The namespaces of names: an entity and a view may share one.
const (
	spaceEntity  = "entity"
	spaceSource  = "source"
	spaceView    = "view"
	spaceService = "service"
	spaceTest    = "test"
)

func spaceOf(kind string) string {
	switch kind {
	case kindEntity:
		return spaceEntity
	case kindStreamSource, kindBatchSource:
		return spaceSource
	case kindStreamView, kindBatchView, kindOnDemandView:
		return spaceView
	case kindFeatureService:
		return spaceService
	}
	return spaceTest
}

// addDocument checks the shape of one parsed document and keeps it.
func (l *loader) addDocument(n *node, src *source, from, to int) {
	if n.isNull() && !n.bad {
		l.problems = append(l.problems, src.problem(from+1, 1, len(src.line(from+1)), "remove its ---, or write kind and name", "an empty document"))
		return
	}
	if !n.bad && n.form != formObject {
		l.problem(n, "write kind: Entity, name: ... as keys of a mapping", "a document must be a mapping, not %s", describe(n))
		n.bad = true
	}
	kind := n.get("kind")
	if kind == nil || l.grammar[kind.value()] == nil {
		l.loseNames(src, from, to)
		l.checkKind(n, kind)
		return
	}
	d := &document{kind: kind.text, node: n}
	before := l.problems.Errors()
	l.checkShape(n, l.grammar[d.kind], d.kind, "")
	d.partial = l.problems.Errors() > before
	d.nameNode = n.get("name")
	if d.nameNode == nil {
		l.loseNames(src, from, to)
		return
	}
	d.meta = metaOf(d.nameNode, n)
	l.docs = append(l.docs, d)
}

func (l *loader) checkKind(n, kind *node) {
	switch {
	case n.bad:
	case !n.has("kind"):
		l.problem(n, "write kind: "+list(Kinds()), "the document has no kind")
	case kind != nil && kind.form == formScalar:
		l.problem(kind, suggest(kind.text, Kinds(), "use "+list(Kinds())), "unknown kind %s", quoted(kind.text))
	case kind != nil:
		l.problem(kind, "use "+list(Kinds()), "kind must be a word, not %s", describe(kind))
	}
}

func metaOf(name, n *node) Meta {
	m := Meta{Name: name.text, Description: n.get("description").value(), Owner: n.get("owner").value(), Place: name.place()}
	for k, v := range n.get("tags").pairs() {
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		m.Tags[k.text] = v.text
	}
	if d := n.get("deprecated"); d != nil {
		m.Deprecated = &Deprecated{Since: d.get("since").value(), Use: d.get("use").value(), Reason: d.get("reason").value()}
	}
	return m
}

// register enters every document by name and reports names that are taken.
func (l *loader) register() {
	for _, d := range l.docs {
		key := spaceOf(d.kind) + "/" + d.meta.Name
		if first := l.names[key]; first != nil {
			d.partial = true
			l.problem(d.nameNode, "names are unique in a project: rename one of them", "the %s name %q is taken by the %s at %s",
				spaceOf(d.kind), d.meta.Name, first.kind, first.meta.Place)
			continue
		}
		l.names[key] = d
	}
}

// find resolves a reference to a document of one of the kinds, and reports a
// reference that leads nowhere. It is nil also where the document is known but
// broken, which was reported.
func (l *loader) find(ref *node, space string, kinds ...string) *document {
	if ref == nil {
		return nil
	}
	return l.findAt(ref, extent{0, len(ref.text)}, ref.text, space, kinds...)
}

// findAt is find for a name that is a part of a scalar's text.
func (l *loader) findAt(ref *node, at extent, name, space string, kinds ...string) *document {
	d := l.names[space+"/"+name]
	switch {
	case d == nil && l.lost[name]:
		return nil
	case d == nil:
		l.problemAt(ref, at, l.nameHint(name, space, kinds), "unknown %s %s", space, quoted(name))
		return nil
	case !slices.Contains(kinds, d.kind):
		d.used = true
		l.problemAt(ref, at, "name "+article(kinds[0])+list(kinds), "%q is %s%s, which cannot stand here", name, article(d.kind), d.kind)
		return nil
	}
	d.used = true
	return d
}

func (l *loader) nameHint(name, space string, kinds []string) string {
	var known []string
	for _, d := range l.docs {
		switch {
		case slices.Contains(kinds, d.kind):
			known = append(known, d.meta.Name)
		case d.meta.Name == name:
			return fmt.Sprintf("the %s of this name cannot stand here: name %s%s", d.kind, article(kinds[0]), list(kinds))
		}
	}
	slices.Sort(known)
	other := fmt.Sprintf("declare it: kind: %s, name: %s", kinds[0], name)
	if featurestore.CheckName(name) != nil {
		other = "declare " + article(kinds[0]) + kinds[0] + " and name it here"
	}
	return suggest(name, known, other)
}

// column finds a feature of a view. known is false where the view is broken, so
// that nothing can be said of the name.
func (d *document) column(name string) (f Field, found, known bool) {
	for _, c := range d.columns {
		if c.Name == name {
			return c, true, true
		}
	}
	return Field{}, false, !d.partial
}

func article(kind string) string {
	if strings.IndexByte("AEIOU", kind[0]) >= 0 {
		return "an "
	}
	return "a "
}

func names(fields []Field) []string {
	out := make([]string, len(fields))
	for i := range fields {
		out[i] = fields[i].Name
	}
	return out
}

func fieldIndex(fields []Field, name string) int {
	return slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
}

// warnUnused warns about documents that nothing refers to. Views count only
// where there are services: a project may well read its views directly.
func (l *loader) warnUnused() {
	services := slices.ContainsFunc(l.docs, func(d *document) bool { return d.kind == kindFeatureService })
	for _, d := range l.docs {
		space := spaceOf(d.kind)
		if d.used || space == spaceService || space == spaceTest || space == spaceView && !services || l.names[space+"/"+d.meta.Name] != d {
			continue
		}
		l.warn(d.nameNode, "refer to it, or remove it", "the %s %q is not used", strings.TrimSpace(space), d.meta.Name)
	}
}
