package definition

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/expr"
)

// batchBuilder expands the features of one batch view. Its aggregates are those
// of a stream view with one source.
type batchBuilder struct {
	featureBuilder
	view   *BatchView
	source *document // nil where it is not known
}

func newBatchBuilder(l *loader, d *document, v *BatchView, source *document) *batchBuilder {
	in := &inputs{l: l, index: map[string]int{}}
	if source != nil {
		in.bindings = []Binding{{Source: &StreamSource{Meta: source.meta, Fields: source.batch.Fields}}}
		in.usable = !source.fieldsBroken() && !source.infer
	}
	return &batchBuilder{featureBuilder: featureBuilder{l: l, d: d, in: in}, view: v, source: source}
}

// build keeps the order of declaration, in which aggregates and latest values
// stand beside each other.
func (b *batchBuilder) build() {
	latest := false
	for _, n := range b.d.node.get("features").list() {
		if !n.has("agg") {
			b.latest(n)
			latest = true
			continue
		}
		if b.source != nil && b.source.infer {
			b.l.problem(n.key("agg"), fmt.Sprintf("declare fields: in source %q", b.source.meta.Name), "an aggregate needs the declared fields of its source")
		}
		from := len(b.features)
		b.windowed(n)
		for i := from; i < len(b.features); i++ {
			f := &b.features[i]
			b.view.Features = append(b.view.Features, BatchFeature{Name: f.Name, Type: f.Type, Aggregate: i, Default: f.Default})
			f.Default = featurestore.Null // it replaces null when a value is read
		}
	}
	b.checkTTL(latest)
	b.checkTile(true)
}

// plan compiles the aggregates. What an unknown entity has of them is the same at
// every instant.
func (b *batchBuilder) plan() {
	v := b.view
	v.Aggregates, v.Inputs = b.features, b.in.bindings[0].Inputs
	if v.Plan = b.l.compilePlan(b.d, v.Config(), b.at); v.Plan == nil {
		return
	}
	unknown := make([]featurestore.Cell, len(v.Aggregates))
	v.Plan.Read(nil, 0, unknown)
	for i := range v.Features {
		if f := &v.Features[i]; f.Expr == nil {
			f.Empty = unknown[f.Aggregate].Value
		}
	}
}

func (b *batchBuilder) latest(n *node) {
	b.refuseWindow(n)
	if !b.hasType(n) {
		return
	}
	t, ok := typeOf(n.get("type"))
	name := n.get("name")
	if !ok || name == nil {
		return
	}
	f := BatchFeature{Name: name.text, Type: t, Default: b.l.defaultOf(n, t)}
	if text, ok := b.l.latestExpression(n); ok && b.source != nil && !b.source.fieldsBroken() {
		f.Expr = b.l.batchExpression(n, text, b.source, t)
	}
	if b.d.addColumn(b.l, name, f.Name, t) {
		b.view.Features = append(b.view.Features, f)
	}
}

// batchExpression compiles a feature over its source. A plain column must have
// the feature's own type: a conversion is written out.
func (l *loader) batchExpression(n *node, f fragment, source *document, t featurestore.Type) *expr.Program {
	fields := source.batch.Fields
	if n.has("expr") {
		if source.infer {
			l.problem(n.key("expr"), fmt.Sprintf("declare fields: in source %q", source.meta.Name), "an expression needs the declared fields of its source")
			return nil
		}
		return l.compile(f, fields, t, "")
	}
	i := fieldIndex(fields, f.text)
	switch {
	case i < 0:
		l.problem(f.node, suggest(f.text, names(fields), "declare it in the source's fields, or name another with column:"), "source %q has no column %q", source.meta.Name, f.text)
		return nil
	case !fields[i].Type.Equal(t) && !source.infer:
		l.problem(n.get("type"), fmt.Sprintf("write type: %s, or convert it with expr:", fields[i].Type), "column %q of source %q is %s, not %s", f.text, source.meta.Name, fields[i].Type, t)
		return nil
	case !fields[i].Type.Equal(t):
		return nil // reported where the fields were inferred
	}
	return l.compile(f, fields, t, "")
}
