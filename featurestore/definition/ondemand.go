package definition

import (
	"strings"

	"github.com/freshet/freshet/featurestore"
)

func onDemandViewShape() *shape {
	feature := object("a feature",
		field{key: "name", shape: variableShape(), need: true, doc: "write {name: surge, type: double, expr: \"a / b\"}"},
		field{key: "type", shape: typeShape(), need: true, doc: "write {name: surge, type: double, expr: \"a / b\"}"},
		field{key: "expr", shape: expressionShape(), need: true, doc: "write {name: surge, type: double, expr: \"a / b\"}"},
		field{key: "default", shape: anyShape(), doc: "What stands for null."})
	s := object("an on-demand view",
		field{key: "inputs", shape: listOf(filledTextShape("view.feature, or view.feature as name"), 1), need: true, doc: "write inputs: [view.feature]"},
		field{key: "request", shape: dictOf(variableShape(), typeShape(), 0), doc: "What a request brings along: {name: type}."},
		field{key: "features", shape: listOf(feature, 1), need: true, doc: "write features: [{name: surge, type: double, expr: \"a / b\"}]"})
	s.doc = "Features that are computed at the moment of a lookup."
	return s
}

// reference is "view.feature [as name]" as written; offsets are bytes of its text.
type reference struct {
	view, feature, as       string
	viewAt, featureAt, asAt int
}

func parseReference(text string) (r reference, ok bool) {
	words := strings.Fields(text)
	if len(words) != 1 && (len(words) != 3 || words[1] != "as") {
		return r, false
	}
	r.view, r.feature, ok = strings.Cut(words[0], ".")
	r.viewAt = strings.Index(text, words[0])
	r.featureAt = r.viewAt + len(r.view) + 1
	if len(words) == 3 {
		r.as, r.asAt = words[2], strings.LastIndex(text, words[2])
	}
	return r, ok && r.view != "" && r.feature != "" && !strings.Contains(r.feature, ".")
}

// resolve finds the view and feature of a reference.
func (l *loader) resolve(n *node, r reference, kinds ...string) (d *document, f Field, ok bool) {
	d = l.findAt(n, extent{r.viewAt, r.viewAt + len(r.view)}, r.view, spaceView, kinds...)
	if d == nil {
		return nil, f, false
	}
	f, ok = l.featureOf(n, r.featureAt, r.feature, d)
	return d, f, ok
}

func (l *loader) featureOf(n *node, at int, name string, d *document) (Field, bool) {
	f, found, known := d.column(name)
	if !found && known {
		l.problemAt(n, extent{at, at + len(name)}, suggest(name, names(d.columns), "its features are "+list(names(d.columns))),
			"view %q has no feature %s", d.meta.Name, quoted(name))
	}
	return f, found
}

func (l *loader) buildOnDemandView(d *document) {
	n := d.node
	v := &OnDemandView{Meta: d.meta}
	before := l.problems.Errors()
	complete := n.get("inputs") != nil
	for _, item := range n.get("inputs").list() {
		complete = l.onDemandInput(v, item) && complete
	}
	for k, t := range n.get("request").pairs() {
		if declared, ok := typeOf(t); ok && l.freshVariable(v, k, 0, k.text) {
			v.Request = append(v.Request, Field{Name: k.text, Type: declared})
		} else {
			complete = false
		}
	}
	if request := n.get("request"); n.has("request") && (request == nil || len(v.Request) < len(request.keys)) {
		complete = false
	}
	for _, f := range n.get("features").list() {
		l.onDemandFeature(d, v, f, complete)
	}
	d.partial = d.partial || l.problems.Errors() > before
	if complete && !d.partial { // else an expression that is lost may read them
		l.warnUnread(n, v)
	}
	d.onDemand = v
	l.project.OnDemandViews = append(l.project.OnDemandViews, v)
}

func (l *loader) onDemandInput(v *OnDemandView, n *node) bool {
	r, ok := parseReference(n.text)
	if !ok {
		l.problem(n, "write view.feature, or view.feature as name", "%s does not name a feature", quoted(n.text))
		return false
	}
	if d := l.names[spaceView+"/"+r.view]; d != nil && d.kind == kindOnDemandView {
		d.used = true
		l.problemAt(n, extent{r.viewAt, r.viewAt + len(r.view)}, "name the inputs of that view, and repeat its expression", "an on-demand view as an input of another is not supported yet")
		return false
	}
	_, f, ok := l.resolve(n, r, kindStreamView, kindBatchView)
	as, at := r.feature, r.featureAt
	if r.as != "" {
		as, at = r.as, r.asAt
		if err := variableShape().check(as); err != nil {
			l.problemAt(n, extent{at, at + len(as)}, variableShape().hint(as), "%v", err)
			return false
		}
	}
	if !ok || !l.freshVariable(v, n, at, as) || f.Type.Kind == featurestore.KindNull {
		return false
	}
	v.Inputs = append(v.Inputs, Input{Ref: FeatureRef{View: r.view, Feature: r.feature}, As: as, Type: f.Type})
	return true
}

// freshVariable reports a name that an input or a request value has already.
func (l *loader) freshVariable(v *OnDemandView, n *node, at int, name string) bool {
	taken := fieldIndex(v.Request, name) >= 0
	for _, in := range v.Inputs {
		taken = taken || in.As == name
	}
	if taken {
		l.problemAt(n, extent{at, at + len(name)}, "give one of them another name, as view.feature as name", "the name %q is taken by another input", name)
	}
	return !taken
}

func (l *loader) onDemandFeature(d *document, v *OnDemandView, n *node, complete bool) {
	t, ok := typeOf(n.get("type"))
	name, expression := n.get("name"), n.get("expr")
	if !ok || name == nil {
		return
	}
	f := OnDemandFeature{Name: name.text, Type: t, Default: l.defaultOf(n, t)}
	if expression != nil && complete {
		f.Expr = l.compile(whole(expression), v.variables(), t, "")
	}
	if d.addColumn(l, name, f.Name, t) {
		v.Features = append(v.Features, f)
	}
}

// warnUnread warns about inputs and request data that no expression reads: each
// costs every lookup something. The view is complete: v.Inputs and v.Request are
// the lists as written.
func (l *loader) warnUnread(n *node, v *OnDemandView) {
	read := map[int]bool{}
	for _, f := range v.Features {
		if f.Expr == nil {
			return
		}
		for _, slot := range f.Expr.Slots() {
			read[slot] = true
		}
	}
	for i, item := range n.get("inputs").list() {
		if !read[i] {
			l.warn(item, "remove it", "the input %q is not used", v.Inputs[i].As)
		}
	}
	for i, f := range v.Request {
		if !read[len(v.Inputs)+i] {
			l.warn(n.get("request").key(f.Name), "remove it", "the request data %q is not used", f.Name)
		}
	}
}

// variables are what the view's expressions may name: its inputs, then its
// request data.
func (v *OnDemandView) variables() []Field {
	fields := make([]Field, 0, len(v.Inputs)+len(v.Request))
	for _, in := range v.Inputs {
		fields = append(fields, Field{Name: in.As, Type: in.Type})
	}
	return append(fields, v.Request...)
}

// Feature gives a feature's type; ok is false for an unknown name.
func (v *OnDemandView) Feature(name string) (t featurestore.Type, ok bool) {
	for _, f := range v.Features {
		if f.Name == name {
			return f.Type, true
		}
	}
	return featurestore.Type{}, false
}
