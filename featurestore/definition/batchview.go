package definition

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/expr"
)

func batchViewShape() *shape {
	feature := object("a feature",
		field{key: "name", shape: variableShape(), need: true, doc: "write {name: seats, type: int64}"},
		field{key: "type", shape: typeShape(), need: true, doc: "write {name: seats, type: int64}"},
		field{key: "column", shape: nameShape(), doc: "The column; by default that of the feature's name."},
		field{key: "expr", shape: expressionShape(), doc: "An expression over the source's columns."},
		field{key: "default", shape: anyShape(), doc: "What stands for null."},
		field{key: "agg", shape: filledTextShape("an aggregate, as avg(x)"), later: true, doc: "write a StreamView over a StreamSource whose history: is these files: it aggregates rows"},
		field{key: "windows", shape: listOf(windowShape(), 1), later: true, doc: "write a StreamView over a StreamSource whose history: is these files: it aggregates rows"})
	s := object("a batch view",
		field{key: "entity", shape: nameShape(), need: true, doc: "write entity: NAME"},
		field{key: "source", shape: nameShape(), need: true, doc: "write source: NAME"},
		field{key: "keys", shape: keysShape(), doc: "Where the entity's keys come from: a column or an expression for each."},
		field{key: "ttl", shape: lengthShape(), doc: "How long a row is good."},
		field{key: "schedule", shape: checkedText("hourly, daily or a cron expression", "", func(text string) error {
			_, err := ParseSchedule(text)
			return err
		}), doc: "When runs are due, in UTC: hourly, daily, or five fields of cron."},
		field{key: "features", shape: listOf(feature, 1), need: true, doc: "write features: [{name: seats, type: int64}]"})
	s.doc = "Features of a warehouse table: the latest row of each entity."
	return s
}

func (l *loader) buildBatchView(d *document) {
	n := d.node
	v := &BatchView{Meta: d.meta, TTL: durationOf(n.get("ttl"), 0)}
	before := l.problems.Errors()
	if s := n.get("schedule"); s != nil {
		v.Schedule, _ = ParseSchedule(s.text) // checked by its shape
	}
	if entity := l.find(n.get("entity"), spaceEntity, kindEntity); entity != nil && !entity.partial {
		v.Entity = entity.entity
	}
	source := l.find(n.get("source"), spaceSource, kindBatchSource)
	if source != nil {
		v.Source = source.batch
		if v.Entity != nil && !source.fieldsBroken() {
			l.checkKeyNames(n, v.Entity)
			for _, key := range v.Entity.Keys {
				if p := l.keyProgram(n, n.get("keys").get(key.Name), key, v.Source.Name, v.Source.Fields); p != nil {
					v.Keys = append(v.Keys, p)
				}
			}
		}
	}
	for _, f := range n.get("features").list() {
		l.batchFeature(d, v, source, f)
	}
	d.partial = d.partial || l.problems.Errors() > before
	d.batchView = v
	l.project.BatchViews = append(l.project.BatchViews, v)
}

func (l *loader) batchFeature(d *document, v *BatchView, source *document, n *node) {
	t, ok := typeOf(n.get("type"))
	name := n.get("name")
	if !ok || name == nil {
		return
	}
	f := BatchFeature{Name: name.text, Type: t, Default: l.defaultOf(n, t)}
	if text, ok := l.latestExpression(n); ok && source != nil && !source.fieldsBroken() {
		f.Expr = l.batchExpression(n, text, source, t)
	}
	if d.addColumn(l, name, f.Name, t) {
		v.Features = append(v.Features, f)
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
